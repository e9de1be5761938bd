//! Tests across the modules of rekindle-tasks, in one binary.

// What the tests share.
mod common;

// Few-shot episodes: invariants over random sizes, errors, difficulty.
mod episodes;
// A user's folder of images.
#[cfg(feature = "images")]
mod folder;
// Meta-Dataset's episodes and descriptions.
mod meta_dataset;
// Omniglot from a small imitation of the official layout, and from real data where there is some.
#[cfg(feature = "images")]
mod omniglot;
// Packed files: what they hold, and what damages they may have.
mod packed;
// The named sets, from real data where there is some.
mod sets;
// Class splits, random and from files.
mod splits;
