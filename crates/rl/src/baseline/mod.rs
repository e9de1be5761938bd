//! Estimates of the value that advantages are taken against.

mod critic;
mod linear;

pub use critic::{CriticFit, CriticFitted};
pub use linear::LinearBaseline;
