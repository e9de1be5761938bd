//! Online: a bandit whose reward is the change of the score since the task was last seen.
//!
//! ```text
//! r = x_t − x_t'      Q(a) ← α r + (1 − α) Q(a)      p = explore(|Q|)
//! ```
//! Matiisen, Oliver, Cohen & Schulman, *Teacher-Student Curriculum Learning*, 2017, Algorithm 2. The first score of a task
//! is only remembered: there is nothing yet that it could have changed from.

use rand::RngCore;

use super::teacher::{check_score, check_share, check_tasks};
use super::{Exploration, Teacher};
use crate::Result;

/// The online algorithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Online {
    rate: f64,
    exploration: Exploration,
    values: Vec<f64>,
    last: Vec<Option<f64>>,
}

impl Online {
    /// With the rate α in `[0, 1]` of the running mean. The paper's addition uses α = 0.1 and ε-greedy or Boltzmann
    /// exploration.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) without tasks, or for a number out of range.
    pub fn new(n_tasks: usize, rate: f64, exploration: Exploration) -> Result<Self> {
        check_tasks(n_tasks)?;
        check_share("rate", rate)?;
        exploration.validate()?;
        Ok(Self { rate, exploration, values: vec![0.0; n_tasks], last: vec![None; n_tasks] })
    }

    /// The values Q, one a task.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Teacher for Online {
    fn n_tasks(&self) -> usize {
        self.values.len()
    }

    fn probabilities(&mut self, _rng: &mut dyn RngCore) -> Vec<f64> {
        self.exploration.probabilities(&self.values)
    }

    fn observe(&mut self, task: usize, score: f64) -> Result<()> {
        check_score(task, score, self.n_tasks())?;
        if let Some(before) = self.last[task].replace(score) {
            self.values[task] += self.rate * (score - before - self.values[task]);
        }
        Ok(())
    }
}
