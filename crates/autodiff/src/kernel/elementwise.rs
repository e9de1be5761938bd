//! Elementwise kernels.

use candle_core::Tensor as Value;
use rekindle_kernels::collect;

use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::Result;

fn map<T: Real>(x: &Value, f: impl Fn(T) -> T) -> Result<Value> {
    let x = x.contiguous()?;
    slice!(data: T = x);
    let out = vectorise(|| collect::map(data, f));
    tensor::<T>(out, x.shape())
}

fn zip<T: Real>(a: &Value, b: &Value, f: impl Fn(T, T) -> T) -> Result<Value> {
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    slice!(x: T = a);
    slice!(y: T = b);
    let out = vectorise(|| collect::zip(x, y, f));
    tensor::<T>(out, a.shape())
}

/// `[rows, C] ∘ [C]`: one row against every row.
fn zip_rows<T: Real>(a: &Value, b: &Value, f: impl Fn(T, T) -> T) -> Result<Value> {
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    slice!(x: T = a);
    slice!(y: T = b);
    let mut out = Vec::with_capacity(x.len());
    vectorise(|| {
        for row in x.chunks_exact(y.len()) {
            out.extend(row.iter().zip(y).map(|(&x, &y)| f(x, y)));
        }
    });
    tensor::<T>(out, a.shape())
}

/// Whether `b` has one row that stands against every row of `a`: `[…, C]` and `[1, …, 1, C]`.
fn is_row(a: &Value, b: &Value) -> bool {
    match (a.dims().split_last(), b.dims().split_last()) {
        (Some((c, lead)), Some((d, ones))) => {
            c == d && *c > 0 && ones.len() <= lead.len() && ones.iter().all(|&n| n == 1)
        }
        _ => false,
    }
}

/// Defines a binary kernel with broadcasting: equal shapes and a single row run direct, the rest on candle.
macro_rules! binary {
    ($name:ident, $candle:ident, $op:tt) => {
        pub(crate) fn $name(a: &Value, b: &Value) -> Result<Value> {
            if a.shape() == b.shape() {
                dispatch!([a, b], T => zip::<T>(a, b, |x, y| x $op y), Ok(a.$candle(b)?))
            } else if is_row(a, b) {
                dispatch!([a, b], T => zip_rows::<T>(a, b, |x, y| x $op y), Ok(a.$candle(b)?))
            } else {
                Ok(a.$candle(b)?)
            }
        }
    };
}

binary!(add, broadcast_add, +);
binary!(sub, broadcast_sub, -);
binary!(mul, broadcast_mul, *);

/// `a·x + b`.
pub(crate) fn affine(x: &Value, a: f64, b: f64) -> Result<Value> {
    dispatch!([x], T => {
        let (a, b) = (<T as candle_core::WithDType>::from_f64(a), <T as candle_core::WithDType>::from_f64(b));
        if b == T::ZERO { map::<T>(x, |v| v * a) } else { map::<T>(x, |v| v * a + b) }
    }, Ok(x.affine(a, b)?))
}

/// `a + s·b`, for equal shapes.
pub(crate) fn add_scaled(a: &Value, b: &Value, s: f64) -> Result<Value> {
    if a.shape() != b.shape() {
        let message = format!("needs equal shapes, but got {:?} and {:?}", a.shape(), b.shape());
        return Err(crate::Error::shape("add_scaled", message));
    }
    dispatch!([a, b], T => {
        let s = <T as candle_core::WithDType>::from_f64(s);
        zip::<T>(a, b, |x, y| x + y * s)
    }, Ok((a + (b * s)?)?))
}

/// `max(x, 0)`; a NaN stays one.
pub(crate) fn relu(x: &Value) -> Result<Value> {
    dispatch!([x], T => map::<T>(x, |v| if v < T::ZERO { T::ZERO } else { v }), {
        // candle's own relu turns a NaN into zero.
        Ok(x.lt(0f64)?.where_cond(&x.zeros_like()?, x)?)
    })
}

/// `x` where `mask > 0`, else 0.
pub(crate) fn mask_positive(x: &Value, mask: &Value) -> Result<Value> {
    dispatch!([x, mask], T => zip::<T>(x, mask, |v, m| if m > T::ZERO { v } else { T::ZERO }), {
        Ok(mask.gt(0f64)?.where_cond(x, &x.zeros_like()?)?)
    })
}
