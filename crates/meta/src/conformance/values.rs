//! Rules about values: forms, bits, tasks.

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_tasks::{Batch, TaskBatch};

use super::Case;
use super::compare::{broken, close, close_params, same, same_params};
use crate::{MetaGrad, MetaLearner, Result, Runner, Setting};

impl Case<'_> {
    pub(super) fn meta_grad(&self, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        self.learner.meta_grad(&self.meta, tasks, iteration)
    }

    /// Adapts, and predicts for each task's own queries.
    pub(super) fn outputs(&self, tasks: &TaskBatch, setting: Setting) -> Result<Tensor> {
        let adapted = self.learner.adapt(&self.meta, &tasks.support)?;
        self.learner.predict(&adapted, &tasks.support, &tasks.query.x, setting)
    }
}

pub(super) const SETTINGS: [Setting; 2] = [Setting::Transductive, Setting::Inductive];

/// Rule 3.
pub(super) fn fresh_parameters_are_reproducible(learner: &dyn MetaLearner, seed: u64) -> Result<()> {
    const RULE: &str = "equal generators give equal fresh parameters";
    let draw = || learner.init(&mut ChaCha8Rng::seed_from_u64(seed), DType::F32, &Device::Cpu);
    let first = draw()?;
    same_params(RULE, "parameter", &first, &draw()?)?;
    match first.iter().find(|(_, leaf)| leaf.dims().first() != Some(&1) || leaf.dtype() != DType::F32) {
        Some((name, leaf)) => {
            let message = format!("`{name}` is {:?} {:?}, not F32 [1, …]", leaf.dtype(), leaf.dims());
            Err(broken("fresh parameters are shared by all tasks", message))
        }
        None => Ok(()),
    }
}

/// Rule 1, for the meta-gradient.
pub(super) fn gradients_have_the_right_form(case: &Case<'_>, iteration: u64) -> Result<()> {
    const RULE: &str = "meta-gradients fit the meta-parameters, one for each task";
    let m = case.tasks.n_tasks()?;
    let MetaGrad { losses, grads } = case.meta_grad(&case.tasks, iteration)?;
    if losses.dims() != [m] {
        return Err(broken(RULE, format!("the losses are {:?}, not [{m}]", losses.dims())));
    }
    constant(RULE, "the losses", &losses, case.dtype)?;
    let expected = case.meta.expand_tasks(m)?;
    grads.check_like(&expected).map_err(|e| broken(RULE, e.to_string()))?;
    if grads.names().ne(expected.names()) {
        return Err(broken(RULE, "the names come in another order"));
    }
    grads.iter().try_for_each(|(name, leaf)| constant(RULE, &format!("the gradient of `{name}`"), leaf, case.dtype))
}

/// Rule 1, for adapted parameters and predictions.
pub(super) fn predictions_have_the_right_form(case: &Case<'_>) -> Result<()> {
    const RULE: &str = "predictions lead with tasks and queries";
    let adapted = case.learner.adapt(&case.meta, &case.tasks.support)?;
    let m = case.tasks.n_tasks()?;
    for (name, leaf) in adapted.iter() {
        if leaf.is_tracked() {
            return Err(broken("adapted parameters are constants", format!("`{name}` is tracked")));
        }
        if !matches!(leaf.dims().first(), Some(&n) if n == 1 || n == m) {
            let message = format!("`{name}` is {:?} for {m} tasks", leaf.dims());
            return Err(broken("adapted parameters lead with tasks", message));
        }
    }
    for setting in SETTINGS {
        let x = &case.tasks.query.x;
        let outputs = case.learner.predict(&adapted, &case.tasks.support, x, setting)?;
        if outputs.rank() < 2 || outputs.dims()[..2] != x.dims()[..2] {
            return Err(broken(RULE, format!("outputs {:?} for queries {:?}", outputs.dims(), x.dims())));
        }
        constant(RULE, "a prediction", &outputs, case.dtype)?;
    }
    Ok(())
}

fn constant(rule: &'static str, what: &str, tensor: &Tensor, dtype: DType) -> Result<()> {
    if tensor.is_tracked() {
        return Err(broken(rule, format!("{what} is tracked, but must be a constant")));
    }
    if tensor.dtype() != dtype {
        return Err(broken(rule, format!("{what} is {:?} for meta-parameters of {dtype:?}", tensor.dtype())));
    }
    match tensor.to_vec_f64()?.into_iter().find(|x| !x.is_finite()) {
        Some(x) => Err(broken(rule, format!("{what} has an element {x}"))),
        None => Ok(()),
    }
}

/// Rule 2, for the meta-gradient.
pub(super) fn tasks_do_not_see_each_other(case: &Case<'_>, iteration: u64) -> Result<()> {
    const RULE: &str = "a task's meta-gradient does not depend on the tasks beside it";
    let together = case.meta_grad(&case.tasks, iteration)?;
    let reversed = case.meta_grad(&reversed(&case.tasks)?, iteration)?;
    let m = case.tasks.n_tasks()?;
    for task in 0..m {
        let alone = case.meta_grad(&case.tasks.narrow(task, 1)?, iteration)?;
        for (what, other, place) in [("together", &together, task), ("in reverse order", &reversed, m - 1 - task)] {
            let what = |quantity| format!("task {task} alone and {what}: {quantity}");
            close(RULE, &what("loss"), &alone.losses, &other.losses.narrow(0, place, 1)?)?;
            // Not `narrow_tasks`, which would leave a leaf of M = 1 as it is.
            let theirs = other.grads.map(|leaf| leaf.narrow(0, place, 1))?;
            close_params(RULE, &what("gradient of"), &alone.grads, &theirs)?;
        }
    }
    Ok(())
}

/// Rule 2, for adaptation and prediction.
pub(super) fn predictions_are_each_tasks_own(case: &Case<'_>) -> Result<()> {
    const RULE: &str = "a task's predictions do not depend on the tasks beside it";
    for setting in SETTINGS {
        let together = case.outputs(&case.tasks, setting)?;
        for task in 0..case.tasks.n_tasks()? {
            let alone = case.outputs(&case.tasks.narrow(task, 1)?, setting)?;
            let what = format!("{setting:?}, task {task} alone and together");
            close(RULE, &what, &alone, &together.narrow(0, task, 1)?)?;
        }
    }
    Ok(())
}

fn reversed(tasks: &TaskBatch) -> Result<TaskBatch> {
    let m = tasks.n_tasks()?;
    let flip = |t: &candle_core::Tensor| {
        let rows = (0..m).rev().map(|i| t.narrow(0, i, 1)).collect::<candle_core::Result<Vec<_>>>()?;
        candle_core::Tensor::cat(&rows, 0)
    };
    let batch = |batch: &Batch| Ok::<_, crate::Error>(Batch { x: flip(&batch.x)?, y: flip(&batch.y)? });
    Ok(TaskBatch { support: batch(&tasks.support)?, query: batch(&tasks.query)? })
}

/// Rule 3.
pub(super) fn same_inputs_give_same_bits(case: &Case<'_>, iteration: u64) -> Result<()> {
    const RULE: &str = "the same inputs give the same bits";
    let first = case.meta_grad(&case.tasks, iteration)?;
    let adapted = case.learner.adapt(&case.meta, &case.tasks.support)?;
    // In between something else, which must leave nothing behind.
    case.meta_grad(&case.tasks.narrow(0, 1)?, iteration + 1)?;
    let second = case.meta_grad(&case.tasks, iteration)?;
    same(RULE, "losses", &first.losses, &second.losses)?;
    same_params(RULE, "gradient of", &first.grads, &second.grads)?;
    same_params(RULE, "adapted", &adapted, &case.learner.adapt(&case.meta, &case.tasks.support)?)
}

/// Rule 3.
pub(super) fn splits_change_no_bit(case: &Case<'_>, iteration: u64) -> Result<()> {
    const RULE: &str = "chunks and threads change no bit";
    let m = case.tasks.n_tasks()?;
    let run = |chunk, threads| -> Result<(Vec<f64>, Params)> {
        Runner { chunk: Some(chunk), threads }.meta_grad(case.learner, &case.meta, &case.tasks, iteration)
    };
    let (losses, grads) = run(m, 1)?;
    for (chunk, threads) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        let what = format!("chunks of {chunk} on {threads} threads, and all at once: gradient of");
        let (other_losses, other_grads) = run(chunk, threads)?;
        if losses != other_losses {
            return Err(broken(RULE, format!("{what} losses: {losses:?} and {other_losses:?}")));
        }
        same_params(RULE, &what, &other_grads, &grads)?;
    }
    Ok(())
}
