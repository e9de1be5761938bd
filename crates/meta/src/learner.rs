//! What every meta-learner can do.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_tasks::{Batch, TaskBatch};

use crate::{Loss, Result};

/// Whether predictions for one query may use the other queries of its task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setting {
    /// The whole query set passes through the model at once, and batch normalisation takes its statistics from it: what
    /// MAML's published figures do.
    #[default]
    Transductive,
    /// Batch normalisation takes its statistics from the support set alone, so that no query sees another.
    Inductive,
}

/// The outcome of one meta-batch.
#[derive(Clone, Debug)]
pub struct MetaGrad {
    /// Losses after adaptation `[M]`, constants.
    pub losses: Tensor,
    /// Gradient of each task's own loss with respect to the meta-parameters, leaves `[M, …]`, constants. They are kept
    /// apart so that their sum does not depend on how the tasks were split over chunks and threads.
    pub grads: Params,
}

/// A learner that learns to learn: it adapts to a support set, and it improves from how well that went.
///
/// The meta-gradient is the primitive, not a meta-loss: Reptile and implicit MAML have a gradient, but no loss to take
/// it from. All methods work on M tasks at once, and the result of a task does not depend on the others.
pub trait MetaLearner: std::fmt::Debug + Send + Sync {
    /// Fresh meta-parameters φ, leaves `[1, …]`.
    ///
    /// # Errors
    /// If the device cannot hold them.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params>;

    /// Parameters adapted to each task's support set, leaves `[M, …]` or `[1, …]`, constants.
    ///
    /// # Errors
    /// If the support set does not fit the model.
    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params>;

    /// Outputs `[M, B, …]` for `x` with adapted parameters.
    ///
    /// # Errors
    /// If the inputs do not fit the model.
    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor>;

    /// Losses and meta-gradients of M tasks. `iteration` counts from 0, for learners whose rule changes with time.
    ///
    /// # Errors
    /// If the tasks do not fit the model.
    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad>;

    /// As [`meta_grad`](Self::meta_grad), with the gradients added up over the tasks, leaves `[1, …]`. The additions are
    /// those of [`Params::sum_tasks`] on the gradients kept apart, bit for bit; a learner that can may do them while it
    /// takes the gradients.
    ///
    /// # Errors
    /// As [`meta_grad`](Self::meta_grad).
    fn meta_grad_sum(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        let MetaGrad { losses, grads } = self.meta_grad(meta, tasks, iteration)?;
        Ok(MetaGrad { losses, grads: grads.sum_tasks()? })
    }

    /// How outputs are judged.
    fn loss(&self) -> Loss;
}

/// A meta-learner that adapts in steps, so that one can look on.
pub trait Stepwise: MetaLearner {
    /// Parameters after 0, 1, …, `n_steps` steps of adaptation, each as [`MetaLearner::adapt`] answers them.
    ///
    /// # Errors
    /// If the support set does not fit the model.
    fn trajectory(&self, meta: &Params, support: &Batch, n_steps: usize) -> Result<Vec<Params>>;
}

/// Outputs of a model for queries `x [M, B, …]`, in one setting or the other.
pub(crate) fn predict(
    model: &dyn rekindle_nn::Model,
    params: &Params,
    support: &Batch,
    x: &Value,
    setting: Setting,
) -> Result<Tensor> {
    let x = Tensor::new(x.clone());
    match setting {
        Setting::Transductive => Ok(model.forward(params, &x, NormStats::Batch)?),
        Setting::Inductive => {
            let shots = support.x.dim(1)?;
            let both = Tensor::cat(&[&Tensor::new(support.x.clone()), &x], 1)?;
            let outputs = model.forward(params, &both, NormStats::FirstRows(shots))?;
            Ok(outputs.narrow(1, shots, x.dim(1)?)?)
        }
    }
}

/// Tasks on the device, and in the element type, of the parameters that will learn from them.
pub(crate) fn beside(params: &Params, tasks: TaskBatch) -> Result<TaskBatch> {
    match params.leaves().first() {
        Some(leaf) => Ok(tasks.to_device(leaf.device())?.to_dtype(leaf.dtype())?),
        None => Ok(tasks),
    }
}
