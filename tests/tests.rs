//! Integration tests across crates, in one binary.

// Learning: a learner reaches a stated accuracy from a seed.
mod few_shot;

// Same seed, same bits, whatever the threads and chunks.
mod determinism;

// Models written for candle-nn.
mod candle_model;
