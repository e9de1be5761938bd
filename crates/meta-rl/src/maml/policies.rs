//! The policies of the test themselves: to play them, or to look at what adaptation does.

use rekindle_autodiff::Params;
use rekindle_envs::EnvFamily;

use super::MamlRl;
use crate::{At, Result};

impl<F: EnvFamily> MamlRl<F> {
    /// The policies of some tasks before and after each of `updates` steps, leaves `[M, …]` each: those that
    /// [`test`](Self::test) plays.
    ///
    /// # Errors
    /// As [`test`](Self::test).
    pub fn policies(
        &self,
        params: &Params,
        tasks: &[F::Task],
        updates: usize,
        rate: f64,
        seed: u64,
    ) -> Result<Vec<Params>> {
        let mut player = self.player(tasks, self.adapter.config.test_trajectories)?;
        let mut rng = At { seed, iteration: 0 }.rng();
        Ok(self.walk(&mut player, &mut rng, params, (tasks.len(), updates, rate))?.0)
    }
}
