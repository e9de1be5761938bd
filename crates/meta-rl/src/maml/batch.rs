//! Trajectories of all tasks, and how much better than usual each action was.

use rekindle_autodiff::Tensor;
use rekindle_rl::returns::{discounted_returns, gae};
use rekindle_rl::{Experience, LinearBaseline, Piece, Rollout};

use crate::Result;

/// What one policy gradient of every task is computed from.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) experience: Experience,
    /// `[T, M, B]`, of mean 0 and deviation 1 in each task.
    pub(super) advantages: Tensor,
    /// Mean undiscounted return of each task, `[M]`.
    pub(super) returns: Vec<f64>,
}

/// Steps of a chunk of tasks at most, where a task has no more of its own: tasks of few steps go together, since each
/// operation has a fixed cost, and chunks are what threads share among them.
const CHUNK: usize = 2048;

/// Steps of a piece of a chunk: what is computed of it then stays in a second-level cache.
const PIECE: usize = 400;

impl Batch {
    /// From a rollout of which the first trajectory of every row counts. The baseline is fitted to the same trajectories,
    /// task by task.
    pub(super) fn new(rollout: Rollout, gamma: f64, lambda: f64) -> Result<Self> {
        let returns = discounted_returns(rollout.path(), None, gamma)?;
        let values = LinearBaseline::fit(&rollout, &returns)?.predict(&rollout)?;
        let next = LinearBaseline::next_values(&rollout, &values)?;
        let mut advantages = gae(rollout.path(), &values, &next, gamma, lambda)?;
        rollout.experience.normalise(&mut advantages)?;
        let weights = weights(&rollout.experience)?;
        Ok(Self {
            advantages: rollout.experience.tensor(&advantages)?,
            returns: task_returns(&rollout, &weights),
            experience: rollout.experience,
        })
    }

    /// How the tasks are cut into chunks to be worked on one after the other: the first task of each, and how many. A
    /// choice of speed, by the number of steps alone; a GPU works on all at once.
    pub(super) fn chunks(&self) -> Vec<(usize, usize)> {
        let [t, m, b] = self.experience.dims();
        let fits = if self.advantages.device().is_cpu() { CHUNK / (t * b) } else { m };
        let len = fits.clamp(1, m);
        (0..m).step_by(len).map(|start| (start, len.min(m - start))).collect()
    }

    /// Some tasks' trajectories in pieces.
    pub(super) fn pieces(&self, start: usize, len: usize) -> rekindle_rl::Result<Vec<Piece>> {
        let batch = self.tasks(start, len)?;
        Piece::split(&batch.experience, &batch.advantages, PIECE)
    }

    /// The tasks `start .. start + len` alone.
    pub(super) fn tasks(&self, start: usize, len: usize) -> rekindle_rl::Result<Self> {
        Ok(Self {
            experience: self.experience.tasks(start, len)?,
            advantages: self.advantages.narrow(1, start, len)?.contiguous()?,
            returns: self.returns[start..start + len].to_vec(),
        })
    }

    /// Steps that count.
    pub(super) fn steps(&self) -> Result<u64> {
        Ok(weights(&self.experience)?.iter().filter(|&&weight| weight > 0.0).count() as u64)
    }
}

fn weights(experience: &Experience) -> Result<Vec<f64>> {
    match &experience.weights {
        Some(weights) => Ok(weights.to_vec_f64()?),
        None => Ok(vec![1.0; experience.starts.len()]),
    }
}

/// Rewards of the steps that count, summed over time and averaged over the copies of each task.
fn task_returns(rollout: &Rollout, weights: &[f64]) -> Vec<f64> {
    let [_, m, b] = rollout.experience.dims();
    let mut totals = vec![0.0; m];
    for (i, (&reward, &weight)) in rollout.rewards.iter().zip(weights).enumerate() {
        totals[i % (m * b) / b] += f64::from(reward) * weight;
    }
    totals.iter().map(|total| total / b as f64).collect()
}
