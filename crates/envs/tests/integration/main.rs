//! Tests across the modules of rekindle-envs, in one binary.

// What the tests share.
mod common;

// Batches: streams, autoreset, trials, wrappers.
mod batches;
// Traces of Gymnasium.
mod classic;
// Every environment runs the suite, and the suite finds faults.
mod conformance;
// What is refused, and how.
mod errors;
// Walking on text.
mod grid;
// Mazes are found out of.
mod maze;
// The bits of a seed.
mod portable;
// Worlds for transfer.
mod transfer;
// Distributions of tasks.
mod samplers;
