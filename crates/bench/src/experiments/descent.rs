//! Plain training: a loss, an optimiser, and a bar. A training that was finished is not done again.

use anyhow::Result;
use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_optim::{Transform, apply_updates};

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
            let leaves = params.leaf();
            let value = loss(&leaves, step)?.sum_all()?;
            let grads = leaves.grad(&value, Order::First)?;
            let (updates, next) = optimiser.update(&grads, &state, &params)?;
            (params, state) = (apply_updates(&params, &updates)?, next);
            bar.message(format!("loss {:.3}", value.to_f64()?));
            bar.inc(1);
        }
        Ok(params)
    })
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
