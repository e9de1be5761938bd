//! Q-learning: action values from experience, without a model.
//!
//! ```text
//! Q(s, a) ← Q(s, a) + α [ r + γ max_a' Q(s', a') − Q(s, a) ]         (nothing follows the last step of an episode)
//! ```
//! Watkins & Dayan, *Q-learning*, 1992: converges to the optimal values if every pair is tried for ever and
//! Σ α = ∞, Σ α² < ∞.

use rand::RngCore;
use rekindle_envs::random;

use super::model::largest;
use super::{Experience, Sizes, TabularAgent};
use crate::bandit::Ties;
use crate::{Error, Result};

/// The learning rate α of the n-th visit of a state and action, n from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LearningRate {
    /// Always the same, above 0 and at most 1.
    Constant(f64),
    /// 1/n^ω with ½ < ω <= 1, which converges; Even-Dar & Mansour, *Learning rates for Q-learning*, 2003, advise ω < 1.
    Polynomial(f64),
}

/// Settings of [`QLearning`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QLearningConfig {
    /// Discount γ, from 0 to 1.
    pub discount: f64,
    /// Learning rate α.
    pub rate: LearningRate,
    /// Probability ε of an action at random, from 0 to 1.
    pub epsilon: f64,
    /// Action values at first; high ones make the agent try everything.
    pub initial: f64,
}

impl Default for QLearningConfig {
    /// γ = 1 for episodes of finite length, α = n^-0.77 (the best exponent of Even-Dar & Mansour), ε = 0.1, values from 0.
    fn default() -> Self {
        Self { discount: 1.0, rate: LearningRate::Polynomial(0.77), epsilon: 0.1, initial: 0.0 }
    }
}

impl QLearningConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::AgentSetting`].
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.discount) {
            return Err(Error::agent("discount", self.discount, "from 0 to 1"));
        }
        if !(0.0..=1.0).contains(&self.epsilon) {
            return Err(Error::agent("epsilon", self.epsilon, "a probability, from 0 to 1"));
        }
        if !self.initial.is_finite() {
            return Err(Error::agent("initial", self.initial, "a finite number"));
        }
        match self.rate {
            LearningRate::Constant(rate) if !(rate > 0.0 && rate <= 1.0) => {
                Err(Error::agent("rate", rate, "above 0 and at most 1"))
            }
            LearningRate::Polynomial(omega) if !(omega > 0.5 && omega <= 1.0) => {
                Err(Error::agent("rate", format!("1/n^{omega}"), "1/n^ω with ω above ½ and at most 1"))
            }
            _ => Ok(()),
        }
    }
}

/// Learns a table `[S, A]` and acts ε-greedily by it, whatever the step of the episode.
#[derive(Clone, Debug)]
pub struct QLearning {
    config: QLearningConfig,
    actions: usize,
    q: Vec<f64>,
    visits: Vec<u32>,
}

impl QLearning {
    /// With these settings, which are checked when an MDP begins.
    pub fn new(config: QLearningConfig) -> Self {
        Self { config, actions: 0, q: Vec::new(), visits: Vec::new() }
    }

    /// Action values in a state, `[A]`.
    pub fn action_values(&self, state: usize) -> &[f64] {
        &self.q[state * self.actions..(state + 1) * self.actions]
    }
}

impl TabularAgent for QLearning {
    fn begin(&mut self, sizes: Sizes) -> Result<()> {
        sizes.validate()?;
        self.config.validate()?;
        let rows = sizes.states * sizes.actions;
        (self.actions, self.q, self.visits) = (sizes.actions, vec![self.config.initial; rows], vec![0; rows]);
        Ok(())
    }

    fn plan(&mut self, _rng: &mut dyn RngCore) {}

    fn act(&mut self, _t: usize, state: usize, rng: &mut dyn RngCore) -> usize {
        if random::unit_f64(rng) < self.config.epsilon {
            return random::below(rng, self.actions);
        }
        Ties::Random.largest(self.action_values(state).iter().copied(), rng)
    }

    fn observe(&mut self, step: Experience) {
        let row = step.state * self.actions + step.action;
        self.visits[row] += 1;
        let rate = match self.config.rate {
            LearningRate::Constant(rate) => rate,
            LearningRate::Polynomial(omega) => libm::pow(f64::from(self.visits[row]), -omega),
        };
        let follows = if step.last { 0.0 } else { largest(self.action_values(step.next)) };
        self.q[row] += rate * (step.reward + self.config.discount * follows - self.q[row]);
    }
}
