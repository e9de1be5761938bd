//! Window: the slope of the last K scores of every task.
//!
//! ```text
//! Q(a) = slope of the last K points (t, x_t) of a      p = explore(|Q|)
//! ```
//! Matiisen et al. 2017, Algorithm 4.

use std::collections::VecDeque;

use rand::RngCore;

use super::slope::slope;
use super::teacher::{check_score, check_tasks, check_window};
use super::{Exploration, Teacher};
use crate::Result;

/// The window algorithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    window: usize,
    exploration: Exploration,
    /// Time and score, task by task, the oldest first.
    seen: Vec<VecDeque<(f64, f64)>>,
    time: f64,
}

impl Window {
    /// With a window of K `≥ 2` scores; 10 in the paper.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) without tasks, or for a number out of range.
    pub fn new(n_tasks: usize, window: usize, exploration: Exploration) -> Result<Self> {
        check_tasks(n_tasks)?;
        check_window("window", window)?;
        exploration.validate()?;
        Ok(Self { window, exploration, seen: vec![VecDeque::new(); n_tasks], time: 0.0 })
    }

    /// The slopes Q, one a task.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        self.seen.iter().map(|points| slope(points.iter().copied())).collect()
    }
}

impl Teacher for Window {
    fn n_tasks(&self) -> usize {
        self.seen.len()
    }

    fn probabilities(&mut self, _rng: &mut dyn RngCore) -> Vec<f64> {
        self.time += 1.0;
        self.exploration.probabilities(&self.values())
    }

    fn observe(&mut self, task: usize, score: f64) -> Result<()> {
        check_score(task, score, self.n_tasks())?;
        self.seen[task].push_back((self.time, score));
        if self.seen[task].len() > self.window {
            self.seen[task].pop_front();
        }
        Ok(())
    }
}
