//! ANIL, almost no inner loop: only the head adapts, on features that the outer loop learns.
//!
//! ```text
//! φ = (body, head)      θ₀ = head      θₖ₊₁ = θₖ − α ∇_head L_support(body, θₖ)
//! ```
//! Raghu, Raghu, Bengio & Vinyals, *Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of MAML*,
//! 2020.

use rekindle_autodiff::{Order, Params};
use rekindle_nn::Model;
use rekindle_tasks::Batch;

use crate::bilevel::{Adjoint, InnerLoop, task_loss};
use crate::inner::inner_step;
use crate::{Error, Loss, MamlConfig, Result};

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
    /// If a setting is out of its range, or one is asked for that only [`Maml`](crate::Maml) has.
    pub fn new(model: N, head: impl Into<String>, config: MamlConfig) -> Result<Self> {
        config.validate()?;
        if config.proximal != 0.0 || config.inner_optimiser.is_some() {
            let expected = "neither proximal nor with an optimiser of its own: only Maml has these";
            return Err(Error::setting("inner loop", &format!("{config:?}"), expected));
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
}

impl<N: Model> InnerLoop for Anil<N> {
    fn model(&self) -> &dyn Model {
        &self.model
    }

    fn loss(&self) -> Loss {
        self.config.loss
    }

    fn n_steps(&self) -> usize {
        self.config.n_steps
    }

    fn eval_steps(&self) -> usize {
        self.config.eval_steps
    }

    fn adjoint(&self, _iteration: u64) -> Adjoint {
        self.config.adjoint
    }

    fn start(&self, meta: &Params, _support: &Batch) -> Result<Params> {
        Ok(self.split(meta)?.0)
    }

    fn step(&self, meta: &Params, theta: &Params, support: &Batch, _k: usize, order: Order) -> Result<Params> {
        inner_step(theta, order, -self.config.inner_lr, |head| task_loss(self, &self.whole(meta, head)?, support))
    }

    fn weights(&self, meta: &Params, theta: &Params, _k: usize) -> Result<Params> {
        self.whole(meta, theta)
    }
}
