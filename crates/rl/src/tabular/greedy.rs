//! Plan as if the posterior mean were the truth; now and then, do anything.

use rand::RngCore;

use super::{Plan, PlanRule, Posterior};
use crate::{Error, Result};

/// Plans in the mean MDP. Published with [`Prior::published_greedy`](super::Prior::published_greedy).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Greedy {
    epsilon: f64,
    transitions: Vec<f64>,
}

impl Greedy {
    /// With probability ε of an action at random, from 0 to 1. TabulaRL's default is 0.1, RL² tunes it.
    pub fn with_epsilon(epsilon: f64) -> Self {
        Self { epsilon, transitions: Vec::new() }
    }
}

impl PlanRule for Greedy {
    fn validate(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.epsilon) {
            return Ok(());
        }
        Err(Error::agent("epsilon", self.epsilon, "a probability, from 0 to 1"))
    }

    fn plan(&mut self, posterior: &Posterior, _episode: usize, plan: &mut Plan, _rng: &mut dyn RngCore) {
        posterior.mean_transitions(&mut self.transitions);
        plan.fill_from(&posterior.model(&self.transitions, posterior.reward_means()));
    }

    fn epsilon(&self) -> f64 {
        self.epsilon
    }
}
