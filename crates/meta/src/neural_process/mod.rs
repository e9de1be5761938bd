//! Conditional neural processes: from a set of examples to a distribution of the target at any input.

mod config;
mod encode;
mod process;

pub use config::{Aggregation, NeuralProcessConfig};
pub use process::NeuralProcess;
