//! ANIL, almost no inner loop: only the head adapts, on features that the outer loop learns.
//!
//! ```text
//! φ = (body, head)      θ₀ = head      θₖ₊₁ = θₖ − α ∇_head L_support(body, θₖ)
//! ```
//! Raghu, Raghu, Bengio & Vinyals, *Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of MAML*,
//! 2020.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Order, Params, Tensor};
use rekindle_nn::Model;
use rekindle_tasks::{Batch, TaskBatch};

use crate::bilevel::{self, InnerLoop, bilevel_grad};
use crate::inner::inner_gradient;
use crate::learner::predict;
use crate::{Error, Loss, MamlConfig, MetaGrad, MetaLearner, Result, Setting, Stepwise};

/// ANIL over any model whose head's parameters share a prefix.
#[derive(Clone, Debug)]
pub struct Anil<N> {
    model: N,
    head: String,
    config: MamlConfig,
}

impl<N: Model> Anil<N> {
    /// A learner whose inner loop adapts the parameters below `head.` alone. Defaults as MAML's; the paper uses the same
    /// settings as for MAML.
    ///
    /// # Errors
    /// If a setting is out of its range, or a proximal term is asked for, which this learner does not have.
    pub fn new(model: N, head: impl Into<String>, config: MamlConfig) -> Result<Self> {
        config.validate()?;
        if config.proximal != 0.0 {
            return Err(Error::setting("proximal", &config.proximal, "0: only Maml has a proximal term"));
        }
        Ok(Self { model, head: head.into(), config })
    }

    fn split(&self, meta: &Params) -> Result<(Params, Params)> {
        let (head, body) =
            meta.partition(|name| name.strip_prefix(&self.head).is_some_and(|rest| rest.starts_with('.')));
        if head.is_empty() {
            // The error names what there is.
            meta.sub_params(&self.head)?;
        }
        Ok((head, body))
    }

    /// Body and head as the model wants them.
    fn whole(&self, meta: &Params, head: &Params) -> Result<Params> {
        Ok(self.split(meta)?.1.merge(head)?.ordered_like(meta)?)
    }

    fn task_loss(&self, meta: &Params, head: &Params, batch: &Batch) -> Result<Tensor> {
        let params = self.whole(meta, head)?;
        let outputs = self.model.forward(&params, &Tensor::new(batch.x.clone()), NormStats::Batch)?;
        self.config.loss.per_task(&outputs, &batch.y)
    }
}

impl<N: Model> InnerLoop for Anil<N> {
    fn start(&self, meta: &Params) -> Result<Params> {
        Ok(self.split(meta)?.0)
    }

    fn step(&self, meta: &Params, theta: &Params, support: &Batch, _k: usize, order: Order) -> Result<Params> {
        let g = inner_gradient(theta, order, |head| self.task_loss(meta, head, support))?;
        Ok(theta.add_scaled(&g, -self.config.inner_lr)?)
    }

    fn outer_loss(&self, meta: &Params, theta: &Params, query: &Batch, _k: usize) -> Result<Tensor> {
        self.task_loss(meta, theta, query)
    }

    fn n_steps(&self) -> usize {
        self.config.n_steps
    }
}

impl<N: Model> MetaLearner for Anil<N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.model.init(rng, dtype, device)?)
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        Ok(self.trajectory(meta, support, self.config.eval_steps)?.pop().expect("step 0 is always there"))
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        predict(&self.model, adapted, support, x, setting)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        bilevel_grad(self, self.config.adjoint, meta, tasks, iteration)
    }

    fn loss(&self) -> Loss {
        self.config.loss
    }
}

impl<N: Model> Stepwise for Anil<N> {
    fn trajectory(&self, meta: &Params, support: &Batch, n_steps: usize) -> Result<Vec<Params>> {
        let heads = bilevel::adapt(self, meta, support, n_steps)?;
        heads.iter().map(|head| self.whole(&meta.detach(), head)).collect()
    }
}
