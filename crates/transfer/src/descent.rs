//! One step of an optimiser down some losses.

use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_optim::{State, Transform, apply_updates};

use crate::{Error, Result};

/// New parameters, the optimiser's new state, and the mean of the losses `[M]` before the step. Each task's loss counts in
/// full for leaves of its own, and in the sum for shared ones.
pub(crate) fn descend(
    optimiser: &dyn Transform,
    params: &Params,
    state: &State,
    losses: impl FnOnce(&Params) -> Result<Tensor>,
) -> Result<(Params, State, f64)> {
    let theta = params.leaf();
    let losses = losses(&theta)?;
    let mean = losses.detach().mean_all()?.to_f64()?;
    if !mean.is_finite() {
        return Err(Error::NotFinite { what: "loss".into(), value: mean });
    }
    let grads = theta.grad(&losses.sum_all()?, Order::First)?;
    let theta = theta.detach();
    let (updates, state) = optimiser.update(&grads, state, &theta)?;
    Ok((apply_updates(&theta, &updates)?, state, mean))
}
