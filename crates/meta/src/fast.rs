//! Fast parameters of an inner loop whose optimiser has a memory: the weights, and the optimiser's state.

use rekindle_autodiff::Params;
use rekindle_optim::{Transform, apply_updates};

use crate::Result;

const WEIGHTS: &str = "weights";
const STATE: &str = "state";

/// Weights and a fresh state.
pub(crate) fn start(optimiser: &dyn Transform, weights: &Params) -> Result<Params> {
    join(weights, &optimiser.init(weights)?.leaves()?)
}

/// One update. The state travels as leaves, so that the meta-gradient flows through it; its count is that of the step.
pub(crate) fn step(
    optimiser: &dyn Transform,
    fast: &Params,
    k: usize,
    gradient: impl FnOnce(&Params) -> Result<Params>,
) -> Result<Params> {
    let theta = weights(fast)?;
    let blank = optimiser.init(&theta)?;
    // Plain gradient descent has no state, so there may be no leaves.
    let leaves = fast.below(STATE)?;
    let state = blank.with_leaves(&leaves.ordered_like(&blank.leaves()?)?)?.at_step(k as u64);
    let (updates, next) = optimiser.update(&gradient(&theta)?, &state, &theta)?;
    join(&apply_updates(&theta, &updates)?, &next.leaves()?)
}

/// The weights alone.
pub(crate) fn weights(fast: &Params) -> Result<Params> {
    Ok(fast.below(WEIGHTS)?)
}

fn join(weights: &Params, state: &Params) -> Result<Params> {
    Ok(weights.prefixed(WEIGHTS)?.merge(&state.prefixed(STATE)?)?)
}
