//! The plane of the lecture's points in a unit of its size, so that what nets see and predict is of the order of 1.

use rand::RngCore;
use rekindle_envs::{Action, Env, PointEnv, Result, Space, TimeLimit, Transition};

/// Steps of the plane in a unit: goals lie in [−1, 1]².
pub(super) const UNIT: f32 = 10.0;

/// A point whose place, goal and distance are told in units. Actions stay as they are.
#[derive(Clone, Debug)]
pub(super) struct InUnits(pub(super) TimeLimit<PointEnv>);

fn convert(obs: &mut [f32]) {
    obs.iter_mut().for_each(|x| *x /= UNIT);
}

impl Env for InUnits {
    fn observation_space(&self) -> Space {
        // Unbounded, so the same in any unit.
        self.0.observation_space()
    }

    fn action_space(&self) -> Space {
        self.0.action_space()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.0.reset(rng, obs)?;
        convert(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let step = self.0.step(action, rng, obs)?;
        convert(obs);
        Ok(Transition { reward: step.reward / UNIT, ..step })
    }
}
