//! Learning from all tasks at once, as if they were one: MAML's baselines "pretrained" and "oracle".
//!
//! ```text
//! φ ← φ − β ∇_φ mean_m L_m(φ)
//! ```
//! Finn, Abbeel & Levine 2017, section 5.1. The best that such a net can do is the mean over the tasks, unless its
//! inputs tell the task.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Order, Params, Tensor};
use rekindle_meta::{Loss, Maml, MetaGrad, MetaLearner, Result, Setting, Stepwise};
use rekindle_nn::Model;
use rekindle_tasks::{Batch, TaskBatch};

/// Trains on the query sets without adaptation; adapts to new tasks as the MAML learner inside does: gradient descent.
#[derive(Clone, Debug)]
pub(super) struct Pooled<N>(pub(super) Maml<N>);

impl<N: Model> MetaLearner for Pooled<N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        self.0.init(rng, dtype, device)
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        self.0.adapt(meta, support)
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        self.0.predict(adapted, support, x, setting)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        let phi = meta.detach().expand_tasks(tasks.n_tasks()?)?.leaf();
        let outputs = rekindle_meta::InnerLoop::model(&self.0).forward(
            &phi,
            &Tensor::new(tasks.query.x.clone()),
            NormStats::Batch,
        )?;
        let losses = self.loss().per_task(&outputs, &tasks.query.y)?;
        let grads = phi.grad(&losses.sum_all()?, Order::First)?;
        Ok(MetaGrad { losses: losses.detach(), grads })
    }

    fn loss(&self) -> Loss {
        self.0.loss()
    }
}

impl<N: Model> Stepwise for Pooled<N> {
    fn trajectory(&self, meta: &Params, support: &Batch, n_steps: usize) -> Result<Vec<Params>> {
        self.0.trajectory(meta, support, n_steps)
    }
}
