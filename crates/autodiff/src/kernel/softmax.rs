//! Log-softmax over the last axis.

use candle_core::{D, Tensor as Value};

use super::view::{Real, dispatch, slice, tensor};
use crate::Result;

/// `x − log Σ eˣ` over the last axis.
pub(crate) fn log_softmax(x: &Value) -> Result<Value> {
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    dispatch!([x], T => rows::<T>(x), {
        let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?;
        Ok(shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?)
    })
}

fn rows<T: Real>(x: &Value) -> Result<Value> {
    let x = x.contiguous()?;
    slice!(data: T = x);
    let mut out = data.to_vec();
    let n = x.dims().last().copied().unwrap_or(1).max(1);
    for row in out.chunks_exact_mut(n) {
        let max = row.iter().fold(row[0], |max, &v| if v > max { v } else { max });
        // The sum is taken in f64: rows are short, and a loss deserves its digits.
        let sum: f64 = row.iter().map(|&v| (v - max).to_f64().exp()).sum();
        let log = T::from_f64(max.to_f64() + sum.ln());
        row.iter_mut().for_each(|v| *v -= log);
    }
    tensor(out, x.shape())
}
