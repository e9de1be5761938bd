//! Recurrent cells, one step at a time or over a sequence.

mod gru;
mod lstm;

pub use gru::Gru;
pub use lstm::{Lstm, LstmConfig, LstmState};

use rekindle_autodiff::Tensor;

use crate::{Error, Init, Result};

/// Checks `xs [T, M, B, D]`.
fn check_sequence(xs: &Tensor, inputs: usize) -> Result<()> {
    match *xs.dims() {
        [t, _, _, d] if t > 0 && d == inputs => Ok(()),
        ref found => Err(Error::shape("the sequence", found, format!("[T, M, B, {inputs}] with T ≥ 1"))),
    }
}

/// PyTorch's default for recurrent cells.
fn uniform(units: usize) -> Init {
    Init::Uniform { bound: 1.0 / (units.max(1) as f64).sqrt() }
}
