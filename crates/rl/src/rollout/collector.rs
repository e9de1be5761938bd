//! Playing: a policy in a batch of environments.

use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Params, Tensor};
use rekindle_envs::{Env, VecEnv, stream_rng};

use super::recording::{Recording, numbers};
use super::{Finished, Rollout};
use crate::policy::{Memory, Policy, Sequence};
use crate::{Error, Result};

/// Plays a policy in a batch of environments, rollout after rollout. What a row does depends on its own generators
/// alone: not on M, B, the number of threads, or how the steps were cut into rollouts.
#[derive(Debug)]
pub struct Collector<E> {
    env: VecEnv<E>,
    rngs: Vec<ChaCha8Rng>,
    /// Of the next step, `[M, B]`.
    starts: Vec<bool>,
    memory: Option<Memory>,
    totals: Vec<f64>,
    times: Vec<u32>,
    greedy: bool,
}

impl<E: Env + Send> Collector<E> {
    /// Begins in every environment. `seed` determines both what environments and what policies draw.
    ///
    /// # Errors
    /// Those of the environments.
    pub fn new(env: VecEnv<E>, seed: u64) -> Result<Self> {
        let n = env.n_envs();
        let (rngs, starts) = (Vec::with_capacity(n), vec![true; n]);
        let mut collector =
            Self { env, rngs, starts, memory: None, totals: vec![0.0; n], times: vec![0; n], greedy: false };
        collector.reset(seed)?;
        Ok(collector)
    }

    /// Plays the most probable action from here on, instead of drawing one: for tests of what was learned.
    #[must_use]
    pub fn greedy(self) -> Self {
        Self { greedy: true, ..self }
    }

    /// Begins anew in every environment, with generators from this seed and no memory.
    ///
    /// # Errors
    /// Those of the environments.
    pub fn reset(&mut self, seed: u64) -> Result<()> {
        let [m, b] = self.env.dims();
        self.env.reset(seed)?;
        self.rngs = (0..m * b).map(|row| action_rng(seed, row / b, row % b)).collect();
        self.starts.fill(true);
        self.totals.fill(0.0);
        self.times.fill(0);
        self.memory = None;
        Ok(())
    }

    /// The environments.
    pub fn env(&self) -> &VecEnv<E> {
        &self.env
    }

    /// The environments, to put other tasks in: [`reset`](Self::reset) afterwards.
    pub fn env_mut(&mut self) -> &mut VecEnv<E> {
        &mut self.env
    }

    /// Plays `steps` steps in every environment, from where the last rollout ended. Nothing is recorded.
    ///
    /// # Errors
    /// If the policy does not fit the environments ([`Policy::check`]); those of the environments, which name row and
    /// step, a reward that is not a number among them.
    pub fn collect(&mut self, policy: &Policy, params: &Params, steps: usize) -> Result<Rollout> {
        crate::error::at_least_one("steps", steps)?;
        policy.check(self.env.observation_space(), self.env.action_space())?;
        let _scope = NoRecord::new();
        let params = &params.detach();
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => {
                let leaf = params.leaves().first().ok_or_else(|| Error::shape("the parameters", &[0], "leaves"))?;
                policy.memory(self.env.dims(), leaf.dtype(), leaf.device())?
            }
        };
        let mut tape = Recording::new(memory.clone(), self.env.observation_space().clone());
        let mut now = memory;
        for _ in 0..steps {
            now = self.step(policy, params, &now, &mut tape)?;
        }
        let last_obs = self.observe(params, self.env.obs())?;
        // Where everything has just ended, nothing is bootstrapped.
        let last_values = match self.starts.contains(&false) {
            true => self.values_of(policy, params, &last_obs, &self.starts, &now)?,
            false => policy.has_values().then(|| vec![0.0; self.starts.len()]),
        };
        let rollout = tape.finish(self.env.dims(), last_obs, &now, last_values)?;
        self.memory = Some(rollout.last_memory.clone());
        Ok(rollout)
    }

    /// One step in every environment; answers the memory after it.
    fn step(&mut self, policy: &Policy, params: &Params, memory: &Memory, tape: &mut Recording) -> Result<Memory> {
        let obs = self.observe(params, self.env.obs())?;
        let mut act = policy.act(params, &obs, &self.starts, memory, &mut self.rngs)?;
        if self.greedy {
            act.actions = act.outputs.distribution.mode()?;
        }
        tape.starts.extend_from_slice(&self.starts);
        tape.times.extend_from_slice(&self.times);
        tape.begin_step(obs, &act.outputs)?;
        let step = self.env.step(act.actions.view())?;
        let first = tape.rewards.len();
        tape.rewards.extend_from_slice(step.reward);
        tape.terminated.extend_from_slice(step.terminated);
        tape.truncated.extend_from_slice(step.truncated);
        tape.episode_ended.extend_from_slice(step.episode_ended);
        let mut cut = false;
        for row in 0..step.reward.len() {
            self.totals[row] += f64::from(step.reward[row]);
            self.times[row] += 1;
            self.starts[row] = step.done(row);
            if step.truncated[row] && !step.terminated[row] {
                cut = true;
                tape.final_obs.push((first + row, tape.features(step.next_obs(row))));
            }
            if step.done(row) {
                tape.finished.push(Finished { row, total: self.totals[row], length: self.times[row] });
                (self.totals[row], self.times[row]) = (0.0, 0);
            }
        }
        let final_obs = cut.then(|| step.final_obs.to_vec());
        tape.push_actions(&act.actions);
        let memory = act.outputs.memory;
        if let Some(final_obs) = final_obs.filter(|_| policy.has_values()) {
            // The value of what a cut episode had reached, with the memory that it had; the other rows go unused.
            let obs = self.observe(params, &final_obs)?;
            let values = self.values_of(policy, params, &obs, &vec![false; self.starts.len()], &memory)?;
            tape.bootstrap(first, &values.unwrap_or_default());
        }
        Ok(memory)
    }

    /// The features of observations, `[M, B, D]`, beside the parameters.
    fn observe(&self, params: &Params, obs: &[f32]) -> Result<Tensor> {
        let [m, b] = self.env.dims();
        let space = self.env.observation_space();
        let (size, n) = (space.size(), space.n_features());
        let mut features = vec![0.0; m * b * n];
        for (element, features) in obs.chunks_exact(size).zip(features.chunks_exact_mut(n)) {
            space.write_features(element, features);
        }
        let tensor = Tensor::from_vec(features, (m, b, n))?;
        match params.leaves().first() {
            Some(leaf) => Ok(tensor.to_dtype(leaf.dtype())?.to_device(leaf.device())?),
            None => Ok(tensor),
        }
    }

    fn values_of(
        &self,
        policy: &Policy,
        params: &Params,
        obs: &Tensor,
        starts: &[bool],
        memory: &Memory,
    ) -> Result<Option<Vec<f32>>> {
        if !policy.has_values() {
            return Ok(None);
        }
        let values = policy.forward(params, Sequence { obs: &obs.unsqueeze(0)?, starts }, memory)?.values;
        values.map(|values| numbers(&values)).transpose()
    }
}

/// The generator that the policy draws from in copy `copy` of task `task`. Environments draw from streams whose two top
/// bits are 10; these are 11.
pub(crate) fn action_rng(seed: u64, task: usize, copy: usize) -> ChaCha8Rng {
    stream_rng(seed, 0b11 << 62 | (task as u64) << 32 | copy as u64)
}
