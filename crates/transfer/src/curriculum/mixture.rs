//! No teacher: fixed probabilities.

use rand::RngCore;

use super::Teacher;
use super::teacher::{check_score, check_tasks};
use crate::{Error, Result};

/// Fixed probabilities: what every curriculum is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    shares: Vec<f64>,
}

impl Mixture {
    /// All tasks alike: the random order.
    ///
    /// # Errors
    /// [`Error::Setting`] without tasks.
    pub fn uniform(n_tasks: usize) -> Result<Self> {
        check_tasks(n_tasks)?;
        Ok(Self { shares: vec![1.0 / n_tasks as f64; n_tasks] })
    }

    /// One task and no other: learning it without a curriculum.
    ///
    /// # Errors
    /// [`Error::UnknownTask`] for a task that does not exist.
    pub fn only(task: usize, n_tasks: usize) -> Result<Self> {
        if task >= n_tasks {
            return Err(Error::UnknownTask { task, available: n_tasks });
        }
        Ok(Self { shares: (0..n_tasks).map(|t| f64::from(u8::from(t == task))).collect() })
    }
}

impl Teacher for Mixture {
    fn n_tasks(&self) -> usize {
        self.shares.len()
    }

    fn probabilities(&mut self, _rng: &mut dyn RngCore) -> Vec<f64> {
        self.shares.clone()
    }

    fn observe(&mut self, task: usize, score: f64) -> Result<()> {
        check_score(task, score, self.n_tasks())
    }
}
