//! Tasks of another sampler, changed after they are drawn.

use rand::RngCore;

use crate::{Result, TaskBatch, TaskSampler};

/// What happens to tasks after they are drawn: see [`TaskSampler::then`].
pub trait Change: Send + Sync {
    /// The changed tasks. Draws from `rng` and remembers nothing, as a sampler does.
    ///
    /// # Errors
    /// Those of the change, where the tasks are not of its kind.
    fn change(&self, tasks: TaskBatch, rng: &mut dyn RngCore) -> Result<TaskBatch>;
}

/// Tasks of a sampler after a [`Change`], drawn from the generator that the tasks were drawn from.
#[derive(Clone, Debug)]
pub struct Changed<S, C> {
    tasks: S,
    change: C,
}

impl<S, C> Changed<S, C> {
    pub(crate) fn new(tasks: S, change: C) -> Self {
        Self { tasks, change }
    }
}

impl<S: TaskSampler, C: Change> TaskSampler for Changed<S, C> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        let tasks = self.tasks.sample(rng, n_tasks)?;
        self.change.change(tasks, rng)
    }

    fn sample_at(&self, rng: &mut dyn RngCore, n_tasks: usize, iteration: u64) -> Result<TaskBatch> {
        let tasks = self.tasks.sample_at(rng, n_tasks, iteration)?;
        self.change.change(tasks, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Line, Relabel, Shuffle, Stages, batch_rng};

    /// A change sees the tasks of the iteration, not of the last stage.
    #[test]
    fn a_curriculum_goes_on_beneath_a_change() -> Result<()> {
        let line = |shots| Line { shots, ..Line::default() };
        let tasks = Stages::new(vec![(0, line(2)), (10, line(3))])?.then(Shuffle);
        assert_eq!(tasks.sample_at(&mut batch_rng(0, 0), 1, 9)?.support.x.dims(), [1, 2, 1]);
        assert_eq!(tasks.sample_at(&mut batch_rng(0, 0), 1, 10)?.support.x.dims(), [1, 3, 1]);
        Ok(())
    }

    /// The first change is made first: its error is the one that is seen.
    #[test]
    fn changes_follow_each_other() {
        let tasks = Line::default().then(Relabel { of: 4 }).then(crate::Unlabel { labelled: 0 });
        let message = tasks.sample(&mut batch_rng(0, 0), 1).unwrap_err().to_string();
        assert!(message.contains("class labels"), "{message}");
    }
}
