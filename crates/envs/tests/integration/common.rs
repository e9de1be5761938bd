//! What the tests share.

use rand::RngCore;
use rekindle_envs::{Action, Env, Result, Space, Transition};

/// Counts its steps, terminates at `end`, and tells the count, a random number and the reward. The first reward of an
/// episode can be poisoned.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    pub(crate) end: u32,
    pub(crate) count: u32,
    pub(crate) first_reward: f32,
}

impl Counter {
    pub(crate) fn until(end: u32) -> Self {
        Self { end, count: 0, first_reward: 1.0 }
    }
}

impl Env for Counter {
    fn observation_space(&self) -> Space {
        Space::vector(&[0.0, 0.0], &[1000.0, 1.0])
    }

    fn action_space(&self) -> Space {
        Space::discrete(3)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.count = 0;
        obs.copy_from_slice(&[0.0, rekindle_envs::random::unit(rng)]);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let reward = if self.count == 0 { self.first_reward } else { 1.0 };
        self.count += 1 + action.index(3)? as u32 / 2;
        obs.copy_from_slice(&[self.count as f32, rekindle_envs::random::unit(rng)]);
        Ok(Transition::new(reward, self.count >= self.end))
    }
}
