//! UCB1: optimism in the face of uncertainty.
//!
//! ```text
//! arm = argmax_i  μ̂_i + c √(2 ln t / T_i)
//! ```
//! Auer, Cesa-Bianchi & Fischer, *Finite-time analysis of the multiarmed bandit problem*, 2002, Figure 1, where c = 1.
//! RL² tunes c. Differs from Auer et al.: no first round of one pull an arm, since the prior already counts as two
//! observations of each; t is the number of the pull, from 1.

use rand::RngCore;

use super::belief::Beliefs;
use super::{BanditAgent, Belief, BetaBelief, Ties};
use crate::{Error, Result};

/// Pulls the arm whose upper confidence bound is largest.
#[derive(Clone, Debug)]
pub struct Ucb1<B = BetaBelief> {
    beliefs: Beliefs<B>,
    /// Width c of the bounds, `>= 0`.
    width: f64,
    ties: Ties,
    /// Pulls so far.
    pulls: usize,
}

impl Default for Ucb1 {
    /// c = 0.2, the best for the bandits of RL²; ties to the first.
    fn default() -> Self {
        Self::new(0.2)
    }
}

impl Ucb1 {
    /// With RL²'s prior and ties.
    pub fn new(width: f64) -> Self {
        Self::with_prior(BetaBelief::default(), width, Ties::First)
    }
}

impl<B: Belief> Ucb1<B> {
    /// With any prior and any way to break ties.
    pub fn with_prior(prior: B, width: f64, ties: Ties) -> Self {
        Self { beliefs: Beliefs::new(prior), width, ties, pulls: 0 }
    }
}

impl<B: Belief> BanditAgent for Ucb1<B> {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        if !(self.width >= 0.0 && self.width.is_finite()) {
            return Err(Error::agent("width", self.width, "a finite number of at least 0"));
        }
        self.pulls = 0;
        self.beliefs.begin(n_arms, horizon)
    }

    fn choose(&mut self, rng: &mut dyn RngCore) -> usize {
        let t = (self.pulls + 1) as f64;
        let scale = self.width * (2.0 * libm::log(t)).sqrt();
        self.ties.largest(self.beliefs.arms.iter().map(|arm| arm.mean() + scale / arm.weight().sqrt()), rng)
    }

    fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        self.pulls += 1;
        self.beliefs.observe(arm, reward)
    }
}
