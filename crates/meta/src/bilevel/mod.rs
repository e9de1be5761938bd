//! Gradients through adaptation: what to do inside, and how to differentiate through it, are two arguments.

mod checkpointed;
mod implicit;
mod learner;
mod unrolled;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{CgConfig, NoRecord, NormStats, Order, Params, Tensor};
use rekindle_nn::Model;
use rekindle_tasks::{Batch, TaskBatch};

use crate::{Error, Loss, MetaGrad, Result};

/// Gradient-based adaptation: where to start, one step, how to judge the result. All pure.
///
/// ```text
/// θ₀ = start(φ, support)     θₖ₊₁ = step(φ, θₖ, support)     L = Σₖ wₖ · outer_loss(φ, θₖ, query)
/// ```
/// What implements it is a [`MetaLearner`](crate::MetaLearner) and [`Stepwise`](crate::Stepwise): both come with it.
pub trait InnerLoop: std::fmt::Debug + Send + Sync {
    /// The model that learns.
    fn model(&self) -> &dyn Model;

    /// The loss, inside and outside.
    fn loss(&self) -> Loss;

    /// Steps of adaptation in training, K.
    fn n_steps(&self) -> usize;

    /// Steps of adaptation to a new task.
    fn eval_steps(&self) -> usize;

    /// How to differentiate through the inner loop at a meta-iteration.
    fn adjoint(&self, iteration: u64) -> Adjoint;

    /// Fresh meta-parameters φ, leaves `[1, …]`; by default the model's own.
    ///
    /// # Errors
    /// If the device cannot hold them.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.model().init(rng, dtype, device)?)
    }

    /// The fast parameters θ₀(φ), leaves `[M, …]`, from meta-parameters that are expanded to M tasks. Most learners begin
    /// every task at the same place; one that looks at the support set first is [`ProtoMaml`](crate::ProtoMaml).
    ///
    /// # Errors
    /// If the meta-parameters are not this learner's, or the support set does not fit.
    fn start(&self, meta: &Params, support: &Batch) -> Result<Params>;

    /// One step of adaptation, `θₖ₊₁(φ, θₖ)`. With [`Order::First`] the inner gradient counts as a constant.
    ///
    /// # Errors
    /// If the support set does not fit.
    fn step(&self, meta: &Params, theta: &Params, support: &Batch, k: usize, order: Order) -> Result<Params>;

    /// The model's parameters after `k` steps; by default the fast parameters are all of them.
    ///
    /// # Errors
    /// If the parameters are not this learner's.
    fn weights(&self, _meta: &Params, theta: &Params, _k: usize) -> Result<Params> {
        Ok(theta.clone())
    }

    /// Losses `[M]` on the query set after `k` steps.
    ///
    /// # Errors
    /// If the query set does not fit.
    fn outer_loss(&self, meta: &Params, theta: &Params, query: &Batch, k: usize) -> Result<Tensor> {
        task_loss(self, &self.weights(meta, theta, k)?, query)
    }

    /// The weights w₀ … w_K of the losses after each step; by default only the last one counts.
    fn outer_weights(&self, _iteration: u64) -> Vec<f64> {
        let mut weights = vec![0.0; self.n_steps() + 1];
        weights[self.n_steps()] = 1.0;
        weights
    }
}

/// Losses `[M]` of an inner loop's model with the given weights.
pub(crate) fn task_loss(inner: &(impl InnerLoop + ?Sized), weights: &Params, batch: &Batch) -> Result<Tensor> {
    let outputs = inner.model().forward(weights, &Tensor::new(batch.x.clone()), NormStats::Batch)?;
    inner.loss().per_task(&outputs, &batch.y)
}

/// How the meta-gradient flows back through adaptation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Adjoint {
    /// Through all steps at once. Exact; memory grows with the steps.
    Unrolled,
    /// Through one step at a time, from parameters kept at about √K of the steps. Exact; memory is that of one step
    /// (and 2√K copies of the parameters), for twice the forward work.
    Checkpointed,
    /// Exact through the last `last` steps; the inner gradients before those count as constants.
    Truncated {
        /// Steps that are differentiated through, `≥ 1`.
        last: usize,
    },
    /// All inner gradients count as constants: FOMAML, and the first-order form of every other inner loop.
    FirstOrder,
    /// As if adaptation had converged: the implicit function theorem at the last θ, solved by conjugate gradients. For
    /// inner loops whose step is gradient descent on a strongly convex objective (Rajeswaran et al. 2019).
    Implicit(CgConfig),
}

impl Adjoint {
    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Self::Truncated { last: 0 } => Err(Error::setting("Truncated::last", &0, "at least 1")),
            Self::Implicit(CgConfig { iterations: 0, .. }) => {
                Err(Error::setting("Implicit iterations", &0, "at least 1"))
            }
            _ => Ok(()),
        }
    }

    /// How many of the last steps an unrolled pass differentiates through; `None` where the pass is another one.
    fn exact_steps(self, n_steps: usize) -> Option<usize> {
        match self {
            Self::Unrolled => Some(n_steps),
            Self::Truncated { last } => Some(last),
            Self::FirstOrder => Some(0),
            Self::Checkpointed | Self::Implicit(_) => None,
        }
    }
}

/// Losses and meta-gradients of an inner loop.
///
/// # Errors
/// If a setting is out of range, and those of the inner loop.
pub fn bilevel_grad(
    inner: &(impl InnerLoop + ?Sized),
    adjoint: Adjoint,
    meta: &Params,
    tasks: &TaskBatch,
    iteration: u64,
) -> Result<MetaGrad> {
    let weights = checked_weights(inner, adjoint, iteration)?;
    // Each task has its own leaf, although all begin with the same values: so each has its own gradient.
    let phi = meta.detach().expand_tasks(tasks.support.x.dim(0)?)?.leaf();
    match adjoint {
        Adjoint::Checkpointed => checkpointed::grad(inner, &phi, tasks, &weights),
        Adjoint::Implicit(config) => implicit::grad(inner, config, &phi, tasks),
        Adjoint::Unrolled | Adjoint::Truncated { .. } | Adjoint::FirstOrder => {
            let exact = adjoint.exact_steps(inner.n_steps()).unwrap_or(0);
            unrolled::grad(inner, exact, (&phi, &phi), tasks, &weights)
        }
    }
}

/// As [`bilevel_grad`], with the gradients added up over the tasks.
pub(crate) fn bilevel_sum(
    inner: &(impl InnerLoop + ?Sized),
    adjoint: Adjoint,
    meta: &Params,
    tasks: &TaskBatch,
    iteration: u64,
) -> Result<MetaGrad> {
    let Some(exact) = adjoint.exact_steps(inner.n_steps()) else {
        let MetaGrad { losses, grads } = bilevel_grad(inner, adjoint, meta, tasks, iteration)?;
        return Ok(MetaGrad { losses, grads: grads.sum_tasks()? });
    };
    let weights = checked_weights(inner, adjoint, iteration)?;
    // All tasks share a leaf, so that the last product of each gradient adds the tasks up.
    let shared = meta.detach().leaf();
    let phi = shared.expand_tasks(tasks.support.x.dim(0)?)?;
    unrolled::grad(inner, exact, (&phi, &shared), tasks, &weights)
}

fn checked_weights(inner: &(impl InnerLoop + ?Sized), adjoint: Adjoint, iteration: u64) -> Result<Vec<f64>> {
    adjoint.validate()?;
    let weights = inner.outer_weights(iteration);
    if weights.len() != inner.n_steps() + 1 {
        let value = format!("{} weights for {} steps", weights.len(), inner.n_steps());
        return Err(Error::setting("outer_weights", &value, "one weight for each of the steps 0 to K"));
    }
    Ok(weights)
}

/// The fast parameters after 0, 1, …, `n_steps` steps, constants.
fn adapt(inner: &(impl InnerLoop + ?Sized), meta: &Params, support: &Batch, n_steps: usize) -> Result<Vec<Params>> {
    let phi = meta.detach().expand_tasks(support.x.dim(0)?)?;
    let mut thetas = vec![inner.start(&phi, support)?.detach()];
    for k in 0..n_steps {
        let next = step_forward(inner, &phi, &thetas[k], support, k)?;
        thetas.push(next);
    }
    Ok(thetas)
}

/// One step whose result is a constant.
fn step_forward(
    inner: &(impl InnerLoop + ?Sized),
    phi: &Params,
    theta: &Params,
    support: &Batch,
    k: usize,
) -> Result<Params> {
    Ok(inner.step(&phi.detach(), &theta.detach(), support, k, Order::First)?.detach())
}

/// `g + h` where either may be absent.
fn add_partial(sums: &mut [Option<Tensor>], more: Vec<Option<Tensor>>) -> Result<()> {
    let _scope = NoRecord::new();
    for (sum, g) in sums.iter_mut().zip(more) {
        *sum = match (sum.take(), g) {
            (Some(a), Some(b)) => Some(a.add(&b)?),
            (a, b) => a.or(b),
        };
    }
    Ok(())
}

/// The collected gradients as parameters; leaves that the loss does not depend on have gradient zero.
pub(crate) fn filled(like: &Params, sums: Vec<Option<Tensor>>) -> Result<Params> {
    let leaves = sums.into_iter().zip(like.leaves()).map(|(g, leaf)| g.map_or_else(|| leaf.zeros_like(), Ok));
    Ok(like.with_leaves(leaves.collect::<rekindle_autodiff::Result<_>>()?)?)
}
