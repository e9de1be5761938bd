//! The square root of a second moment, differentiable where the moment is zero.

use candle_core::DType;
use rekindle_autodiff::{Result, Tensor};
use smallvec::smallvec;

/// Below this the root counts as constant when it is differentiated.
///
/// Its k-th derivative grows like `x^(½−k)`. These bounds keep the first two inside of the element type's range, while
/// the root itself is far below every usual ε: 10⁻¹² against 10⁻⁸ in single precision.
fn flat_below(dtype: DType) -> f64 {
    if dtype == DType::F64 { 1e-200 } else { 1e-24 }
}

/// `√x` for `x ≥ 0`, whose derivative at zero is taken as zero.
///
/// In `g / (√(g²) + ε)` the chain rule asks for `∞ · 0` at `g = 0`, and answers NaN; yet the function has the derivative
/// `1/ε` there, and a root that is flat at zero gives just that. The value is the exact root everywhere; only the
/// derivative is cut, where x is below 10⁻²⁴ (10⁻²⁰⁰ in double precision).
///
/// # Errors
/// If the element type has no root.
pub fn safe_sqrt(x: &Tensor) -> Result<Tensor> {
    let root = x.value().sqrt()?;
    let saved = root.clone();
    let mask = x.value().gt(flat_below(x.dtype()))?;
    Ok(Tensor::custom(root, &[x], move |up| {
        let root = up.output(&saved);
        let safe = Tensor::select(&mask, &root, &root.ones_like()?)?;
        let slope = Tensor::select(&mask, &safe.recip()?.scale(0.5)?, &root.zeros_like()?)?;
        Ok(smallvec![Some(up.grad().mul(&slope)?)])
    }))
}
