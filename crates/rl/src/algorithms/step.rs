//! What the algorithms share: parts of parameters, means over tasks, one step of an optimiser, minibatches.

use rand::RngCore;
use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_envs::random::below;
use rekindle_optim::{State, Transform, apply_updates};

use crate::{Error, Result};

/// The acting network's leaves, and the others.
pub(crate) fn actor_part(params: &Params) -> (Params, Params) {
    params.partition(|name| name.starts_with("actor."))
}

/// Losses `[M]` as the parameters see them: their mean, `[1]`, where tasks share parameters; each task's own where they
/// do not.
pub(crate) fn for_leaves(losses: &Tensor, n_tasks: usize) -> Result<Tensor> {
    if n_tasks == 1 { Ok(losses.mean_keepdim(&[0])?) } else { Ok(losses.clone()) }
}

/// One step of an optimiser down the losses `[M]`, and their mean.
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
        return Err(Error::NotFinite { what: "loss", value: mean });
    }
    let grads = theta.grad(&for_leaves(&losses, theta.n_tasks())?.sum_all()?, Order::First)?;
    let theta = theta.detach();
    let (updates, state) = optimiser.update(&grads, state, &theta)?;
    Ok((apply_updates(&theta, &updates)?, state, mean))
}

/// The numbers below `n` in random order, cut into `parts` that differ by one at most; empty parts are left out.
pub(crate) fn minibatches(n: usize, parts: usize, rng: &mut dyn RngCore) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        order.swap(i, below(rng, i + 1));
    }
    let cut = |part: usize| part * n / parts;
    (0..parts).map(|part| order[cut(part)..cut(part + 1)].to_vec()).filter(|part| !part.is_empty()).collect()
}
