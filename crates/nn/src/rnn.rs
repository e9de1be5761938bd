//! Recurrent cells, one step at a time or over a sequence.

mod gru;
mod lstm;

pub use gru::Gru;
pub use lstm::{Lstm, LstmConfig, LstmState};

use rekindle_autodiff::Tensor;

use crate::{Error, Result};

/// The parts `[M, …]` of a tensor `[M, T, …]`, in order.
///
/// Halving, rather than taking the parts one by one, keeps the gradient cheap: a part's gradient is padded to the size
/// of what it was cut from, so T parts cost T log T, not T².
fn split_time(x: &Tensor) -> Result<Vec<Tensor>> {
    let mut parts = Vec::new();
    let mut open = vec![x.clone()];
    while let Some(part) = open.pop() {
        match part.dim(1)? {
            0 => {}
            1 => parts.push(part.squeeze(1)?),
            t => {
                open.push(part.narrow(1, t / 2, t - t / 2)?);
                open.push(part.narrow(1, 0, t / 2)?);
            }
        }
    }
    Ok(parts)
}

/// Checks `xs [T, M, B, D]` and gives it as `[M, T, B, D]`, so that one product serves all steps.
fn tasks_first(xs: &Tensor, inputs: usize) -> Result<Tensor> {
    match *xs.dims() {
        [t, _, _, d] if t > 0 && d == inputs => Ok(xs.transpose(0, 1)?),
        ref found => Err(Error::shape("the sequence", found, format!("[T, M, B, {inputs}] with T ≥ 1"))),
    }
}
