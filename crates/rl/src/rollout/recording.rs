//! A rollout while it is being played.

use candle_core::Tensor as Value;
use rekindle_autodiff::Tensor;
use rekindle_envs::{ActionBuffer, Space};

use super::{Finished, Rollout, Values};
use crate::policy::{Distribution, Memory, Outputs};
use crate::{Experience, Result};

/// A rollout while it is being played.
pub(super) struct Recording {
    memory: Memory,
    space: Space,
    obs: Vec<Tensor>,
    distributions: Vec<Distribution>,
    actions: Option<ActionBuffer>,
    values: Option<Vec<f32>>,
    /// Bootstrapped values at truncated steps.
    cut_values: Vec<(usize, f32)>,
    pub(super) starts: Vec<bool>,
    pub(super) times: Vec<u32>,
    pub(super) rewards: Vec<f32>,
    pub(super) terminated: Vec<bool>,
    pub(super) truncated: Vec<bool>,
    pub(super) episode_ended: Vec<bool>,
    pub(super) final_obs: Vec<(usize, Vec<f32>)>,
    pub(super) finished: Vec<Finished>,
}

impl Recording {
    pub(super) fn new(memory: Memory, space: Space) -> Self {
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

    pub(super) fn features(&self, obs: &[f32]) -> Vec<f32> {
        let mut features = vec![0.0; self.space.n_features()];
        self.space.write_features(obs, &mut features);
        features
    }

    pub(super) fn begin_step(&mut self, obs: Tensor, outputs: &Outputs) -> Result<()> {
        self.obs.push(obs);
        self.distributions.push(outputs.distribution.clone());
        if let Some(values) = &outputs.values {
            self.values.get_or_insert_default().extend(numbers(values)?);
        }
        Ok(())
    }

    pub(super) fn push_actions(&mut self, actions: &ActionBuffer) {
        match (&mut self.actions, actions) {
            (Some(ActionBuffer::Discrete(all)), ActionBuffer::Discrete(more)) => all.extend_from_slice(more),
            (Some(ActionBuffer::Continuous(all)), ActionBuffer::Continuous(more)) => all.extend_from_slice(more),
            (all, more) => *all = Some(more.clone()),
        }
    }

    /// `values [M, B]` of what the step that began at `first` led to, at the rows that were truncated there.
    pub(super) fn bootstrap(&mut self, first: usize, values: &[f32]) {
        let here = self.final_obs.iter().rev().take_while(|(place, _)| *place >= first);
        self.cut_values.extend(here.map(|(place, _)| (*place, values[*place - first])));
    }

    pub(super) fn finish(
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

pub(super) fn numbers(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.to_vec_f64()?.into_iter().map(|x| x as f32).collect())
}
