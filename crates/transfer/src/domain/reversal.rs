//! Gradient reversal: one network that ascends where another descends, in a single backward pass.
//!
//! ```text
//! R(x) = x,   ∂R/∂x = −λ I
//! ```
//! Ganin et al., *Domain-Adversarial Training of Neural Networks*, 2016, §4.2, eqs. 12–14.

use rekindle_autodiff::Tensor;

use crate::Result;

/// `x` of any shape, whose gradient is multiplied by −λ on its way back. Differentiable to every order.
///
/// To the tape R is the map `a(x) = x₀ − λ (x − x₀)` at the point x₀ where it is evaluated: it has the values of the
/// identity and *all* the derivatives of a. A derivative of the second order passes R twice, so that
/// `h(R(x))` has the derivatives `−λ h′` and `λ² h″`. A learner that differentiates through a step of the reversed
/// gradient, and wants the derivative of that step, −λ h″, takes the two gradients apart instead (`∇L_label − λ ∇L_domain`
/// for the features, `∇L_domain` for the domain classifier).
///
/// ```
/// use rekindle_autodiff::{Order, Tensor, grad};
/// use rekindle_transfer::domain::reverse_gradient;
///
/// let x = Tensor::scalar(3f64)?.leaf();
/// let y = reverse_gradient(&x, 0.5)?.sqr()?;
/// assert_eq!(y.to_f64()?, 9.0);
/// assert_eq!(grad(&y, &[&x], Order::First)?[0].to_f64()?, -3.0); // −λ · 2x
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// Never, for a finite λ; the signature leaves room for devices that fail.
pub fn reverse_gradient(x: &Tensor, lambda: f64) -> Result<Tensor> {
    Ok(Tensor::custom(x.value().clone(), &[x], move |up| {
        let reversed = up.grad().scale(-lambda)?;
        Ok([Some(reversed)].into_iter().collect())
    }))
}

/// The factor of the reversed gradient after a share `p` in `[0, 1]` of the training: `λ_p = 2/(1 + e^(−γ p)) − 1`, which
/// keeps the domain classifier's noise out while it knows nothing. γ = 10 in the paper (§5.2.2).
#[must_use]
pub fn reversal_factor(p: f64, gamma: f64) -> f64 {
    2.0 / (1.0 + libm::exp(-gamma * p)) - 1.0
}
