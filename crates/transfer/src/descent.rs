//! One step of an optimiser down some losses.

use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_optim::{Select, State, Transform, apply_updates};

use crate::{Error, Result};

/// New parameters, the optimiser's new state, and the mean of the losses `[M]` before the step. Each task's loss counts in
/// full for leaves of its own, and in the sum for shared ones.
pub(crate) fn descend(
    optimiser: &dyn Transform,
    params: &Params,
    state: &State,
    losses: impl FnOnce(&Params) -> Result<Tensor>,
) -> Result<(Params, State, f64)> {
    descend_but(None, optimiser, params, state, losses)
}

/// [`descend`], but the leaves that `frozen` selects stay as they are, to the bit, whatever the optimiser does to leaves
/// without a gradient.
pub(crate) fn descend_but(
    frozen: Option<&Select>,
    optimiser: &dyn Transform,
    params: &Params,
    state: &State,
    losses: impl FnOnce(&Params) -> Result<Tensor>,
) -> Result<(Params, State, f64)> {
    let stays = |name: &str| frozen.is_some_and(|select| select.matches(name));
    let params = params.detach();
    let (fixed, free) = params.partition(stays);
    let free = free.leaf();
    let losses = losses(&free.merge(&fixed)?)?;
    let mean = losses.detach().mean_all()?.to_f64()?;
    if !mean.is_finite() {
        return Err(Error::NotFinite { what: "loss".into(), value: mean });
    }
    let grads = free.grad(&losses.sum_all()?, Order::First)?;
    let grads = params.map_named(|name, leaf| match stays(name) {
        true => leaf.zeros_like(),
        false => grads.get(name).cloned(),
    })?;
    let (updates, state) = optimiser.update(&grads, state, &params)?;
    let moved = apply_updates(&params, &updates)?;
    // Frozen leaves are put back, not moved by zero: an optimiser's decay moves them, and −0 + 0 has other bits.
    let keep = |name: &str, leaf: &Tensor| if stays(name) { Ok(leaf.clone()) } else { moved.get(name).cloned() };
    Ok((params.map_named(keep)?, state, mean))
}
