//! The buffers of a batch, and stepping a contiguous part of its rows.

use crate::vec_env::Slot;
use crate::{Actions, Env, Error, Result, Step};

/// What a batch gives out, field by field, so that each field is one tensor to whoever wraps it.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    pub(crate) obs: Vec<f32>,
    final_obs: Vec<f32>,
    reward: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    episode_ended: Vec<bool>,
}

impl Buffers {
    pub(crate) fn new(n_envs: usize, obs_size: usize) -> Self {
        Self {
            obs: vec![0.0; n_envs * obs_size],
            final_obs: vec![0.0; n_envs * obs_size],
            reward: vec![0.0; n_envs],
            terminated: vec![false; n_envs],
            truncated: vec![false; n_envs],
            episode_ended: vec![false; n_envs],
        }
    }

    pub(crate) fn step(&self) -> Step<'_> {
        Step {
            obs: &self.obs,
            reward: &self.reward,
            terminated: &self.terminated,
            truncated: &self.truncated,
            episode_ended: &self.episode_ended,
            final_obs: &self.final_obs,
        }
    }

    /// All rows, with their environments.
    pub(crate) fn rows<'a, E>(&'a mut self, slots: &'a mut [Slot<E>]) -> Rows<'a, E> {
        Rows {
            first: 0,
            obs_size: self.obs.len() / slots.len(),
            slots,
            obs: &mut self.obs,
            final_obs: &mut self.final_obs,
            reward: &mut self.reward,
            terminated: &mut self.terminated,
            truncated: &mut self.truncated,
            episode_ended: &mut self.episode_ended,
        }
    }
}

/// Neighbouring rows of a batch: their environments and their parts of the buffers.
pub(crate) struct Rows<'a, E> {
    /// Number of the first row within the batch.
    first: usize,
    obs_size: usize,
    slots: &'a mut [Slot<E>],
    obs: &'a mut [f32],
    final_obs: &'a mut [f32],
    reward: &'a mut [f32],
    terminated: &'a mut [bool],
    truncated: &'a mut [bool],
    episode_ended: &'a mut [bool],
}

impl<'a, E> Rows<'a, E> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The first `n` rows, or all if there are fewer, and the others.
    pub(crate) fn split_at(self, n: usize) -> (Self, Self) {
        let n = n.min(self.slots.len());
        let floats = n * self.obs_size;
        let (slots, slots_after) = self.slots.split_at_mut(n);
        let (obs, obs_after) = self.obs.split_at_mut(floats);
        let (final_obs, final_obs_after) = self.final_obs.split_at_mut(floats);
        let (reward, reward_after) = self.reward.split_at_mut(n);
        let (terminated, terminated_after) = self.terminated.split_at_mut(n);
        let (truncated, truncated_after) = self.truncated.split_at_mut(n);
        let (episode_ended, episode_ended_after) = self.episode_ended.split_at_mut(n);
        let after = Self {
            first: self.first + n,
            obs_size: self.obs_size,
            slots: slots_after,
            obs: obs_after,
            final_obs: final_obs_after,
            reward: reward_after,
            terminated: terminated_after,
            truncated: truncated_after,
            episode_ended: episode_ended_after,
        };
        (Rows { slots, obs, final_obs, reward, terminated, truncated, episode_ended, ..self }, after)
    }
}

impl<E: Env> Rows<'_, E> {
    pub(crate) fn reset(self) -> Result<()> {
        let rows = self.slots.iter_mut().zip(self.obs.chunks_exact_mut(self.obs_size));
        for (i, (slot, obs)) in rows.enumerate() {
            slot.env.reset(&mut slot.rng, obs).map_err(|error| error.at(self.first + i, 0))?;
        }
        Ok(())
    }

    /// `actions` are those of the whole batch.
    pub(crate) fn step(self, actions: Actions<'_>, action_size: usize, clock: u64) -> Result<()> {
        let observations = self.obs.chunks_exact_mut(self.obs_size).zip(self.final_obs.chunks_exact_mut(self.obs_size));
        for (i, (slot, (obs, final_obs))) in self.slots.iter_mut().zip(observations).enumerate() {
            let row = self.first + i;
            let action = actions.get(row, action_size);
            let step = slot.env.step(action, &mut slot.rng, obs).map_err(|error| error.at(row, clock))?;
            if !step.reward.is_finite() {
                return Err(Error::Reward { reward: step.reward }.at(row, clock));
            }
            if step.done() {
                final_obs.copy_from_slice(obs);
                slot.env.reset(&mut slot.rng, obs).map_err(|error| error.at(row, clock))?;
            }
            self.reward[i] = step.reward;
            self.terminated[i] = step.terminated;
            self.truncated[i] = step.truncated;
            self.episode_ended[i] = step.episode_ended || step.done();
        }
        Ok(())
    }
}
