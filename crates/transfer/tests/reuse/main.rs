//! Tests of what reinforcement learning reuses, in one binary.

// Successor features: exact, by tables and linear functions, by networks.
mod successor_deep;
mod successor_exact;
mod successor_tasks;
