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

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_nn::Model;
use rekindle_tasks::Batch;

use crate::bilevel::{Adjoint, InnerLoop, task_loss};
use crate::inner::{check_rate, inner_gradient};
use crate::{Error, Loss, Result};

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

    /// The model's parameters in step k: the fast weights, and the slices of normalisation for that step.
    fn at_step(&self, meta: &Params, theta: &Params, k: usize) -> Result<Params> {
        // Steps beyond those of training go on with the last slice.
        let k = k.min(self.config.n_steps - 1);
        let Ok(norm) = meta.sub_params(NORM) else { return Ok(theta.clone()) };
        let slices = norm.map(|leaf| leaf.narrow(1, k, 1)?.squeeze(1))?;
        Ok(theta.merge(&slices)?)
    }
}

impl<N: Model> InnerLoop for MamlPlusPlus<N> {
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
        self.config.n_steps
    }

    fn adjoint(&self, iteration: u64) -> Adjoint {
        let first = iteration < self.config.first_order_iterations;
        if first { Adjoint::FirstOrder } else { self.config.adjoint }
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let (norm, theta) = self.model.init(rng, dtype, device)?.partition(|name| self.is_norm(name));
        let k = self.config.n_steps;
        let norm = norm.map(|leaf| Tensor::stack(&vec![leaf; k], 1))?;
        let rates = theta.map(|_| Tensor::ones((1, k), dtype, device)?.scale(self.config.inner_lr))?;
        Ok(theta.prefixed(THETA)?.merge(&norm.prefixed(NORM)?)?.merge(&rates.prefixed(RATE)?)?)
    }

    fn start(&self, meta: &Params, _support: &Batch) -> Result<Params> {
        Ok(meta.sub_params(THETA)?)
    }

    fn step(&self, meta: &Params, theta: &Params, support: &Batch, k: usize, order: Order) -> Result<Params> {
        let g = inner_gradient(theta, order, |theta| task_loss(self, &self.at_step(meta, theta, k)?, support))?;
        // Steps beyond those of training go on with the last rate.
        let slice = k.min(self.config.n_steps - 1);
        Ok(theta.zip3(&meta.sub_params(RATE)?, &g, |theta, rates, g| {
            let mut dims = vec![1; theta.rank()];
            dims[0] = rates.dim(0)?;
            theta.sub(&rates.narrow(1, slice, 1)?.reshape(dims)?.mul(g)?)
        })?)
    }

    /// After k steps the normalisation is that of the last step made, as in the authors' code.
    fn weights(&self, meta: &Params, theta: &Params, k: usize) -> Result<Params> {
        self.at_step(meta, theta, k.saturating_sub(1))
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
