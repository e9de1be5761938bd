//! Finite differences against the tape, at any order.
//!
//! ```text
//! F₀(x) = ⟨w, f(x)⟩        Fₖ(x) = ⟨∇Fₖ₋₁(x), vₖ⟩        ∂Fₖ₋₁/∂xⱼ ≈ (Fₖ₋₁(x + h eⱼ) − Fₖ₋₁(x − h eⱼ)) / 2h
//! ```
//!
//! Contracting with fixed directions keeps every order a scalar function, so that order k costs as many evaluations as
//! order 1; a wrong entry of a k-th derivative shows unless the directions happen to be orthogonal to it.

use candle_core::DType;

use crate::grad::{Order, partial_vjp};
use crate::{Error, Result, Tensor};

/// How [`check_gradients`] compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    /// The highest order of derivatives that is checked, `≥ 1`; every order below it is checked too. Default 2.
    pub order: usize,
    /// The step h of the central differences, `> 0`. Their error is about `h² f‴/6` from cutting the series and
    /// `10⁻¹⁶ |f| / h` from rounding: level near the default, 1e-5.
    pub step: f64,
    /// The largest relative error `|a − n| / max(|a|, |n|, 1)` that passes, `> 0`. Default 1e-6.
    pub tolerance: f64,
}

impl Default for Check {
    fn default() -> Self {
        Self { order: 2, step: 1e-5, tolerance: 1e-6 }
    }
}

impl Check {
    fn validate(&self) -> Result<()> {
        let positive = |v: f64| v > 0.0 && v.is_finite();
        if self.order == 0 || !positive(self.step) || !positive(self.tolerance) {
            let message = format!("{self:?}: needs order ≥ 1, a positive step and a positive tolerance");
            return Err(Error::argument("check_gradients", message));
        }
        Ok(())
    }
}

/// Compares derivatives from the tape with central finite differences, at every order up to `check.order` and every
/// element of every input.
///
/// The output of `f` may have any shape: it is contracted with fixed pseudo-random weights. Where `f` does not depend
/// on an input, or a derivative not on a point, the right gradient is zero. Orders below the highest are checked both as
/// constants ([`Order::First`]) and recorded ([`Order::Higher`]), since a fused operation has a way of its own for each;
/// the highest as a constant, so that order 1 suits what can be differentiated once only. Keep the inputs further than
/// the step from kinks (relu at zero, ties of a maximum): differences mean nothing there.
///
/// ```
/// use rekindle_autodiff::{Check, Tensor, check_gradients};
/// let (w, x) = (Tensor::from_vec(vec![0.3f64, -0.8, 0.5, 0.1], (2, 2))?, Tensor::from_vec(vec![1f64, 2.], (1, 2))?);
/// check_gradients(|t| t[0].matmul(&t[1])?.tanh(), &[x.clone(), w], Check::default())?;
///
/// // An op of one's own with a factor forgotten: the check says where.
/// let wrong = |t: &[Tensor]| {
///     let held = t[0].clone();
///     let vjp = move |up: &rekindle_autodiff::Upstream<'_>| Ok([Some(up.grad().mul(&held)?)].into_iter().collect());
///     Ok(Tensor::custom(t[0].value().sqr()?, &[&t[0]], vjp))
/// };
/// let error = check_gradients(wrong, &[x], Check::default()).unwrap_err();
/// assert!(error.to_string().starts_with("gradient check failed at order 1, input 0, element 0"));
/// # Ok::<(), rekindle_autodiff::Error>(())
/// ```
///
/// # Errors
/// [`Error::GradientCheck`] at the first element that differs (a NaN always does); [`Error::Shape`] if a gradient does
/// not have its input's shape; [`Error::Argument`] if an input or the output is not `f64`, if there is no input, or if
/// `check` is out of range; and whatever `f` answers.
pub fn check_gradients(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], check: Check) -> Result<()> {
    check.validate()?;
    if inputs.is_empty() {
        return Err(Error::argument("check_gradients", "needs at least one input"));
    }
    for (i, x) in inputs.iter().enumerate() {
        needs_f64(&format!("input {i}"), x)?;
    }
    for order in 1..=check.order {
        let numeric = differences(&f, inputs, order - 1, check.step)?;
        // At the highest order nothing needs a recorded gradient, so that a function that can be differentiated once
        // only passes at order 1.
        let ways: &[Order] = if order < check.order { &[Order::First, Order::Higher] } else { &[Order::First] };
        for &recorded in ways {
            let xs: Vec<Tensor> = inputs.iter().map(Tensor::leaf).collect();
            let y = functional(&f, &xs, order - 1, Order::Higher)?;
            compare(order, &gradients(&y, &xs, recorded)?, &numeric, &check)?;
        }
    }
    Ok(())
}

/// `Fₖ` at leaves; `last` says whether its outermost gradient is recorded.
fn functional(f: &impl Fn(&[Tensor]) -> Result<Tensor>, xs: &[Tensor], k: usize, last: Order) -> Result<Tensor> {
    if k == 0 {
        let y = f(xs)?;
        needs_f64("the output", &y)?;
        return contract(&y, 0);
    }
    let below = functional(f, xs, k - 1, Order::Higher)?;
    let mut sum = Tensor::scalar(0f64)?.to_device(below.device())?;
    for (i, g) in gradients(&below, xs, last)?.iter().enumerate() {
        sum = sum.add(&contract(g, (k * xs.len() + i) as u64)?)?;
    }
    Ok(sum)
}

/// `∇y`, zeros at the inputs that y does not depend on.
fn gradients(y: &Tensor, xs: &[Tensor], order: Order) -> Result<Vec<Tensor>> {
    let targets: Vec<&Tensor> = xs.iter().collect();
    let grads = partial_vjp(&[(y, &y.ones_like()?)], &targets, order)?;
    let of_input = |(g, x): (Option<Tensor>, &Tensor)| match g {
        None => x.zeros_like(),
        Some(g) if g.shape() == x.shape() => Ok(g),
        Some(g) => {
            let message = format!("an input of shape {:?} got a gradient of shape {:?}", x.shape(), g.shape());
            Err(Error::shape("check_gradients", message))
        }
    };
    grads.into_iter().zip(xs).map(of_input).collect()
}

/// Central differences of `Fₖ` at every element of every input.
fn differences(
    f: &impl Fn(&[Tensor]) -> Result<Tensor>,
    inputs: &[Tensor],
    k: usize,
    step: f64,
) -> Result<Vec<Vec<f64>>> {
    let mut all = Vec::with_capacity(inputs.len());
    for (i, x) in inputs.iter().enumerate() {
        let values = x.to_vec_f64()?;
        let at = |element: usize, value: f64| -> Result<f64> {
            let mut moved = values.clone();
            moved[element] = value;
            let mut xs: Vec<Tensor> = inputs.iter().map(Tensor::leaf).collect();
            xs[i] = Tensor::from_vec(moved, x.shape())?.to_device(x.device())?.leaf();
            functional(f, &xs, k, Order::First)?.to_f64()
        };
        let slope = |(element, &value): (usize, &f64)| {
            // The step that rounding leaves, not the one that was asked for.
            let (above, below) = (value + step, value - step);
            Ok((at(element, above)? - at(element, below)?) / (above - below))
        };
        all.push(values.iter().enumerate().map(slope).collect::<Result<_>>()?);
    }
    Ok(all)
}

fn compare(order: usize, analytic: &[Tensor], numeric: &[Vec<f64>], check: &Check) -> Result<()> {
    for (input, (analytic, numeric)) in analytic.iter().zip(numeric).enumerate() {
        let analytic = analytic.to_vec_f64()?;
        for (element, (&analytic, &numeric)) in analytic.iter().zip(numeric).enumerate() {
            let error = (analytic - numeric).abs() / analytic.abs().max(numeric.abs()).max(1.0);
            // A NaN must fail too.
            if error.is_nan() || error > check.tolerance {
                let tolerance = check.tolerance;
                return Err(Error::GradientCheck { order, input, element, analytic, numeric, error, tolerance });
            }
        }
    }
    Ok(())
}

fn needs_f64(what: &str, t: &Tensor) -> Result<()> {
    if t.dtype() == DType::F64 {
        return Ok(());
    }
    let message = format!("{what} is {:?}; finite differences need F64, so cast the inputs with `to_dtype`", t.dtype());
    Err(Error::argument("check_gradients", message))
}

/// `⟨t, w⟩` with weights between ½ and 3/2 of either sign: none is so small that it would hide an error.
fn contract(t: &Tensor, stream: u64) -> Result<Tensor> {
    let mut state = stream.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
    let weights: Vec<f64> = (0..t.elem_count()).map(|_| weight(&mut state)).collect();
    let weights = Tensor::from_vec(weights, t.shape())?.to_device(t.device())?;
    t.mul(&weights)?.sum_all()
}

/// One number of the SplitMix64 generator (Steele, Lea & Flood 2014): 53 bits as the size, one as the sign.
fn weight(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let size = 0.5 + (z >> 11) as f64 / (1u64 << 53) as f64;
    if z & 1 == 0 { size } else { -size }
}
