//! Several episodes in one task, played as one: the trial of RL².
//!
//! Duan, Schulman, Chen, Bartlett, Sutskever & Abbeel, *RL²: Fast Reinforcement Learning via Slow Reinforcement
//! Learning*, 2016, §2.2. An agent's memory is kept over the episodes of a trial and cleared between trials. What is
//! maximised is the return of the whole trial, so the trial is the decision process, and its end terminates it.

use rand::RngCore;

use crate::{Action, Env, Error, Result, Space, Transition};

/// Plays `episodes` episodes of an environment as one trial.
///
/// Inside of the trial an episode's end resets the environment at once: the observation is the first of the next
/// episode, `episode_ended` is true, and neither `terminated` nor `truncated` is. At the trial's end `terminated` is
/// true, whichever way the last episode ended; the observation is then the last one of that episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial<E> {
    env: E,
    episodes: usize,
    finished: usize,
}

impl<E: Env> Trial<E> {
    /// Trials of `episodes` episodes, `>= 1`.
    ///
    /// # Errors
    /// [`Error::ZeroHorizon`].
    pub fn new(env: E, episodes: usize) -> Result<Self> {
        if episodes == 0 {
            return Err(Error::ZeroHorizon { what: "number of episodes in a trial" });
        }
        Ok(Self { env, episodes, finished: 0 })
    }

    /// The environment inside.
    pub fn inner(&self) -> &E {
        &self.env
    }

    /// Number of the current episode within its trial, from 0.
    pub fn episode(&self) -> usize {
        self.finished
    }
}

impl<E: Env> Env for Trial<E> {
    fn observation_space(&self) -> Space {
        self.env.observation_space()
    }

    fn action_space(&self) -> Space {
        self.env.action_space()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.finished = 0;
        self.env.reset(rng, obs)
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let step = self.env.step(action, rng, obs)?;
        if !step.done() {
            return Ok(step);
        }
        self.finished += 1;
        let terminated = self.finished >= self.episodes;
        if !terminated {
            self.env.reset(rng, obs)?;
        }
        Ok(Transition { reward: step.reward, terminated, truncated: false, episode_ended: true })
    }
}
