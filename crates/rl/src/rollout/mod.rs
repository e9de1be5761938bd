//! What came of playing a policy in a batch of environments.

mod collector;
mod recording;

use rekindle_autodiff::Tensor;

pub use collector::Collector;
pub(crate) use collector::action_rng;

use crate::policy::Memory;
use crate::returns::{Path, gae};
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

    /// Advantages by [`gae`](crate::returns::gae) from the critic's estimates, and the λ-returns that the critic is fitted
    /// to, `[T, M, B]` each.
    ///
    /// # Errors
    /// [`Error::NoValues`], and if γ or λ is not from 0 to 1.
    pub fn advantages(&self, what: &'static str, gamma: f64, lambda: f64) -> Result<(Vec<f32>, Vec<f32>)> {
        let values = self.values(what)?;
        let advantages = gae(self.path(), &values.of, &values.next, gamma, lambda)?;
        let targets = advantages.iter().zip(&values.of).map(|(a, v)| a + v).collect();
        Ok((advantages, targets))
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
