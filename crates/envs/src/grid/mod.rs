//! Grid worlds that are drawn as text.

mod env;
mod map;

use std::sync::Arc;

use rand::RngCore;

use crate::{EnvFamily, Error, Result, TimeLimit, random};

pub use env::{GridConfig, GridEnv, GridObservation, GridRewards};
pub use map::GridMap;

/// A map whose tasks are its goals: in each task one of them counts, drawn uniformly, and the others are bare floor.
#[derive(Clone, Debug, PartialEq)]
pub struct GridFamily {
    /// The map.
    pub map: Arc<GridMap>,
    /// Rules, rewards and observations.
    pub config: GridConfig,
    /// Steps after which an episode is truncated, `>= 1`.
    pub horizon: usize,
}

impl EnvFamily for GridFamily {
    /// Number of the goal, in reading order.
    type Task = usize;
    type Env = TimeLimit<GridEnv>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<usize> {
        Ok(random::below(rng, self.map.n_goals()))
    }

    fn make(&self, goal: &usize) -> Result<Self::Env> {
        if *goal >= self.map.n_goals() {
            return Err(Error::config("goal", goal, "the number of one of the map's goals"));
        }
        TimeLimit::new(GridEnv::new(self.map.clone(), self.config.clone(), Some(*goal))?, self.horizon)
    }
}
