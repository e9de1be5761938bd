//! One environment: what a user writes.

use rand::RngCore;

use crate::{Action, Result, Space};

/// A (partially observed) Markov decision process that is played step by step, with the semantics of Gymnasium.
///
/// Implementations draw from `rng` alone, write every element of `obs` in `reset` and in `step`, and keep nothing of an
/// old episode over a reset. [`conformance::check`](crate::conformance::check) tests all of this. Nobody steps an
/// environment before its reset or after its episode's end, or with a buffer of another length than the observation
/// space's [`size`](Space::size); [`VecEnv`](crate::VecEnv) sees to that.
pub trait Env {
    /// Where observations lie.
    fn observation_space(&self) -> Space;

    /// Where actions lie.
    fn action_space(&self) -> Space;

    /// Begins an episode and writes its first observation, `[D]`.
    ///
    /// # Errors
    /// The environment's own.
    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()>;

    /// Plays one action, writes the observation that follows, `[D]`, and tells the reward.
    ///
    /// # Errors
    /// [`Error::ActionOutside`](crate::Error::ActionOutside), [`Error::ActionKind`](crate::Error::ActionKind), and the
    /// environment's own.
    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition>;
}

impl<E: Env + ?Sized> Env for Box<E> {
    fn observation_space(&self) -> Space {
        (**self).observation_space()
    }

    fn action_space(&self) -> Space {
        (**self).action_space()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (**self).reset(rng, obs)
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        (**self).step(action, rng, obs)
    }
}

/// What a step gave besides the observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// The reward.
    pub reward: f32,
    /// The decision process came to its end: nothing follows, so no value is bootstrapped.
    pub terminated: bool,
    /// Somebody stopped watching, say a time limit: values go on, so the last observation is bootstrapped from.
    pub truncated: bool,
    /// An episode ended. Equals `terminated || truncated`, except inside of a [`Trial`](crate::Trial), which goes on
    /// over the ends of its episodes.
    pub episode_ended: bool,
}

impl Transition {
    /// A step after which the episode goes on, or one that ends it if `terminated`.
    pub const fn new(reward: f32, terminated: bool) -> Self {
        Self { reward, terminated, truncated: false, episode_ended: terminated }
    }

    /// Whether what follows is a reset.
    pub const fn done(self) -> bool {
        self.terminated || self.truncated
    }
}
