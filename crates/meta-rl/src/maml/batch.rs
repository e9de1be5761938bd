//! Trajectories of all tasks, and how much better than usual each action was.

use rekindle_autodiff::Tensor;
use rekindle_rl::returns::{discounted_returns, gae, normalise_tasks};
use rekindle_rl::{Experience, LinearBaseline, Rollout};

use crate::Result;

/// What one policy gradient of every task is computed from.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) experience: Experience,
    /// `[T, M, B]`, of mean 0 and deviation 1 in each task.
    pub(super) advantages: Tensor,
    /// Mean undiscounted return of each task, `[M]`.
    pub(super) returns: Vec<f64>,
    /// Steps that count.
    pub(super) steps: u64,
}

impl Batch {
    /// From a rollout of which the first trajectory of every row counts. The baseline is fitted to the same trajectories,
    /// task by task.
    pub(super) fn new(rollout: Rollout, gamma: f64, lambda: f64) -> Result<Self> {
        let returns = discounted_returns(rollout.path(), None, gamma)?;
        let values = LinearBaseline::fit(&rollout, &returns)?.predict(&rollout)?;
        let next = LinearBaseline::next_values(&rollout, &values)?;
        let mut advantages = gae(rollout.path(), &values, &next, gamma, lambda)?;
        let weights = weights(&rollout)?;
        normalise_tasks(&mut advantages, rollout.experience.dims(), Some(&weights))?;
        Ok(Self {
            advantages: rollout.experience.tensor(&advantages)?,
            returns: task_returns(&rollout, &weights),
            steps: weights.iter().filter(|&&weight| weight > 0.0).count() as u64,
            experience: rollout.experience,
        })
    }
}

fn weights(rollout: &Rollout) -> Result<Vec<f32>> {
    match &rollout.experience.weights {
        Some(weights) => Ok(weights.to_vec_f64()?.into_iter().map(|weight| weight as f32).collect()),
        None => Ok(vec![1.0; rollout.rewards.len()]),
    }
}

/// Rewards of the steps that count, summed over time and averaged over the copies of each task.
fn task_returns(rollout: &Rollout, weights: &[f32]) -> Vec<f64> {
    let [_, m, b] = rollout.experience.dims();
    let mut totals = vec![0.0; m];
    for (i, (&reward, &weight)) in rollout.rewards.iter().zip(weights).enumerate() {
        totals[i % (m * b) / b] += f64::from(reward) * f64::from(weight);
    }
    totals.iter().map(|total| total / b as f64).collect()
}
