//! What the gradient-based inner loops share.

use rekindle_autodiff::{Order, Params, Tensor};

use crate::{Error, Result};

/// The gradient of a task-wise loss `[M]` at `theta`. With [`Order::First`] it is a constant, and the history of
/// `theta` plays no part in it. With [`Order::Higher`] and a tracked `theta` it is recorded; what an
/// [`InnerLoop::step`](crate::InnerLoop::step) is made of.
///
/// # Errors
/// Those of `loss`; if it does not depend on some leaf of `theta`.
pub fn inner_gradient<E: From<rekindle_autodiff::Error>>(
    theta: &Params,
    order: Order,
    loss: impl FnOnce(&Params) -> std::result::Result<Tensor, E>,
) -> std::result::Result<Params, E> {
    let tracked = order == Order::Higher && theta.leaves().iter().all(Tensor::is_tracked);
    let point = if tracked { theta.clone() } else { theta.leaf() };
    // Summing over tasks keeps per-task gradients separate: leaf m only sees loss m.
    let loss = loss(&point)?.sum_all()?;
    Ok(point.grad(&loss, order)?)
}

/// One step of gradient descent, `theta + s · gradient`, as with [`inner_gradient`] in fewer passes.
///
/// # Errors
/// As [`inner_gradient`].
pub fn inner_step<E: From<rekindle_autodiff::Error>>(
    theta: &Params,
    order: Order,
    s: f64,
    loss: impl FnOnce(&Params) -> std::result::Result<Tensor, E>,
) -> std::result::Result<Params, E> {
    if order == Order::Higher && theta.leaves().iter().all(Tensor::is_tracked) {
        return Ok(theta.grad_step(&loss(theta)?.sum_all()?, s)?);
    }
    Ok(theta.add_scaled(&inner_gradient(theta, order, loss)?, s)?)
}

/// Learning rates are positive and finite.
pub(crate) fn check_rate(name: &'static str, rate: f64) -> Result<()> {
    if rate > 0.0 && rate.is_finite() {
        return Ok(());
    }
    Err(Error::setting(name, &rate, "a finite number above 0"))
}
