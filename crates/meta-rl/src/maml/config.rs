//! Settings of MAML for reinforcement learning.

use std::sync::Arc;

use rekindle_autodiff::Order;
use rekindle_optim::{Adam, Transform};
use rekindle_rl::{Estimator, HessianProduct, TrustRegionConfig};

use crate::error::{at_least_one, positive};
use crate::{Error, Result};

/// What adapts to a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Adapts {
    /// Every parameter of the policy.
    #[default]
    All,
    /// The parameters whose names begin with this, say those of the last layer: ANIL.
    Below(String),
    /// Every parameter, each with a rate that is learned too, from this one on: Meta-SGD.
    LearnedRates(f64),
}

/// How the start is improved.
#[derive(Clone, Debug)]
pub enum Outer {
    /// Trust region policy optimisation, as in the paper.
    Trpo(TrustRegionConfig),
    /// Some steps down the clipped loss of PPO.
    Ppo {
        /// Half-width of the clip, in (0, 1).
        clip: f64,
        /// Steps on each batch, `>= 1`.
        epochs: usize,
        /// The optimiser.
        optimiser: Arc<dyn Transform>,
    },
}

impl Outer {
    /// PPO as ProMP's authors run it beside their method: clip 0.3, 5 steps of Adam with rate 1e-3.
    pub fn ppo() -> Self {
        Self::Ppo { clip: 0.3, epochs: 5, optimiser: Arc::new(Adam::new(1e-3)) }
    }
}

/// Settings of [`MamlRl`](crate::MamlRl).
#[derive(Clone, Debug)]
pub struct MamlRlConfig {
    /// Step size α of the inner loop, above 0.
    pub inner_lr: f64,
    /// Inner steps in training. None: a policy that is trained on all tasks and only adapts in the test, the baseline.
    pub n_steps: usize,
    /// What the test's step size is multiplied by after the first step, above 0.
    pub later_rates: f64,
    /// Tasks of a meta-batch, `>= 1`.
    pub tasks: usize,
    /// Trajectories for each gradient and task, `>= 1`.
    pub trajectories: usize,
    /// The same in the test.
    pub test_trajectories: usize,
    /// Steps of the longest trajectory, `>= 1`.
    pub horizon: usize,
    /// Discount γ.
    pub gamma: f64,
    /// Decay λ of the advantages.
    pub lambda: f64,
    /// What the inner loop differentiates.
    pub estimator: Estimator,
    /// Whether the meta-gradient goes through the inner gradients ([`Order::Higher`]) or takes them for constants.
    pub order: Order,
    /// What adapts.
    pub adapts: Adapts,
    /// How the start is improved.
    pub outer: Outer,
}

impl Default for MamlRlConfig {
    /// The paper's settings for 2-D navigation: α = 0.1, halved in the test after the first step, one step in training, 20
    /// tasks with 20 trajectories of 100 steps, 40 in the test (4000 steps an update); γ = 0.99, λ = 1, TRPO with a
    /// divergence of 0.01.
    fn default() -> Self {
        Self {
            inner_lr: 0.1,
            n_steps: 1,
            later_rates: 0.5,
            tasks: 20,
            trajectories: 20,
            test_trajectories: 40,
            horizon: 100,
            gamma: 0.99,
            lambda: 1.0,
            estimator: Estimator::default(),
            order: Order::Higher,
            adapts: Adapts::All,
            outer: Outer::Trpo(TrustRegionConfig::default()),
        }
    }
}

impl MamlRlConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let mut rates = vec![("inner_lr", self.inner_lr), ("later_rates", self.later_rates)];
        if let Adapts::LearnedRates(rate) = self.adapts {
            rates.push(("adapts", rate));
        }
        if let Outer::Ppo { clip, epochs, .. } = &self.outer {
            rates.push(("clip", *clip));
            at_least_one("epochs", *epochs)?;
        }
        self.check_products()?;
        rates.into_iter().try_for_each(|(name, rate)| positive(name, rate))?;
        at_least_one("tasks", self.tasks)?;
        at_least_one("trajectories", self.trajectories)?;
        at_least_one("test_trajectories", self.test_trajectories)?;
        at_least_one("horizon", self.horizon)
    }

    /// The other estimators have the score function's value at every point and differ in derivatives alone, which
    /// differences of values do not see.
    fn check_products(&self) -> Result<()> {
        let Outer::Trpo(TrustRegionConfig { hessian: HessianProduct::Differences { .. }, .. }) = self.outer else {
            return Ok(());
        };
        if self.estimator == Estimator::ScoreFunction || self.order == Order::First {
            return Ok(());
        }
        let value = format!("differences with {:?}", self.estimator);
        Err(Error::setting("hessian", value, "exact, or with the score function: others differ in derivatives alone"))
    }
}
