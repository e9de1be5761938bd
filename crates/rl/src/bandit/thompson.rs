//! Thompson sampling: pull each arm as often as it is believed to be the best.
//!
//! ```text
//! θ_i ~ p(θ_i | history),   arm = argmax_i θ_i
//! ```
//! Thompson, *On the likelihood that one unknown probability exceeds another*, 1933. Its optimistic variant never values
//! an arm below its mean: May, Korda, Lee & Leslie, *Optimistic Bayesian sampling in contextual-bandit problems*, 2012.
//! RL² says of its own that several draws are made, their number tuned, and the most optimistic used; which of the rules
//! in [`Optimism`] that is, if any, no text tells, and neither gives the published column: for 10 pulls of 5 arms it says
//! 6.5, where both give 6.0, and for 100 pulls of 50 arms 67.7, where they give 64.6 and 65. Nor do the mean of several
//! draws (6.4 and 83 with five draws), the majority of several joint draws (6.4 and 73 with ten), the best of their arms
//! by posterior mean (6.5 and 74 with three), or their arms weighted by the drawn values (6.1 and 67 with five).

use rand::RngCore;

use super::belief::Beliefs;
use super::ties::first_largest;
use super::{BanditAgent, Belief, BetaBelief};
use crate::{Error, Result};

/// One draw an arm; the largest is pulled.
#[derive(Clone, Debug)]
pub struct Thompson<B = BetaBelief> {
    beliefs: Beliefs<B>,
}

impl Default for Thompson {
    fn default() -> Self {
        Self::new(BetaBelief::default())
    }
}

impl<B: Belief> Thompson<B> {
    /// With a prior.
    pub fn new(prior: B) -> Self {
        Self { beliefs: Beliefs::new(prior) }
    }
}

impl<B: Belief> BanditAgent for Thompson<B> {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        self.beliefs.begin(n_arms, horizon)
    }

    fn choose(&mut self, rng: &mut dyn RngCore) -> usize {
        first_largest(self.beliefs.arms.iter().map(|arm| arm.draw(rng)))
    }

    fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        self.beliefs.observe(arm, reward)
    }
}

/// What makes a draw optimistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimism {
    /// max(draw, posterior mean): May et al. 2012.
    AtLeastTheMean,
    /// The largest of N draws, `N >= 1`.
    LargestOf(usize),
}

/// [`Thompson`] with more faith in its arms.
#[derive(Clone, Debug)]
pub struct OptimisticThompson<B = BetaBelief> {
    beliefs: Beliefs<B>,
    rule: Optimism,
}

impl Default for OptimisticThompson {
    /// The rule of May et al. with RL²'s prior.
    fn default() -> Self {
        Self::new(BetaBelief::default(), Optimism::AtLeastTheMean)
    }
}

impl<B: Belief> OptimisticThompson<B> {
    /// With a prior and a rule.
    pub fn new(prior: B, rule: Optimism) -> Self {
        Self { beliefs: Beliefs::new(prior), rule }
    }
}

impl<B: Belief> BanditAgent for OptimisticThompson<B> {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        if self.rule == Optimism::LargestOf(0) {
            return Err(Error::agent("rule", format!("{:?}", self.rule), "of at least one draw"));
        }
        self.beliefs.begin(n_arms, horizon)
    }

    fn choose(&mut self, rng: &mut dyn RngCore) -> usize {
        let rule = self.rule;
        first_largest(self.beliefs.arms.iter().map(|arm| match rule {
            Optimism::AtLeastTheMean => arm.draw(rng).max(arm.mean()),
            Optimism::LargestOf(n) => (0..n).map(|_| arm.draw(rng)).fold(f64::NEG_INFINITY, f64::max),
        }))
    }

    fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        self.beliefs.observe(arm, reward)
    }
}
