//! A hand-made order: tasks one after the other, in the order of their numbers.
//!
//! Bengio, Louradour, Collobert & Weston, *Curriculum Learning*, 2009; the share of earlier tasks is the "mix" of Zaremba &
//! Sutskever, *Learning to Execute*, 2014, §4, without which students forget what they began with.

use rand::RngCore;

use super::Teacher;
use super::teacher::{check_score, check_share, check_tasks};
use crate::{Error, Result};

/// Trains on the current task until its score reaches a threshold, then goes on to the next; the last one stays.
#[derive(Clone, Debug, PartialEq)]
pub struct HandMade {
    n_tasks: usize,
    threshold: f64,
    mix: f64,
    current: usize,
}

impl HandMade {
    /// On to the next task at a score of `threshold`; a share `mix` in `[0, 1]` goes to the current task and all before it
    /// alike, the rest to the current one.
    ///
    /// # Errors
    /// [`Error::Setting`] without tasks, for a threshold that is not finite, or a share out of range.
    pub fn new(n_tasks: usize, threshold: f64, mix: f64) -> Result<Self> {
        check_tasks(n_tasks)?;
        check_share("mix", mix)?;
        if !threshold.is_finite() {
            return Err(Error::setting("threshold", threshold, "a finite number"));
        }
        Ok(Self { n_tasks, threshold, mix, current: 0 })
    }

    /// The task that is being learned.
    #[must_use]
    pub fn current(&self) -> usize {
        self.current
    }
}

impl Teacher for HandMade {
    fn n_tasks(&self) -> usize {
        self.n_tasks
    }

    fn probabilities(&mut self, _rng: &mut dyn RngCore) -> Vec<f64> {
        let known = self.mix / (self.current + 1) as f64;
        let share = |task: usize| match task {
            task if task == self.current => 1.0 - self.mix + known,
            task if task < self.current => known,
            _ => 0.0,
        };
        (0..self.n_tasks).map(share).collect()
    }

    fn observe(&mut self, task: usize, score: f64) -> Result<()> {
        check_score(task, score, self.n_tasks)?;
        if task == self.current && score >= self.threshold && self.current + 1 < self.n_tasks {
            self.current += 1;
        }
        Ok(())
    }
}
