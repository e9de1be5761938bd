//! BEB: plan in the mean MDP, with a bonus for what was rarely tried.
//!
//! ```text
//! Q_t(s, a) = μ + 1/(τ + 1) + Σ_s' P̄(s' | s, a) V_{t+1}(s') + β H / (1 + Σ α) · (H − 1 − t),     β = 2 H² · scaling
//! ```
//! Kolter & Ng, *Near-Bayesian exploration in polynomial time*, 2009, in the form of TabulaRL, where the bonus of the
//! transitions grows with the steps that are left. Scaling 1 is the theory's and explores far too much; RL² tunes it, and
//! 0.001 to 0.002 reproduce its figures.

use rand::RngCore;

use super::model::dot;
use super::{Plan, PlanRule, Posterior};
use crate::{Error, Result};

/// Plans with a bonus. Published with [`Prior::published`](super::Prior::published).
#[derive(Clone, Debug, PartialEq)]
pub struct Beb {
    scaling: f64,
    transitions: Vec<f64>,
    bonuses: Vec<[f64; 2]>,
}

impl Default for Beb {
    /// Scaling 0.001.
    fn default() -> Self {
        Self::new(0.001)
    }
}

impl Beb {
    /// With a scaling of the transitions' bonus, `>= 0`.
    pub fn new(scaling: f64) -> Self {
        Self { scaling, transitions: Vec::new(), bonuses: Vec::new() }
    }
}

impl PlanRule for Beb {
    fn validate(&self) -> Result<()> {
        if self.scaling >= 0.0 && self.scaling.is_finite() {
            return Ok(());
        }
        Err(Error::agent("scaling", self.scaling, "a finite number of at least 0"))
    }

    fn plan(&mut self, posterior: &Posterior, _episode: usize, plan: &mut Plan, _rng: &mut dyn RngCore) {
        let states = posterior.sizes().states;
        let horizon = posterior.sizes().horizon as f64;
        let beta = 2.0 * horizon * horizon * self.scaling;
        posterior.mean_transitions(&mut self.transitions);
        self.bonuses.clear();
        let beliefs = posterior.reward_means().iter().zip(posterior.reward_precisions());
        self.bonuses.extend(
            beliefs
                .zip(posterior.transition_weights())
                .map(|((mean, precision), weight)| [mean + 1.0 / (precision + 1.0), beta * horizon / (1.0 + weight)]),
        );
        plan.fill(|left, row, values| {
            let [reward, bonus] = self.bonuses[row];
            let next = &self.transitions[row * states..(row + 1) * states];
            reward + dot(next, values) + bonus * left as f64
        });
    }
}
