//! Progressive networks: a new column for each new task, with side views of all that was learned before.

mod column; // read first

mod config;
mod regime;
mod sensitivity;

pub use column::{Column, Progressive};
pub use config::{ColumnLayer, ProgressiveConfig};
pub use regime::{Regime, Start, transfer_score};
pub use sensitivity::{Noise, Sensitivity, fisher_sensitivity, half_precision, perturbation_sensitivity};
