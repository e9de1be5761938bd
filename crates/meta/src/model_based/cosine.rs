//! Cosines, by which a memory is searched.

use rekindle_autodiff::{Tensor, Transpose};

use crate::Result;

/// Added to a squared length below the root, so that an empty place of a memory has a cosine, zero, and a gradient.
const EMPTY: f64 = 1e-6;

/// Cosines `[M, …, R, P]` of keys `[M, …, R, W]` and places `[M, …, P, W]`.
pub(super) fn cosines(keys: &Tensor, places: &Tensor) -> Result<Tensor> {
    let unit = |x: &Tensor| x.div(&x.sqr()?.sum_keepdim(&[x.rank() - 1])?.shift(EMPTY)?.sqrt()?);
    Ok(unit(keys)?.product(Transpose::No, &unit(places)?, Transpose::Yes)?)
}
