//! Equal, and nearly equal.

use rekindle_autodiff::{Params, Tensor};

use crate::{Error, Result};

/// Largest relative difference in double precision between two ways to the same number. Sums taken in another order
/// differ by some 10⁻¹⁵ of their largest term; true mistakes differ by far more than this.
const TOLERANCE: f64 = 1e-9;

pub(super) fn broken(rule: &'static str, message: impl Into<String>) -> Error {
    Error::Conformance { rule, message: message.into() }
}

/// Bit for bit; names, their order, shapes and types included.
pub(super) fn same_params(rule: &'static str, what: &str, a: &Params, b: &Params) -> Result<()> {
    same_form(rule, what, a, b)?;
    for ((name, x), y) in a.iter().zip(b.leaves()) {
        same(rule, &format!("{what} `{name}`"), x, y)?;
    }
    Ok(())
}

/// Bit for bit.
pub(super) fn same(rule: &'static str, what: &str, a: &Tensor, b: &Tensor) -> Result<()> {
    compare(rule, what, a, b, |x, y| x.to_bits() == y.to_bits())
}

/// Up to rounding, measured against the largest element of each leaf.
pub(super) fn close_params(rule: &'static str, what: &str, a: &Params, b: &Params) -> Result<()> {
    same_form(rule, what, a, b)?;
    for ((name, x), y) in a.iter().zip(b.leaves()) {
        close(rule, &format!("{what} `{name}`"), x, y)?;
    }
    Ok(())
}

/// Up to rounding, measured against the largest element of all leaves: for gradients that are zero in some leaf, up to
/// rounding, since a term that all outputs share changes nothing.
pub(super) fn close_together(rule: &'static str, what: &str, a: &Params, b: &Params) -> Result<()> {
    same_form(rule, what, a, b)?;
    let largest = |params: &Params| -> Result<f64> {
        params
            .leaves()
            .iter()
            .try_fold(0.0, |size: f64, leaf| Ok(leaf.to_vec_f64()?.into_iter().fold(size, |size, x| size.max(x.abs()))))
    };
    let size = largest(a)?.max(largest(b)?);
    for ((name, x), y) in a.iter().zip(b.leaves()) {
        compare(rule, &format!("{what} `{name}`"), x, y, |x, y| (x - y).abs() <= TOLERANCE * size)?;
    }
    Ok(())
}

/// Up to rounding, measured against the largest element.
pub(super) fn close(rule: &'static str, what: &str, a: &Tensor, b: &Tensor) -> Result<()> {
    let size = a.to_vec_f64()?.into_iter().chain(b.to_vec_f64()?).fold(0.0, |size: f64, x| size.max(x.abs()));
    compare(rule, what, a, b, |x, y| (x - y).abs() <= TOLERANCE * size)
}

fn same_form(rule: &'static str, what: &str, a: &Params, b: &Params) -> Result<()> {
    b.check_like(a).map_err(|e| broken(rule, format!("{what}: {e}")))?;
    if a.names().ne(b.names()) {
        return Err(broken(rule, format!("{what}: the names come in another order")));
    }
    Ok(())
}

fn compare(rule: &'static str, what: &str, a: &Tensor, b: &Tensor, equal: impl Fn(f64, f64) -> bool) -> Result<()> {
    if a.dims() != b.dims() {
        return Err(broken(rule, format!("{what}: shapes {:?} and {:?}", a.dims(), b.dims())));
    }
    // f64 holds every f32 exactly.
    let (x, y) = (a.to_vec_f64()?, b.to_vec_f64()?);
    match (0..x.len()).find(|&i| !equal(x[i], y[i])) {
        Some(i) => Err(broken(rule, format!("{what}, element {i}: {:e} and {:e}", x[i], y[i]))),
        None => Ok(()),
    }
}
