//! Any arm, each as likely.

use rand::RngCore;
use rekindle_envs::random;

use super::BanditAgent;
use super::agent::check_sizes;
use crate::Result;

/// Pulls arms at random and learns nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RandomArm {
    n_arms: usize,
}

impl BanditAgent for RandomArm {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        check_sizes(n_arms, horizon)?;
        self.n_arms = n_arms;
        Ok(())
    }

    fn choose(&mut self, rng: &mut dyn RngCore) -> usize {
        random::below(rng, self.n_arms)
    }

    fn observe(&mut self, _arm: usize, _reward: f64) -> Result<()> {
        Ok(())
    }
}
