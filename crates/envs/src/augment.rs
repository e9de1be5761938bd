//! Observations that carry what a recurrent meta-learner needs: its last action, its last reward, and whether an
//! episode just ended.
//!
//! ```text
//! x_t = [ φ(o_t) | a_{t−1} | r_{t−1} | d_{t−1} ]        [O + A + 1 + 1] features
//! ```
//! Duan et al., *RL²*, 2016, §2.2. φ is one-hot for a discrete observation, else the identity; the action is one-hot,
//! or its numbers; d is 1 in the first step of every episode of a trial but the first. At the start of a trial all of
//! what follows o is zero.

use std::ops::Range;

use rand::RngCore;

use crate::space::one_hot;
use crate::{Action, Env, Result, Space, Transition};

/// Where the parts of an augmented observation lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Features of the observation, `[O]`: one-hot if it is discrete.
    pub obs: Range<usize>,
    /// Features of the last action, `[A]`: one-hot if it is discrete.
    pub action: Range<usize>,
    /// The last reward.
    pub reward: usize,
    /// 1 where the last step ended an episode, else 0.
    pub ended: usize,
}

impl Layout {
    /// The layout over these spaces.
    pub fn new(observation_space: &Space, action_space: &Space) -> Self {
        let n_obs = observation_space.n_features();
        let reward = n_obs + action_space.n_features();
        Self { obs: 0..n_obs, action: n_obs..reward, reward, ended: reward + 1 }
    }

    /// Features in all.
    pub fn size(&self) -> usize {
        self.ended + 1
    }
}

/// Adds last action, last reward and the end of the last episode to every observation.
///
/// The observation space becomes the vectors of [`Layout::size`] elements; an image lies flat in front.
#[derive(Clone, Debug)]
pub struct Augment<E> {
    env: E,
    layout: Layout,
    observation_space: Space,
    action_space: Space,
}

impl<E: Env> Augment<E> {
    /// Wraps an environment, usually a [`Trial`](crate::Trial).
    pub fn new(env: E) -> Self {
        let (observation_space, action_space) = (env.observation_space(), env.action_space());
        let layout = Layout::new(&observation_space, &action_space);
        Self { env, layout, observation_space, action_space }
    }

    /// The environment inside.
    pub fn inner(&self) -> &E {
        &self.env
    }

    /// Where the parts lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Lets `write` write the inner observation and expands it if it is discrete.
    fn observe<T>(&mut self, obs: &mut [f32], write: impl FnOnce(&mut E, &mut [f32]) -> Result<T>) -> Result<T> {
        let features = &mut obs[self.layout.obs.clone()];
        let result = write(&mut self.env, &mut features[..self.observation_space.size()])?;
        if let Space::Discrete { .. } = self.observation_space {
            let index = features[0] as usize;
            one_hot(features, index);
        }
        Ok(result)
    }
}

impl<E: Env> Env for Augment<E> {
    fn observation_space(&self) -> Space {
        let n = self.layout.size();
        let (mut low, mut high) = (vec![f32::NEG_INFINITY; n], vec![f32::INFINITY; n]);
        let ranges = [(&self.observation_space, &self.layout.obs), (&self.action_space, &self.layout.action)];
        for (space, range) in ranges {
            match space {
                Space::Discrete { .. } => {
                    low[range.clone()].fill(0.0);
                    high[range.clone()].fill(1.0);
                }
                Space::Box { low: l, high: h, .. } => {
                    // Zero stands for "no action yet", so it belongs to the range of an action.
                    let is_action = *range == self.layout.action;
                    let zero = |bound: f32, with: fn(f32, f32) -> f32| if is_action { with(bound, 0.0) } else { bound };
                    low[range.clone()].iter_mut().zip(l).for_each(|(low, &l)| *low = zero(l, f32::min));
                    high[range.clone()].iter_mut().zip(h).for_each(|(high, &h)| *high = zero(h, f32::max));
                }
            }
        }
        (low[self.layout.ended], high[self.layout.ended]) = (0.0, 1.0);
        Space::vector(&low, &high)
    }

    fn action_space(&self) -> Space {
        self.action_space.clone()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        obs[self.layout.action.start..].fill(0.0);
        self.observe(obs, |env, inner| env.reset(rng, inner))
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let step = self.observe(obs, |env, inner| env.step(action, rng, inner))?;
        let features = &mut obs[self.layout.action.clone()];
        match action {
            Action::Discrete(index) => one_hot(features, index),
            Action::Continuous(values) => features.copy_from_slice(values),
        }
        obs[self.layout.reward] = step.reward;
        obs[self.layout.ended] = f32::from(u8::from(step.episode_ended));
        Ok(step)
    }
}
