//! Plain training: a loss, an optimiser, and a bar. A training that was finished is not done again.

use anyhow::Result;
use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_optim::{State, Transform, apply_updates};

use crate::Context;

/// Parameters after `steps` steps on the loss, which sees the step's number; read from `name.safetensors` in the work folder
/// where an earlier run has left them.
pub(super) fn descend(
    ctx: &Context,
    name: &str,
    params: &Params,
    (optimiser, steps): (&dyn Transform, u64),
    loss: &mut dyn FnMut(&Params, u64) -> Result<Tensor>,
) -> Result<Params> {
    finished(ctx, name, params, || {
        let bar = ctx.progress(name, steps);
        let (mut params, mut state) = (params.clone(), optimiser.init(params)?);
        for step in 0..steps {
            let value;
            (params, state, value) = descend_once(optimiser, &params, &state, |leaves| loss(leaves, step))?;
            bar.message(format!("loss {value:.3}"));
            bar.inc(1);
        }
        Ok(params)
    })
}

/// One step down the sum of some losses: new parameters, the optimiser's new state, and the sum before the step.
pub(super) fn descend_once(
    optimiser: &dyn Transform,
    params: &Params,
    state: &State,
    losses: impl FnOnce(&Params) -> Result<Tensor>,
) -> Result<(Params, State, f64)> {
    let leaves = params.leaf();
    let loss = losses(&leaves)?.sum_all()?;
    let grads = leaves.grad(&loss, Order::First)?;
    let (updates, state) = optimiser.update(&grads, state, params)?;
    Ok((apply_updates(params, &updates)?, state, loss.to_f64()?))
}

/// What `train` answers, or what an earlier run has saved under this name. A file of other parameters is not used.
pub(super) fn finished(
    ctx: &Context,
    name: &str,
    like: &Params,
    train: impl FnOnce() -> Result<Params>,
) -> Result<Params> {
    let file = ctx.work_dir().join(format!("{name}.safetensors"));
    if file.exists() {
        let saved = Params::load(&file, ctx.device())?;
        if saved.check_like(like).is_ok() {
            return Ok(saved);
        }
    }
    let params = train()?;
    params.save(&file)?;
    Ok(params)
}
