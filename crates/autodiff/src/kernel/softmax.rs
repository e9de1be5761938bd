//! Log-softmax over the last axis.

use candle_core::{D, Tensor as Value};
use rekindle_kernels as kernels;
use rekindle_kernels::Level;

use super::view::{Direct, direct, slice, tensor};
use crate::Result;

/// `x − log Σ eˣ` over the last axis.
pub(crate) fn log_softmax(x: &Value) -> Result<Value> {
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    match direct(&[x]) {
        Direct::F32 => {
            let x = x.contiguous()?;
            slice!(data: f32 = x);
            let (n, mut out) = (x.dims().last().copied().unwrap_or(1), Vec::new());
            kernels::math::log_softmax(Level::current(), data, n, &mut out)?;
            tensor(out, x.shape())
        }
        Direct::F64 => rows(x),
        Direct::No => {
            let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?;
            Ok(shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?)
        }
    }
}

fn rows(x: &Value) -> Result<Value> {
    let x = x.contiguous()?;
    slice!(data: f64 = x);
    let mut out = data.to_vec();
    let n = x.dims().last().copied().unwrap_or(1).max(1);
    for row in out.chunks_exact_mut(n) {
        let max = row.iter().fold(row[0], |max, &v| if v > max { v } else { max });
        let log = max + row.iter().map(|&v| (v - max).exp()).sum::<f64>().ln();
        row.iter_mut().for_each(|v| *v -= log);
    }
    tensor(out, x.shape())
}
