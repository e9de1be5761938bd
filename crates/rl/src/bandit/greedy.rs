//! Pull what looks best; now and then, pull anything.
//!
//! ```text
//! arm = argmax_i E[θ_i | history]          with probability 1 − ε
//!       any                                with probability ε
//! ```
//! Greedy is ε = 0. With a prior of one success and one failure the first pulls are ties: see [`Ties`].

use rand::RngCore;
use rekindle_envs::random;

use super::belief::Beliefs;
use super::{BanditAgent, Belief, BetaBelief, Ties};
use crate::{Error, Result};

/// Pulls the arm of largest posterior mean. Default: Beta(1, 1), the first of equals, as RL²'s baseline does.
#[derive(Clone, Debug)]
pub struct Greedy<B = BetaBelief> {
    beliefs: Beliefs<B>,
    ties: Ties,
}

impl Default for Greedy {
    fn default() -> Self {
        Self::new(BetaBelief::default(), Ties::First)
    }
}

impl<B: Belief> Greedy<B> {
    /// With a prior and a way to break ties.
    pub fn new(prior: B, ties: Ties) -> Self {
        Self { beliefs: Beliefs::new(prior), ties }
    }
}

impl<B: Belief> BanditAgent for Greedy<B> {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        self.beliefs.begin(n_arms, horizon)
    }

    fn choose(&mut self, rng: &mut dyn RngCore) -> usize {
        self.ties.largest(self.beliefs.arms.iter().map(Belief::mean), rng)
    }

    fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        self.beliefs.observe(arm, reward)
    }
}

/// [`Greedy`] that pulls a random arm with probability ε.
#[derive(Clone, Debug)]
pub struct EpsilonGreedy<B = BetaBelief> {
    greedy: Greedy<B>,
    /// ε, from 0 to 1. RL² tunes it for every number of pulls and arms: about 0.01 for 100 pulls, 0.05 for 500.
    epsilon: f64,
}

impl EpsilonGreedy {
    /// With RL²'s prior and ties.
    pub fn new(epsilon: f64) -> Self {
        Self::around(Greedy::default(), epsilon)
    }
}

impl<B: Belief> EpsilonGreedy<B> {
    /// Around any greedy agent.
    pub fn around(greedy: Greedy<B>, epsilon: f64) -> Self {
        Self { greedy, epsilon }
    }
}

impl<B: Belief> BanditAgent for EpsilonGreedy<B> {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        if !(0.0..=1.0).contains(&self.epsilon) {
            return Err(Error::agent("epsilon", self.epsilon, "a probability, from 0 to 1"));
        }
        self.greedy.begin(n_arms, horizon)
    }

    fn choose(&mut self, rng: &mut dyn RngCore) -> usize {
        if random::unit_f64(rng) < self.epsilon {
            return random::below(rng, self.greedy.beliefs.arms.len());
        }
        self.greedy.choose(rng)
    }

    fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        self.greedy.observe(arm, reward)
    }
}
