//! Sampling: one of the last K rewards of every task, drawn at random, decides; after Thompson's idea.
//!
//! ```text
//! r = x_t − x_t'      r̃(a) ~ the last K rewards of a, 1 if there are none      choose argmax |r̃(a)|
//! ```
//! Matiisen et al. 2017, Algorithm 5. The share ε of all tasks alike is that of their batch version.

use std::collections::VecDeque;

use rand::{Rng, RngCore};

use super::teacher::{check_score, check_share, check_tasks};
use super::{Exploration, Teacher};
use crate::{Error, Result};

/// The sampling algorithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    window: usize,
    epsilon: f64,
    rewards: Vec<VecDeque<f64>>,
    last: Vec<Option<f64>>,
}

impl Sampling {
    /// With the last K `≥ 1` rewards of each task, and a share ε in `[0, 1]` for all alike.
    ///
    /// # Errors
    /// [`Error::Setting`] without tasks, or for a number out of range.
    pub fn new(n_tasks: usize, window: usize, epsilon: f64) -> Result<Self> {
        check_tasks(n_tasks)?;
        check_share("epsilon", epsilon)?;
        if window == 0 {
            return Err(Error::setting("window", window, "at least 1"));
        }
        Ok(Self { window, epsilon, rewards: vec![VecDeque::new(); n_tasks], last: vec![None; n_tasks] })
    }
}

impl Teacher for Sampling {
    fn n_tasks(&self) -> usize {
        self.rewards.len()
    }

    fn probabilities(&mut self, rng: &mut dyn RngCore) -> Vec<f64> {
        let draw = |rewards: &VecDeque<f64>| {
            if rewards.is_empty() { 1.0 } else { rewards[rng.random_range(0..rewards.len())] }
        };
        let drawn: Vec<f64> = self.rewards.iter().map(draw).collect();
        Exploration::EpsilonGreedy(self.epsilon).probabilities(&drawn)
    }

    fn observe(&mut self, task: usize, score: f64) -> Result<()> {
        check_score(task, score, self.n_tasks())?;
        if let Some(before) = self.last[task].replace(score) {
            self.rewards[task].push_back(score - before);
            if self.rewards[task].len() > self.window {
                self.rewards[task].pop_front();
            }
        }
        Ok(())
    }
}
