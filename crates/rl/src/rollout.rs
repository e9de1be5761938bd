//! Playing: a policy in a batch of environments, and what came of it.

use candle_core::Tensor as Value;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Params, Tensor};
use rekindle_envs::{ActionBuffer, Env, Space, VecEnv, stream_rng};

use crate::policy::{Distribution, Memory, Policy, Sequence};
use crate::returns::Path;
use crate::{Error, Experience, Result};

/// T steps of M tasks × B copies. Slices on the host are in the order `[T, M, B]`.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// What losses are computed on.
    pub experience: Experience,
    /// Rewards.
    pub rewards: Vec<f32>,
    /// Where the decision process came to its end: nothing is bootstrapped.
    pub terminated: Vec<bool>,
    /// Where a limit cut it: values are bootstrapped from the observation that was reached.
    pub truncated: Vec<bool>,
    /// Where an episode ended, also inside of a trial.
    pub episode_ended: Vec<bool>,
    /// Number of each step within its decision process, from 0.
    pub times: Vec<u32>,
    /// Estimates of the critic, where there is one.
    pub values: Option<Values>,
    /// The observations that truncated steps led to: the place in `[T, M, B]`, and the features `[D]`.
    pub final_obs: Vec<(usize, Vec<f32>)>,
    /// The observations to act on next, `[M, B, D]`.
    pub last_obs: Tensor,
    /// The memory to go on with.
    pub last_memory: Memory,
    /// The decision processes that came to an end, in order of time.
    pub finished: Vec<Finished>,
}

/// Estimates of the value, in the order `[T, M, B]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Of every observation.
    pub of: Vec<f32>,
    /// Of what every step led to: 0 where it terminated; bootstrapped where it was truncated, and in the last step.
    pub next: Vec<f32>,
}

/// A decision process (an episode, or a trial of several) from its first step to its last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finished {
    /// Row m·B + b.
    pub row: usize,
    /// Sum of its rewards, undiscounted.
    pub total: f64,
    /// Steps.
    pub length: u32,
}

impl Rollout {
    /// Rewards and ends, as the functions of [`returns`](crate::returns) take them.
    pub fn path(&self) -> Path<'_> {
        let [_, m, b] = self.experience.dims();
        Path { rewards: &self.rewards, terminated: &self.terminated, truncated: &self.truncated, n_rows: m * b }
    }

    /// The critic's estimates.
    ///
    /// # Errors
    /// [`Error::NoValues`].
    pub fn values(&self, what: &'static str) -> Result<&Values> {
        self.values.as_ref().ok_or(Error::NoValues { what })
    }

    /// Mean undiscounted return of the decision processes that came to an end; none if none did.
    pub fn mean_return(&self) -> Option<f64> {
        let n = self.finished.len();
        (n > 0).then(|| self.finished.iter().map(|done| done.total).sum::<f64>() / n as f64)
    }

    /// Lets only the first decision process of every row count: what a fixed number of whole trajectories is, when T is
    /// the horizon.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn first_only(mut self) -> Result<Self> {
        let [_, m, b] = self.experience.dims();
        let mut open = vec![true; m * b];
        let mut weights = vec![0.0; self.rewards.len()];
        for (step, weights) in weights.chunks_exact_mut(m * b).enumerate() {
            for (row, weight) in weights.iter_mut().enumerate() {
                *weight = f32::from(u8::from(open[row]));
                let i = step * m * b + row;
                open[row] &= !(self.terminated[i] || self.truncated[i]);
            }
        }
        self.experience.weights = Some(self.experience.tensor(&weights)?);
        Ok(self)
    }
}

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
        let last_values = self.values_of(policy, params, &last_obs, &self.starts, &now)?;
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

fn numbers(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.to_vec_f64()?.into_iter().map(|x| x as f32).collect())
}

/// A rollout while it is being played.
struct Recording {
    memory: Memory,
    space: Space,
    obs: Vec<Tensor>,
    distributions: Vec<Distribution>,
    actions: Option<ActionBuffer>,
    values: Option<Vec<f32>>,
    /// Bootstrapped values at truncated steps.
    cut_values: Vec<(usize, f32)>,
    starts: Vec<bool>,
    times: Vec<u32>,
    rewards: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    episode_ended: Vec<bool>,
    final_obs: Vec<(usize, Vec<f32>)>,
    finished: Vec<Finished>,
}

impl Recording {
    fn new(memory: Memory, space: Space) -> Self {
        Self {
            memory,
            space,
            obs: Vec::new(),
            distributions: Vec::new(),
            actions: None,
            values: None,
            cut_values: Vec::new(),
            starts: Vec::new(),
            times: Vec::new(),
            rewards: Vec::new(),
            terminated: Vec::new(),
            truncated: Vec::new(),
            episode_ended: Vec::new(),
            final_obs: Vec::new(),
            finished: Vec::new(),
        }
    }

    fn features(&self, obs: &[f32]) -> Vec<f32> {
        let mut features = vec![0.0; self.space.n_features()];
        self.space.write_features(obs, &mut features);
        features
    }

    fn begin_step(&mut self, obs: Tensor, outputs: &crate::policy::Outputs) -> Result<()> {
        self.obs.push(obs);
        self.distributions.push(outputs.distribution.clone());
        if let Some(values) = &outputs.values {
            self.values.get_or_insert_default().extend(numbers(values)?);
        }
        Ok(())
    }

    fn push_actions(&mut self, actions: &ActionBuffer) {
        match (&mut self.actions, actions) {
            (Some(ActionBuffer::Discrete(all)), ActionBuffer::Discrete(more)) => all.extend_from_slice(more),
            (Some(ActionBuffer::Continuous(all)), ActionBuffer::Continuous(more)) => all.extend_from_slice(more),
            (all, more) => *all = Some(more.clone()),
        }
    }

    /// `values [M, B]` of what the step that began at `first` led to, at the rows that were truncated there.
    fn bootstrap(&mut self, first: usize, values: &[f32]) {
        let here = self.final_obs.iter().rev().take_while(|(place, _)| *place >= first);
        self.cut_values.extend(here.map(|(place, _)| (*place, values[*place - first])));
    }

    fn finish(
        self,
        [m, b]: [usize; 2],
        last_obs: Tensor,
        last_memory: &Memory,
        last_values: Option<Vec<f32>>,
    ) -> Result<Rollout> {
        let obs = Tensor::stack(&self.obs.iter().collect::<Vec<_>>(), 0)?;
        let t = self.obs.len();
        let actions = match self.actions.as_ref().expect("a rollout has at least one step") {
            ActionBuffer::Discrete(numbers) => Value::from_slice(numbers, (t, m, b), obs.device())?,
            ActionBuffer::Continuous(numbers) => {
                let size = numbers.len() / (t * m * b);
                Value::from_slice(numbers, (t, m, b, size), obs.device())?.to_dtype(obs.dtype())?
            }
        };
        let distribution = Distribution::cat(&self.distributions)?.detach();
        let log_probs = distribution.log_prob(&actions)?.detach();
        let values = self
            .values
            .as_ref()
            .zip(last_values)
            .map(|(of, last)| Values { of: of.clone(), next: self.next_values(of, &last) });
        let experience = Experience {
            obs,
            actions,
            starts: self.starts,
            memory: self.memory,
            log_probs,
            distribution,
            weights: None,
        };
        Ok(Rollout {
            experience,
            rewards: self.rewards,
            terminated: self.terminated,
            truncated: self.truncated,
            episode_ended: self.episode_ended,
            times: self.times,
            values,
            final_obs: self.final_obs,
            last_obs,
            last_memory: last_memory.detach(),
            finished: self.finished,
        })
    }

    /// The value of what each step led to.
    fn next_values(&self, of: &[f32], last: &[f32]) -> Vec<f32> {
        let mut next = [&of[last.len()..], last].concat();
        for &(place, value) in &self.cut_values {
            next[place] = value;
        }
        next.iter_mut().zip(&self.terminated).filter(|(_, ended)| **ended).for_each(|(next, _)| *next = 0.0);
        next
    }
}
