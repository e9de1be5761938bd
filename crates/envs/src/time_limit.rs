//! Episodes that are cut after so many steps.

use rand::RngCore;

use crate::{Action, Env, Error, Result, Space, Transition};

/// Sets `truncated` at the `horizon`-th step of an episode, as Gymnasium's wrapper does: also where the environment
/// terminates in that very step, in which case both flags are set and `terminated` decides.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeLimit<E> {
    env: E,
    horizon: usize,
    elapsed: usize,
}

impl<E: Env> TimeLimit<E> {
    /// Cuts the episodes of `env` after `horizon` steps, `>= 1`.
    ///
    /// # Errors
    /// [`Error::ZeroHorizon`].
    pub fn new(env: E, horizon: usize) -> Result<Self> {
        if horizon == 0 {
            return Err(Error::ZeroHorizon { what: "time limit" });
        }
        Ok(Self { env, horizon, elapsed: 0 })
    }

    /// A limit that is known to be above zero.
    pub(crate) const fn known(env: E, horizon: usize) -> Self {
        Self { env, horizon, elapsed: 0 }
    }

    /// The environment inside.
    pub fn inner(&self) -> &E {
        &self.env
    }

    /// The most steps that an episode takes.
    pub fn horizon(&self) -> usize {
        self.horizon
    }
}

impl<E: Env> Env for TimeLimit<E> {
    fn observation_space(&self) -> Space {
        self.env.observation_space()
    }

    fn action_space(&self) -> Space {
        self.env.action_space()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.elapsed = 0;
        self.env.reset(rng, obs)
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let step = self.env.step(action, rng, obs)?;
        self.elapsed += 1;
        let truncated = step.truncated || self.elapsed >= self.horizon;
        Ok(Transition { truncated, episode_ended: step.episode_ended || truncated, ..step })
    }
}
