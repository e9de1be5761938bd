//! Elementary functions. For `f32` on the CPU they are vectorised; candle calls the standard library for each number.

use candle_core::Tensor as Value;
use rekindle_kernels::{Level, math};

use super::view::{Direct, direct, slice, tensor};
use crate::Result;

/// `eˣ`.
pub(crate) fn exp(x: &Value) -> Result<Value> {
    if !matches!(direct(&[x]), Direct::F32) {
        return Ok(x.exp()?);
    }
    map(x, math::exp)
}

/// Hyperbolic tangent.
pub(crate) fn tanh(x: &Value) -> Result<Value> {
    if !matches!(direct(&[x]), Direct::F32) {
        return Ok(x.tanh()?);
    }
    map(x, math::tanh)
}

/// `1 / (1 + e⁻ˣ)`.
pub(crate) fn sigmoid(x: &Value) -> Result<Value> {
    if !matches!(direct(&[x]), Direct::F32) {
        // ½(1 + tanh(x/2)) does not overflow.
        return Ok(x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)?);
    }
    map(x, math::sigmoid)
}

fn map(x: &Value, f: impl FnOnce(Level, &[f32], &mut Vec<f32>)) -> Result<Value> {
    let x = x.contiguous()?;
    slice!(data: f32 = x);
    let mut out = Vec::new();
    f(Level::current(), data, &mut out);
    tensor(out, x.shape())
}
