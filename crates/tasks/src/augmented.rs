//! Tasks whose images are changed at random.

use rand::RngCore;

use crate::{Augment, Batch, Error, Result, TaskBatch, TaskSampler};

/// Tasks of another sampler with every image, of the support and of the query set, changed on its own.
///
/// ```
/// use rekindle_tasks::{Augment, Augmented, FewShot, FewShotSampler, Glyphs, TaskSampler, batch_rng};
///
/// let tasks = FewShotSampler::new(Glyphs::default(), FewShot::default())?;
/// let changed = Augmented { tasks, augment: Augment { flip: false, ..Augment::default() } };
/// assert_eq!(changed.sample(&mut batch_rng(0, 0), 2)?.support.x.dims(), [2, 5, 28, 28, 1]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Augmented<S> {
    /// The sampler of the tasks, whose inputs are images.
    pub tasks: S,
    /// What happens to an image.
    pub augment: Augment,
}

impl<S: TaskSampler> TaskSampler for Augmented<S> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        let tasks = self.tasks.sample(rng, n_tasks)?;
        self.change(tasks, rng)
    }

    fn sample_at(&self, rng: &mut dyn RngCore, n_tasks: usize, iteration: u64) -> Result<TaskBatch> {
        let tasks = self.tasks.sample_at(rng, n_tasks, iteration)?;
        self.change(tasks, rng)
    }
}

impl<S> Augmented<S> {
    fn change(&self, TaskBatch { support, query }: TaskBatch, rng: &mut dyn RngCore) -> Result<TaskBatch> {
        let mut changed = |batch: Batch| -> Result<Batch> {
            let &[_, _, _, _, _] = batch.x.dims() else {
                let expected = "images [M, B, H, W, C]";
                return Err(Error::Shape { what: "x", found: batch.x.dims().to_vec(), expected });
            };
            Ok(Batch { x: self.augment.apply(rng, &batch.x)?, y: batch.y })
        };
        Ok(TaskBatch { support: changed(support)?, query: changed(query)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FewShot, FewShotSampler, Glyphs, Line, batch_rng};

    /// Without a change to make, the tasks are those of the sampler; with one, images differ and labels stay.
    #[test]
    fn images_change_and_labels_stay() -> Result<()> {
        let tasks = FewShotSampler::new(Glyphs::default(), FewShot { queries: 2, ..FewShot::default() })?;
        let plain = tasks.sample(&mut batch_rng(1, 0), 2)?;
        let with = |augment| Augmented { tasks: tasks.clone(), augment }.sample_at(&mut batch_rng(1, 0), 2, 7);
        let (same, other) =
            (with(Augment { padding: 0, flip: false, ..Augment::default() })?, with(Augment::default())?);
        let values = |batch: &Batch| batch.x.flatten_all()?.to_vec1::<f32>();
        for (of, same, other) in
            [(&plain.support, &same.support, &other.support), (&plain.query, &same.query, &other.query)]
        {
            assert_eq!(values(of)?, values(same)?);
            assert_ne!(values(of)?, values(other)?);
            assert_eq!(of.y.to_vec2::<u32>()?, other.y.to_vec2::<u32>()?);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let lines = Augmented { tasks: Line::default(), augment: Augment::default() };
        let message = lines.sample(&mut batch_rng(0, 0), 1).unwrap_err().to_string();
        assert_eq!(message, "x has shape [1, 10, 1], expected images [M, B, H, W, C]");
    }
}
