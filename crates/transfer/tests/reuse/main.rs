//! Tests of what reinforcement learning reuses, in one binary.

// Students of several teachers.
mod mimic;
// Modules for tasks and robots.
mod modular;
// Options in rooms with a key and a door.
mod options;
// Losses without rewards.
mod self_supervision;
// Domain randomisation.
mod randomised;
// Pretraining for diversity.
mod soft;
// Successor features: exact, by tables and linear functions, by networks.
mod successor_deep;
mod successor_exact;
mod successor_tasks;
