//! MAML++: MAML that trains stably.
//!
//! What it adds to MAML (Antoniou, Edwards & Storkey, *How to Train Your MAML*, 2019):
//!
//! * **learned rates for each layer and step**: `θₖ₊₁ = θₖ − α[leaf, k] ∇L_support(θₖ)`, all α learned;
//! * **multi-step loss**: early in training the query loss after every step counts, `Σₖ wₖ L(θₖ)`, with weights that go
//!   over to the last step;
//! * **derivative-order annealing**: first-order gradients at first, second-order after that;
//! * **per-step normalisation**: scale and shift of batch normalisation are learned for each step, and do not adapt
//!   inside.
//!
//! Differs from the paper: statistics are the batch's own at every step, as in the authors' runs, so no running
//! averages are kept. Cosine annealing of the outer rate is the optimiser's business
//! ([`Schedule::Cosine`](rekindle_optim::Schedule)).

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Order, Params, Tensor};
use rekindle_nn::Model;
use rekindle_tasks::{Batch, TaskBatch};

use crate::bilevel::{self, Adjoint, InnerLoop, bilevel_grad};
use crate::inner::{check_rate, inner_gradient};
use crate::learner::predict;
use crate::{Error, Loss, MetaGrad, MetaLearner, Result, Setting, Stepwise};

/// Settings of MAML++. The defaults are those of the authors' Omniglot 5-way 1-shot runs.
#[derive(Clone, Debug, PartialEq)]
pub struct MamlPlusPlusConfig {
    /// Initial inner rate of every leaf and step, `> 0`: 0.1.
    pub inner_lr: f64,
    /// Inner steps in training and in tests, K `≥ 1`: 5.
    pub n_steps: usize,
    /// Meta-iterations in which the multi-step loss fades out: the first 10 epochs of 500.
    pub multi_step_iterations: u64,
    /// Meta-iterations with first-order gradients at the beginning. The authors use 50 epochs on miniImageNet, none here.
    pub first_order_iterations: u64,
    /// Names that end in one of these are normalisation parameters: learned for each step, not adapted inside.
    pub norm_suffixes: Vec<String>,
    /// How meta-gradients pass through the inner loop once they are second-order.
    pub adjoint: Adjoint,
    /// The loss, inside and outside.
    pub loss: Loss,
}

impl Default for MamlPlusPlusConfig {
    fn default() -> Self {
        Self {
            inner_lr: 0.1,
            n_steps: 5,
            multi_step_iterations: 5_000,
            first_order_iterations: 0,
            norm_suffixes: vec![".gamma".to_owned(), ".beta".to_owned()],
            adjoint: Adjoint::Unrolled,
            loss: Loss::CrossEntropy,
        }
    }
}

impl MamlPlusPlusConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        check_rate("inner_lr", self.inner_lr)?;
        if self.n_steps == 0 {
            return Err(Error::setting("n_steps", &0, "at least 1"));
        }
        self.adjoint.validate()
    }
}

/// MAML++ over any model. The meta-parameters are `theta.*` (the weights that adapt), `norm.*` (each `[1, K, …]`, one
/// slice a step) and `rate.*` (each `[1, K]`).
#[derive(Clone, Debug)]
pub struct MamlPlusPlus<N> {
    model: N,
    config: MamlPlusPlusConfig,
}

const THETA: &str = "theta";
const NORM: &str = "norm";
const RATE: &str = "rate";

impl<N: Model> MamlPlusPlus<N> {
    /// A learner for a model.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(model: N, config: MamlPlusPlusConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { model, config })
    }

    fn is_norm(&self, name: &str) -> bool {
        self.config.norm_suffixes.iter().any(|suffix| name.ends_with(suffix.as_str()))
    }

    /// The model's parameters at step k: the fast weights, and the slices of normalisation for that step.
    fn whole(&self, meta: &Params, theta: &Params, k: usize) -> Result<Params> {
        // After the last step there is no further slice: the query is judged with that of the last one.
        let k = k.min(self.config.n_steps - 1);
        let Ok(norm) = meta.sub_params(NORM) else { return Ok(theta.clone()) };
        let slices = norm.map(|leaf| leaf.narrow(1, k, 1)?.squeeze(1))?;
        Ok(theta.merge(&slices)?)
    }

    fn task_loss(&self, meta: &Params, theta: &Params, batch: &Batch, k: usize) -> Result<Tensor> {
        let params = self.whole(meta, theta, k)?;
        let outputs = self.model.forward(&params, &Tensor::new(batch.x.clone()), NormStats::Batch)?;
        self.config.loss.per_task(&outputs, &batch.y)
    }
}

impl<N: Model> InnerLoop for MamlPlusPlus<N> {
    fn start(&self, meta: &Params) -> Result<Params> {
        Ok(meta.sub_params(THETA)?)
    }

    fn step(&self, meta: &Params, theta: &Params, support: &Batch, k: usize, order: Order) -> Result<Params> {
        let g = inner_gradient(theta, order, |theta| self.task_loss(meta, theta, support, k))?;
        // Steps beyond those of training go on with the last rate.
        let slice = k.min(self.config.n_steps - 1);
        Ok(theta.zip3(&meta.sub_params(RATE)?, &g, |theta, rates, g| {
            let mut dims = vec![1; theta.rank()];
            dims[0] = rates.dim(0)?;
            theta.sub(&rates.narrow(1, slice, 1)?.reshape(dims)?.mul(g)?)
        })?)
    }

    fn outer_loss(&self, meta: &Params, theta: &Params, query: &Batch, k: usize) -> Result<Tensor> {
        self.task_loss(meta, theta, query, k.saturating_sub(1))
    }

    fn n_steps(&self) -> usize {
        self.config.n_steps
    }

    /// Every step's loss counts 1/K at first; the weights of all but the last fade linearly to nothing, and the last one
    /// takes what they lose.
    fn outer_weights(&self, iteration: u64) -> Vec<f64> {
        let k = self.config.n_steps;
        let left = 1.0 - (iteration as f64 / self.config.multi_step_iterations.max(1) as f64).min(1.0);
        let left = if self.config.multi_step_iterations == 0 { 0.0 } else { left };
        let early = left / k as f64;
        let mut weights = vec![early; k + 1];
        weights[0] = 0.0;
        weights[k] = 1.0 - early * (k - 1) as f64;
        weights
    }
}

impl<N: Model> MetaLearner for MamlPlusPlus<N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let (norm, theta) = self.model.init(rng, dtype, device)?.partition(|name| self.is_norm(name));
        let k = self.config.n_steps;
        let norm = norm.map(|leaf| Tensor::stack(&vec![leaf; k], 1))?;
        let rates = theta.map(|_| Tensor::ones((1, k), dtype, device)?.scale(self.config.inner_lr))?;
        Ok(theta.prefixed(THETA)?.merge(&norm.prefixed(NORM)?)?.merge(&rates.prefixed(RATE)?)?)
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        Ok(self.trajectory(meta, support, self.config.n_steps)?.pop().expect("step 0 is always there"))
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        predict(&self.model, adapted, support, x, setting)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        let first = iteration < self.config.first_order_iterations;
        let adjoint = if first { Adjoint::FirstOrder } else { self.config.adjoint };
        bilevel_grad(self, adjoint, meta, tasks, iteration)
    }

    fn loss(&self) -> Loss {
        self.config.loss
    }
}

impl<N: Model> Stepwise for MamlPlusPlus<N> {
    fn trajectory(&self, meta: &Params, support: &Batch, n_steps: usize) -> Result<Vec<Params>> {
        let thetas = bilevel::adapt(self, meta, support, n_steps)?;
        let phi = meta.detach().expand_tasks(support.x.dim(0)?)?;
        thetas.iter().enumerate().map(|(k, theta)| self.whole(&phi, theta, k.saturating_sub(1))).collect()
    }
}
