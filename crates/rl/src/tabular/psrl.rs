//! Posterior sampling: plan as if an MDP drawn from the posterior were the truth.
//!
//! PSRL is Thompson sampling for MDPs, one draw an episode: Strens 2000; Osband, Russo & Van Roy, *(More) efficient
//! reinforcement learning via posterior sampling*, 2013. OPSRL plans in several draws and believes, for every action in
//! every state at every step, the best of them: Osband & Van Roy, *Why is posterior sampling better than optimism for
//! reinforcement learning?*, 2017.

use rand::RngCore;

use super::{Plan, PlanRule, Posterior};
use crate::{Error, Result};

/// Plans in one draw. Published with [`Prior::published`](super::Prior::published).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Psrl {
    transitions: Vec<f64>,
    rewards: Vec<f64>,
}

impl PlanRule for Psrl {
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn plan(&mut self, posterior: &Posterior, _episode: usize, plan: &mut Plan, rng: &mut dyn RngCore) {
        posterior.draw(rng, &mut self.transitions, &mut self.rewards);
        plan.fill_from(&posterior.model(&self.transitions, &self.rewards));
    }
}

/// Plans in several draws, optimistically. Published with [`Prior::published`](super::Prior::published).
#[derive(Clone, Debug, PartialEq)]
pub struct Opsrl {
    draws: usize,
    one: Psrl,
    other: Option<Plan>,
}

impl Default for Opsrl {
    /// Ten draws, TabulaRL's default.
    fn default() -> Self {
        Self::new(10)
    }
}

impl Opsrl {
    /// With that many draws, `>= 1`.
    pub fn new(draws: usize) -> Self {
        Self { draws, one: Psrl::default(), other: None }
    }
}

impl PlanRule for Opsrl {
    fn validate(&self) -> Result<()> {
        if self.draws == 0 { Err(Error::agent("draws", 0, "at least 1")) } else { Ok(()) }
    }

    fn plan(&mut self, posterior: &Posterior, episode: usize, plan: &mut Plan, rng: &mut dyn RngCore) {
        self.one.plan(posterior, episode, plan, rng);
        // A plan of other sizes is left from another MDP.
        let mut other = self.other.take().filter(|other| other.sizes() == plan.sizes()).unwrap_or_else(|| plan.clone());
        for _ in 1..self.draws {
            self.one.plan(posterior, episode, &mut other, rng);
            plan.raise_to(&other);
        }
        self.other = Some(other);
    }
}
