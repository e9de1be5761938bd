//! Model-agnostic meta-learning: find initial weights from which a few gradient steps learn a task.
//!
//! ```text
//! θ₀ = φ      θₖ₊₁ = θₖ − α ∇L_support(θₖ)      φ ← φ − β ∇_φ mean_m L_query(θ_K)
//! ```
//! Finn, Abbeel & Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, 2017. With
//! [`Adjoint::FirstOrder`] it is FOMAML, with a proximal term and [`Adjoint::Implicit`] it is iMAML.

use std::sync::Arc;

use rekindle_autodiff::{CgConfig, Order, Params};
use rekindle_nn::Model;
use rekindle_optim::Transform;
use rekindle_tasks::Batch;

use crate::bilevel::{Adjoint, InnerLoop, task_loss};
use crate::fast;
use crate::inner::{check_rate, inner_gradient, inner_step};
use crate::{Error, Loss, Result};

/// Settings of MAML. The defaults are those of the paper's Omniglot 5-way 1-shot runs.
#[derive(Clone, Debug)]
pub struct MamlConfig {
    /// Inner learning rate α, `> 0`, of plain gradient descent.
    pub inner_lr: f64,
    /// Another inner optimiser in place of plain gradient descent; `inner_lr` then plays no part. The meta-gradient flows
    /// through its state as well.
    pub inner_optimiser: Option<Arc<dyn Transform>>,
    /// Inner gradient steps in training, K `≥ 1`.
    pub n_steps: usize,
    /// Inner gradient steps when adapting to a new task.
    pub eval_steps: usize,
    /// Strength λ `≥ 0` of the proximal term `λ/2 ‖θ − φ‖²` in the inner objective; 0 in MAML.
    pub proximal: f64,
    /// How meta-gradients pass through the inner loop.
    pub adjoint: Adjoint,
    /// The loss, inside and outside.
    pub loss: Loss,
}

impl Default for MamlConfig {
    fn default() -> Self {
        Self::omniglot()
    }
}

impl MamlConfig {
    /// Omniglot 5-way (Finn et al. 2017, section 5.2 and appendix A.1): α = 0.4, one step in training, three in tests.
    #[must_use]
    pub fn omniglot() -> Self {
        Self {
            inner_lr: 0.4,
            inner_optimiser: None,
            n_steps: 1,
            eval_steps: 3,
            proximal: 0.0,
            adjoint: Adjoint::Unrolled,
            loss: Loss::CrossEntropy,
        }
    }

    /// Omniglot 20-way: α = 2, five steps in training and in tests. The paper's α is 0.1, but its code divides the summed
    /// loss of the support set by K alone, so that its gradient is that of [`Loss::CrossEntropy`]'s mean times N: 0.1 · 20
    /// here. (5-way would be 0.4 · 5 = 2, too. In short trainings that is better than [`omniglot`](Self::omniglot)'s 0.4 with
    /// one shot and worse with five.)
    #[must_use]
    pub fn omniglot_20_way() -> Self {
        Self { inner_lr: 2.0, n_steps: 5, eval_steps: 5, ..Self::omniglot() }
    }

    /// Sinusoid regression (section 5.1): α = 0.01, one step in training, ten in tests.
    #[must_use]
    pub fn sinusoid() -> Self {
        Self { inner_lr: 0.01, n_steps: 1, eval_steps: 10, loss: Loss::MeanSquaredError, ..Self::omniglot() }
    }

    /// Implicit MAML (Rajeswaran et al. 2019, Omniglot): 16 proximal steps, λ = 2, five conjugate gradients.
    #[must_use]
    pub fn implicit(loss: Loss) -> Self {
        Self {
            inner_lr: 0.1,
            inner_optimiser: None,
            n_steps: 16,
            eval_steps: 16,
            proximal: 2.0,
            adjoint: Adjoint::Implicit(CgConfig { iterations: 5, ..CgConfig::default() }),
            loss,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        check_rate("inner_lr", self.inner_lr)?;
        if self.n_steps == 0 {
            return Err(Error::setting("n_steps", &0, "at least 1"));
        }
        if !(self.proximal >= 0.0 && self.proximal.is_finite()) {
            return Err(Error::setting("proximal", &self.proximal, "a finite number that is not negative"));
        }
        if matches!(self.adjoint, Adjoint::Implicit(_)) && self.proximal == 0.0 {
            let expected = "above 0 with Adjoint::Implicit, which needs a strongly convex inner objective";
            return Err(Error::setting("proximal", &self.proximal, expected));
        }
        self.adjoint.validate()
    }
}

/// MAML over any model.
///
/// The meta-parameters are the model's own: φ can be used, saved and fine-tuned like any model's weights.
#[derive(Clone, Debug)]
pub struct Maml<N> {
    model: N,
    config: MamlConfig,
}

impl<N: Model> Maml<N> {
    /// A learner for a model.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(model: N, config: MamlConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { model, config })
    }

    /// First-order MAML: the same with inner gradients as constants.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn first_order(model: N, config: MamlConfig) -> Result<Self> {
        Self::new(model, MamlConfig { adjoint: Adjoint::FirstOrder, ..config })
    }

    /// The settings.
    pub fn config(&self) -> &MamlConfig {
        &self.config
    }
}

impl<N: Model> InnerLoop for Maml<N> {
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
        match &self.config.inner_optimiser {
            None => Ok(meta.clone()),
            Some(optimiser) => fast::start(&**optimiser, meta),
        }
    }

    fn step(&self, meta: &Params, theta: &Params, support: &Batch, k: usize, order: Order) -> Result<Params> {
        if let Some(optimiser) = &self.config.inner_optimiser {
            return fast::step(&**optimiser, theta, k, |theta| self.descent(meta, theta, support, order));
        }
        let rate = -self.config.inner_lr;
        if self.config.proximal == 0.0 {
            return inner_step(theta, order, rate, |theta| task_loss(self, theta, support));
        }
        Ok(theta.add_scaled(&self.descent(meta, theta, support, order)?, rate)?)
    }

    fn weights(&self, _meta: &Params, theta: &Params, _k: usize) -> Result<Params> {
        match &self.config.inner_optimiser {
            None => Ok(theta.clone()),
            Some(_) => fast::weights(theta),
        }
    }
}

impl<N: Model> Maml<N> {
    /// The gradient of the inner objective.
    fn descent(&self, meta: &Params, theta: &Params, support: &Batch, order: Order) -> Result<Params> {
        let g = inner_gradient(theta, order, |theta| task_loss(self, theta, support))?;
        match self.config.proximal {
            0.0 => Ok(g),
            lambda => Ok(g.add_scaled(&theta.sub(meta)?, lambda)?),
        }
    }
}
