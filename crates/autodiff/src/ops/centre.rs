//! Maps that batch normalisation and the pooling after it are made of. They close under differentiation, so that every
//! order runs on the same kernels:
//!
//! | map | value | its derivatives for upstream u |
//! |---|---|---|
//! | `scale(k, a)` | `k (a − ā)` | `cov(u, a)`, `scale(k, u)` |
//! | `cov(a, b)` | `Σ (a − ā)(b − b̄)` | `scale(u, b)`, `scale(u, a)` |
//! | `take(k, y)` | the winners of `scale(k, y)` | `cov_put(u, y)`, `put(k, u)` |
//! | `put(k, v)` | `scale(k, v among zeros)` | `cov_put(v, u)`, `take(k, u)` |
//! | `cov_put(v, y)` | `cov(v among zeros, y)` | `take(u, y)`, `put(u, v)` |
//!
//! The last three put values where the winners of a max pooling stood, which are fixed, or take them from there.

use std::sync::Arc;

use super::conv::bilinear;
use crate::kernel::{self, Winners};
use crate::{Result, Tensor};

/// `k (a − ā)` of `k [M, C]` and `a [M, …, C]`, with the mean of each task and channel.
pub(super) fn scale_centred(k: &Tensor, a: &Tensor) -> Result<Tensor> {
    let y = kernel::scale_centred(k.value(), a.value())?;
    Ok(bilinear(y, k, a, covariance, |u, k| scale_centred(k, u)))
}

/// `Σ (a − ā)(b − b̄)` of each task and channel.
fn covariance(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let y = kernel::covariance(a.value(), b.value())?;
    Ok(bilinear(y, a, b, scale_centred, scale_centred))
}

/// `Σ (a − ā)²` of each task and channel.
pub(super) fn squares(a: &Tensor) -> Result<Tensor> {
    let y = kernel::covariance(a.value(), a.value())?;
    let held = a.clone();
    Ok(Tensor::unary(y, a, move |up| scale_centred(&up.grad().scale(2.0)?, &held)))
}

/// The winners of [`scale_centred`]: images `y [M, B, H, W, C]` to `[M, B, H', W', C]`.
pub(super) fn take_centred(k: &Tensor, y: &Tensor, at: &Arc<Winners>) -> Result<Tensor> {
    let taken = kernel::take_centred(k.value(), y.value(), at)?;
    let (by_k, by_y) = (Arc::clone(at), Arc::clone(at));
    Ok(bilinear(taken, k, y, move |u, y| covariance_put(u, y, &by_k), move |u, k| put_centred(k, u, &by_y)))
}

fn put_centred(k: &Tensor, v: &Tensor, at: &Arc<Winners>) -> Result<Tensor> {
    let y = kernel::put_centred(k.value(), v.value(), at)?;
    let (by_k, by_v) = (Arc::clone(at), Arc::clone(at));
    Ok(bilinear(y, k, v, move |u, v| covariance_put(v, u, &by_k), move |u, k| take_centred(k, u, &by_v)))
}

fn covariance_put(v: &Tensor, y: &Tensor, at: &Arc<Winners>) -> Result<Tensor> {
    let sums = kernel::covariance_put(v.value(), y.value(), at)?;
    let (by_v, by_y) = (Arc::clone(at), Arc::clone(at));
    Ok(bilinear(sums, v, y, move |u, y| take_centred(u, y, &by_v), move |u, v| put_centred(u, v, &by_y)))
}
