//! The squared error of each task and its gradient, each in one pass.

use candle_core::Tensor as Value;

use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::Result;

/// `mean (x − t)²` over every axis but the first, `[M]`.
pub(crate) fn mse(x: &Value, t: &Value) -> Result<Value> {
    let m = x.dims()[0];
    let n = x.elem_count() / m.max(1);
    dispatch!([x, t], T => {
        let (x, t) = (x.contiguous()?, t.contiguous()?);
        slice!(xs: T = x);
        slice!(ts: T = t);
        let inv = <T as candle_core::WithDType>::from_f64(1.0 / n as f64);
        let each = |task: usize| {
            let pairs = xs[task * n..][..n].iter().zip(&ts[task * n..][..n]);
            pairs.fold(T::ZERO, |sum, (&x, &t)| sum + (x - t) * (x - t)) * inv
        };
        tensor::<T>((0..m).map(each).collect(), m)
    }, Ok((x - t)?.sqr()?.reshape((m, n))?.mean(1)?))
}

/// `s u (x − t)`, with `u [M]` repeated over the task; `t` may be absent, for zeros.
pub(crate) fn residual(x: &Value, t: Option<&Value>, u: &Value, s: f64) -> Result<Value> {
    let m = x.dims()[0];
    let n = x.elem_count() / m.max(1);
    dispatch!([x, t.unwrap_or(x), u], T => {
        let (x, t, u) = (x.contiguous()?, t.map(Value::contiguous).transpose()?, u.contiguous()?);
        slice!(xs: T = x);
        slice!(us: T = u);
        let s = <T as candle_core::WithDType>::from_f64(s);
        let mut out = Vec::with_capacity(m * n);
        if let Some(t) = &t {
            slice!(ts: T = t);
            vectorise(|| {
                for (task, &u) in us.iter().enumerate() {
                    let k = u * s;
                    let pairs = xs[task * n..][..n].iter().zip(&ts[task * n..][..n]);
                    out.extend(pairs.map(|(&x, &t)| (x - t) * k));
                }
            });
        } else {
            vectorise(|| {
                for (task, &u) in us.iter().enumerate() {
                    let k = u * s;
                    out.extend(xs[task * n..][..n].iter().map(|&x| x * k));
                }
            });
        }
        tensor::<T>(out, x.shape())
    }, {
        let mut dims = vec![1; x.rank()];
        dims[0] = m;
        let x = t.map_or_else(|| Ok(x.clone()), |t| x - t)?;
        Ok(x.broadcast_mul(&(u.reshape(dims)? * s)?)?)
    })
}
