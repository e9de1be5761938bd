//! Naive: the same choice for K steps, and the slope of the scores in them as the reward.
//!
//! ```text
//! r = slope of x_1 … x_K      Q(a) ← α r + (1 − α) Q(a)      p = explore(|Q|)
//! ```
//! Matiisen et al. 2017, Algorithm 3. Where every task is observed in each step, each learns from its own slope.

use rand::RngCore;

use super::slope::slope;
use super::teacher::{check_score, check_share, check_tasks, check_window, draw};
use super::{Exploration, Teacher};
use crate::Result;

/// The naive algorithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Naive {
    rate: f64,
    steps: usize,
    exploration: Exploration,
    values: Vec<f64>,
    /// The task of this round, drawn at its beginning.
    current: Option<usize>,
    /// Scores of this round, task by task.
    scores: Vec<Vec<f64>>,
}

impl Naive {
    /// With the rate α in `[0, 1]` of the running mean, and K `≥ 2` steps for each choice.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) without tasks, or for a number out of range.
    pub fn new(n_tasks: usize, rate: f64, steps: usize, exploration: Exploration) -> Result<Self> {
        check_tasks(n_tasks)?;
        check_share("rate", rate)?;
        check_window("steps", steps)?;
        exploration.validate()?;
        let (values, scores) = (vec![0.0; n_tasks], vec![Vec::new(); n_tasks]);
        Ok(Self { rate, steps, exploration, values, current: None, scores })
    }

    /// The values Q, one a task.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    fn end_round(&mut self) {
        for (value, scores) in self.values.iter_mut().zip(&mut self.scores) {
            if scores.len() >= 2 {
                let reward = slope(scores.iter().enumerate().map(|(t, &x)| (t as f64, x)));
                *value += self.rate * (reward - *value);
            }
            scores.clear();
        }
        self.current = None;
    }
}

impl Teacher for Naive {
    fn n_tasks(&self) -> usize {
        self.values.len()
    }

    fn probabilities(&mut self, rng: &mut dyn RngCore) -> Vec<f64> {
        // A round ends at the beginning of the next step, when all tasks of the last one have been observed.
        if self.current.is_some_and(|task| self.scores[task].len() >= self.steps) {
            self.end_round();
        }
        let current = match self.current {
            Some(task) => task,
            None => draw(&self.exploration.probabilities(&self.values), rng).expect("probabilities sum to 1"),
        };
        self.current = Some(current);
        (0..self.values.len()).map(|task| f64::from(u8::from(task == current))).collect()
    }

    fn observe(&mut self, task: usize, score: f64) -> Result<()> {
        check_score(task, score, self.n_tasks())?;
        self.scores[task].push(score);
        Ok(())
    }
}
