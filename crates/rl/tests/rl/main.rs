//! Tests of reinforcement learning, in one binary.

// Distributions: closed forms, integrals, finite differences.
mod distributions;
// Sequences equal steps, batches of tasks equal loops.
mod policies;
// What is played, and what is made of rewards.
mod baselines;
mod returns;
mod rollouts;
// Gradients against exact ones; the natural gradient; learning.
mod estimators;
mod learning;
mod q_learning;
mod trust_regions;
// What is refused.
mod errors;

mod common;
