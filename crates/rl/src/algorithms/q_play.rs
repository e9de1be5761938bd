//! Playing for Q-learning: steps go into a buffer, one by one.

use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{Actions, Env, VecEnv};

use super::q_learning::QLearner;
use super::replay::{ReplayBuffer, Transition};
use crate::rollout::action_rng;
use crate::{Error, Finished, Result};

/// Environments that are stepped for Q-learning.
#[derive(Debug)]
pub struct QCollector<E> {
    env: VecEnv<E>,
    rngs: Vec<ChaCha8Rng>,
    progress: Vec<(f64, u32)>,
}

impl<E: Env + Send> QCollector<E> {
    /// Begins in every environment. `seed` determines both what environments and what the learner draw.
    ///
    /// # Errors
    /// Those of the environments.
    pub fn new(mut env: VecEnv<E>, seed: u64) -> Result<Self> {
        let [m, b] = env.dims();
        env.reset(seed)?;
        let rngs = (0..m * b).map(|row| action_rng(seed, row / b, row % b)).collect();
        Ok(Self { env, rngs, progress: vec![(0.0, 0); m * b] })
    }

    /// A buffer for so many steps of these environments.
    ///
    /// # Errors
    /// If there is no room.
    pub fn buffer(&self, capacity: usize) -> Result<ReplayBuffer> {
        ReplayBuffer::new(capacity, self.env.dims(), self.env.observation_space().n_features())
    }

    /// One step in every environment, stored in the buffer; answers the decision processes that came to an end.
    ///
    /// # Errors
    /// If the learner does not fit the environments, and those of the environments.
    pub fn step(
        &mut self,
        learner: &QLearner,
        params: &Params,
        epsilon: f64,
        buffer: &mut ReplayBuffer,
    ) -> Result<Vec<Finished>> {
        let space = self.env.observation_space().clone();
        let (found, expected) = (learner.net().n_inputs(), space.n_features());
        if found != expected {
            return Err(Error::PolicyInputs { net: "Q-network", found, expected, space: space.to_string() });
        }
        let [m, b] = self.env.dims();
        let mut obs = vec![0.0; m * b * expected];
        for (element, features) in self.env.obs().chunks_exact(space.size()).zip(obs.chunks_exact_mut(expected)) {
            space.write_features(element, features);
        }
        let mut tensor = Tensor::from_vec(obs.clone(), (m, b, expected))?;
        if let Some(leaf) = params.leaves().first() {
            tensor = tensor.to_dtype(leaf.dtype())?.to_device(leaf.device())?;
        }
        let actions = learner.act(params, &tensor, epsilon, &mut self.rngs)?;
        let step = self.env.step(Actions::Discrete(&actions))?;
        let mut next_obs = vec![0.0; obs.len()];
        for (row, features) in next_obs.chunks_exact_mut(expected).enumerate() {
            space.write_features(step.next_obs(row), features);
        }
        let (obs, next_obs) = (&obs[..], &next_obs[..]);
        let (rewards, terminated) = (step.reward, step.terminated);
        buffer.push(Transition { obs, actions: &actions, rewards, next_obs, terminated })?;
        let mut finished = Vec::new();
        for (row, (total, length)) in self.progress.iter_mut().enumerate() {
            *total += f64::from(step.reward[row]);
            *length += 1;
            if step.done(row) {
                finished.push(Finished { row, total: *total, length: *length });
                (*total, *length) = (0.0, 0);
            }
        }
        Ok(finished)
    }
}
