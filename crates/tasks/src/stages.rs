//! One distribution of tasks after another, as in a curriculum.
//!
//! Bengio, Louradour, Collobert & Weston, *Curriculum Learning*, 2009: what cannot be learned from the hardest tasks at
//! once may be learned by way of easier ones. Santoro et al. 2016 add classes to their episodes in this way.

use rand::RngCore;

use crate::{Error, Result, TaskBatch, TaskSampler};

/// Samplers that follow each other at given iterations of a training. Without an iteration, tasks are those of the last.
///
/// ```
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, Stages, TaskSampler, batch_rng};
///
/// let of = |ways| FewShotSampler::new(Glyphs::default(), FewShot { ways, ..FewShot::default() });
/// let stages = Stages::new(vec![(0, of(2)?), (1000, of(5)?)])?;
/// let support = |iteration| Ok::<_, rekindle_tasks::Error>(stages.sample_at(&mut batch_rng(0, 0), 1, iteration)?.support);
/// assert_eq!(support(999)?.y.dims(), [1, 2]);
/// assert_eq!(support(1000)?.y.dims(), [1, 5]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stages<S> {
    /// First iterations, rising from 0, and what they begin.
    stages: Vec<(u64, S)>,
}

impl<S: TaskSampler> Stages<S> {
    /// Samplers with the iterations that they start at.
    ///
    /// # Errors
    /// [`Error::Config`] when there is none, when the first does not start at 0, or when one starts no later than the one
    /// before it.
    pub fn new(stages: Vec<(u64, S)>) -> Result<Self> {
        if stages.first().is_none_or(|first| first.0 != 0) || !stages.is_sorted_by(|a, b| a.0 < b.0) {
            let starts: Vec<u64> = stages.iter().map(|stage| stage.0).collect();
            return Err(Error::Config {
                field: "stages",
                value: format!("{starts:?}"),
                expected: "iterations that rise from 0",
            });
        }
        Ok(Self { stages })
    }
}

impl<S: TaskSampler> TaskSampler for Stages<S> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        self.stages[self.stages.len() - 1].1.sample(rng, n_tasks)
    }

    fn sample_at(&self, rng: &mut dyn RngCore, n_tasks: usize, iteration: u64) -> Result<TaskBatch> {
        let later = self.stages.partition_point(|stage| stage.0 <= iteration);
        self.stages[later - 1].1.sample_at(rng, n_tasks, iteration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Line, batch_rng};

    fn line(shots: usize) -> Line {
        Line { shots, ..Line::default() }
    }

    #[test]
    fn each_stage_begins_at_its_iteration_and_the_last_goes_on() -> Result<()> {
        let stages = Stages::new(vec![(0, line(2)), (10, line(3)), (20, line(4))])?;
        for (iteration, shots) in [(0, 2), (9, 2), (10, 3), (19, 3), (20, 4), (u64::MAX, 4)] {
            let tasks = stages.sample_at(&mut batch_rng(0, 1), 2, iteration)?;
            let alone = line(shots).sample(&mut batch_rng(0, 1), 2)?;
            assert_eq!(tasks.support.x.to_vec3::<f32>()?, alone.support.x.to_vec3::<f32>()?);
        }
        assert_eq!(stages.sample(&mut batch_rng(0, 1), 1)?.support.x.dims(), [1, 4, 1]);
        Ok(())
    }

    #[test]
    fn stages_that_do_not_rise_from_zero_are_refused() {
        let message = |starts: &[u64]| {
            Stages::new(starts.iter().map(|&start| (start, line(1))).collect()).unwrap_err().to_string()
        };
        assert_eq!(message(&[]), "`stages` is [], but must be iterations that rise from 0");
        assert!(message(&[5, 10]).contains("[5, 10]"));
        assert!(message(&[0, 10, 10]).contains("[0, 10, 10]"));
    }
}
