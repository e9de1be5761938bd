//! Meta-SGD: learn the initial weights and a learning rate for each of them.
//!
//! ```text
//! φ = (θ, α)      θₖ₊₁ = θₖ − α ∘ ∇L_support(θₖ)
//! ```
//! Li, Zhou, Chen & Li, *Meta-SGD: Learning to Learn Quickly for Few-Shot Learning*, 2017. The rates may become negative,
//! as in the paper.

use candle_core::{DType, Device};
use rand::{Rng, RngCore};
use rekindle_autodiff::{Order, Params};
use rekindle_nn::Model;
use rekindle_tasks::Batch;

use crate::bilevel::{Adjoint, InnerLoop, task_loss};
use crate::inner::{check_rate, inner_gradient};
use crate::{Error, Loss, Result};

/// Settings of Meta-SGD.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaSgdConfig {
    /// Range that the initial rates are drawn from, uniformly. The paper draws one number for all; 0.005 to 0.1.
    pub rates: (f64, f64),
    /// Inner steps in training; one in the paper.
    pub n_steps: usize,
    /// Inner steps when adapting to a new task; one in the paper.
    pub eval_steps: usize,
    /// How meta-gradients pass through the inner loop.
    pub adjoint: Adjoint,
    /// The loss, inside and outside.
    pub loss: Loss,
}

impl MetaSgdConfig {
    /// The paper's settings.
    #[must_use]
    pub fn new(loss: Loss) -> Self {
        Self { rates: (0.005, 0.1), n_steps: 1, eval_steps: 1, adjoint: Adjoint::Unrolled, loss }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        check_rate("rates.0", self.rates.0)?;
        check_rate("rates.1", self.rates.1)?;
        if self.rates.0 > self.rates.1 {
            return Err(Error::setting("rates", &format!("{:?}", self.rates), "a range from low to high"));
        }
        if self.n_steps == 0 {
            return Err(Error::setting("n_steps", &0, "at least 1"));
        }
        self.adjoint.validate()
    }
}

/// Meta-SGD over any model. The meta-parameters are `theta.*`, the model's, and `alpha.*`, a rate for each weight.
#[derive(Clone, Debug)]
pub struct MetaSgd<N> {
    model: N,
    config: MetaSgdConfig,
}

const THETA: &str = "theta";
const ALPHA: &str = "alpha";

impl<N: Model> MetaSgd<N> {
    /// A learner for a model.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(model: N, config: MetaSgdConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { model, config })
    }
}

impl<N: Model> InnerLoop for MetaSgd<N> {
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

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let theta = self.model.init(rng, dtype, device)?;
        let (low, high) = self.config.rates;
        let rate = low + (high - low) * rng.random::<f64>();
        let alpha = theta.map(|leaf| leaf.ones_like()?.scale(rate))?;
        Ok(theta.prefixed(THETA)?.merge(&alpha.prefixed(ALPHA)?)?)
    }

    fn start(&self, meta: &Params, _support: &Batch) -> Result<Params> {
        Ok(meta.sub_params(THETA)?)
    }

    fn step(&self, meta: &Params, theta: &Params, support: &Batch, _k: usize, order: Order) -> Result<Params> {
        let g = inner_gradient(theta, order, |theta| task_loss(self, theta, support))?;
        Ok(theta.zip3(&meta.sub_params(ALPHA)?, &g, |theta, alpha, g| theta.sub(&alpha.mul(g)?))?)
    }
}
