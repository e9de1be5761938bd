//! Playing for successor features: every row of a batch acts for the weights of its own task.

use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{Actions, LinearReward, VecEnv, stream_rng};
use rekindle_rl::Finished;

use super::buffer::SuccessorBuffer;
use super::deep::SuccessorLearner;
use crate::{Error, Result};

/// Environments that are stepped for successor features.
#[derive(Debug)]
pub struct SuccessorCollector<E> {
    env: VecEnv<E>,
    rngs: Vec<ChaCha8Rng>,
    progress: Vec<(f64, u32)>,
}

impl<E: LinearReward + Send> SuccessorCollector<E> {
    /// Begins in every environment. `seed` determines both what environments and what the learner draw.
    ///
    /// # Errors
    /// Those of the environments.
    pub fn new(mut env: VecEnv<E>, seed: u64) -> Result<Self> {
        let n = env.n_envs();
        env.reset(seed)?;
        Ok(Self { env, rngs: (0..n as u64).map(|row| stream_rng(seed, row)).collect(), progress: vec![(0.0, 0); n] })
    }

    /// One step in every environment, stored in the buffer if there is one; answers the episodes that came to an end.
    ///
    /// # Errors
    /// [`Error::Width`] where observations, features or actions are not those of the learner; those of the environments.
    pub fn step(
        &mut self,
        learner: &SuccessorLearner,
        params: &Params,
        epsilon: f64,
        buffer: Option<&mut SuccessorBuffer>,
    ) -> Result<Vec<Finished>> {
        let space = self.env.observation_space().clone();
        let [d, a, _] = learner.sizes();
        check("the features of an observation", space.n_features(), d)?;
        check("the list of actions", self.env.action_space().n_features(), a)?;
        let n = self.env.n_envs();
        let features = |obs: &[f32]| {
            let mut features = vec![0.0; d];
            space.write_features(obs, &mut features);
            features
        };
        let obs: Vec<f32> = self.env.obs().chunks_exact(space.size()).flat_map(features).collect();
        let mut tensor = Tensor::from_vec(obs.clone(), (n, d))?;
        if let Some(leaf) = params.leaves().first() {
            tensor = tensor.to_dtype(leaf.dtype())?.to_device(leaf.device())?;
        }
        let actions = learner.act(params, &tensor, &self.weights(learner)?, epsilon, &mut self.rngs)?;
        let step = self.env.step(Actions::Discrete(&actions))?;
        let next: Vec<Vec<f32>> = (0..n).map(|row| features(step.next_obs(row))).collect();
        let mut finished = Vec::new();
        for (row, (total, length)) in self.progress.iter_mut().enumerate() {
            *total += f64::from(step.reward[row]);
            *length += 1;
            if step.done(row) {
                finished.push(Finished { row, total: *total, length: *length });
                (*total, *length) = (0.0, 0);
            }
        }
        let terminated = step.terminated.to_vec();
        if let Some(buffer) = buffer {
            for (row, obs) in obs.chunks_exact(d).enumerate() {
                let phi = self.env.env(row).map_or(&[][..], LinearReward::features);
                buffer.push(obs, actions[row], phi, &next[row], terminated[row])?;
            }
        }
        Ok(finished)
    }

    /// Weights of every row, `[R, F]`.
    fn weights(&self, learner: &SuccessorLearner) -> Result<Vec<f64>> {
        let [_, _, f] = learner.sizes();
        let mut all = Vec::with_capacity(self.env.n_envs() * f);
        for env in (0..self.env.n_envs()).filter_map(|row| self.env.env(row)) {
            check("the weights of a task", env.weights().len(), f)?;
            all.extend(env.weights().iter().map(|w| f64::from(*w)));
        }
        Ok(all)
    }
}

fn check(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Width { what, found, expected }) }
}
