//! Batches of a whole data set, for learners that are pretrained as classifiers of all its classes.

use candle_core::{Device, Tensor};
use rand::{Rng, RngCore};

use crate::error::at_least_one;
use crate::{Batch, ClassDataset, Error, Result, TaskBatch, TaskSampler};

/// "Tasks" whose classes are those of the data set, numbered as there: `2·size` examples of random classes, half of
/// them as support and half as query.
///
/// Chen et al., *A Closer Look at Few-shot Classification*, 2019, §3.2 train so before a new class is seen.
///
/// ```
/// use rekindle_tasks::{ClassBatches, Glyphs, TaskSampler, batch_rng};
/// let data = Glyphs { n_classes: 30, ..Glyphs::default() };
/// let tasks = ClassBatches::new(data, 8)?.sample(&mut batch_rng(0, 0), 1)?;
/// assert_eq!(tasks.query.x.dims(), [1, 8, 28, 28, 1]);
/// assert!(tasks.query.y.to_vec2::<u32>()?[0].iter().all(|&class| class < 30));
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassBatches<D> {
    data: D,
    size: usize,
}

impl<D: ClassDataset> ClassBatches<D> {
    /// Batches of `size ≥ 1` support and as many query examples.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty batch, [`Error::TooFewClasses`] for a data set without classes,
    /// [`Error::TooFewExamples`] for one with a class without examples.
    pub fn new(data: D, size: usize) -> Result<Self> {
        at_least_one(&[("size", size)])?;
        if data.n_classes() == 0 {
            return Err(Error::TooFewClasses { ways: 1, available: 0 });
        }
        let smallest = data.smallest_class();
        if data.n_examples(smallest) == 0 {
            let class = data.class_name(smallest);
            return Err(Error::TooFewExamples { class, available: 0, shots: 1, queries: 0 });
        }
        Ok(Self { data, size })
    }

    fn batch(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<Batch> {
        let [h, w, c] = self.data.image_shape();
        let rows = n_tasks * self.size;
        let mut pixels = vec![0f32; rows * h * w * c];
        let mut labels = Vec::with_capacity(rows);
        for image in pixels.chunks_exact_mut((h * w * c).max(1)).take(rows) {
            let class = rng.random_range(0..self.data.n_classes());
            let example = rng.random_range(0..self.data.n_examples(class));
            self.data.write_example(class, example, image)?;
            labels.push(u32::try_from(class).expect("there are fewer than 2³² classes"));
        }
        let x = Tensor::from_vec(pixels, (n_tasks, self.size, h, w, c), &Device::Cpu)?;
        Ok(Batch { x, y: Tensor::from_vec(labels, (n_tasks, self.size), &Device::Cpu)? })
    }
}

impl<D: ClassDataset> TaskSampler for ClassBatches<D> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        Ok(TaskBatch { support: self.batch(rng, n_tasks)?, query: self.batch(rng, n_tasks)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InMemory, batch_rng};

    /// One pixel an image, whose value tells the class: each label stands beside an image of its class, and every class
    /// comes up.
    #[test]
    fn labels_are_the_data_sets_own() -> Result<()> {
        let classes = (0..5u8).map(|class| (class.to_string(), vec![51 * class; 2]));
        let tasks =
            ClassBatches::new(InMemory::from_bytes([1, 1, 1], classes)?, 40)?.sample(&mut batch_rng(0, 0), 2)?;
        tasks.validate()?;
        for batch in [&tasks.support, &tasks.query] {
            let values = batch.x.flatten_all()?.to_vec1::<f32>()?;
            let labels = batch.y.flatten_all()?.to_vec1::<u32>()?;
            assert!(values.iter().zip(&labels).all(|(v, &class)| (v * 5.0).round() as u32 == class));
            assert!((0..5).all(|class| labels.contains(&class)));
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_drawn_from_is_refused() -> Result<()> {
        let data = |images: Vec<u8>| InMemory::from_bytes([1, 1, 1], [("a".to_owned(), images)]);
        assert!(matches!(ClassBatches::new(data(vec![0])?, 0), Err(Error::Config { field: "size", .. })));
        assert!(matches!(ClassBatches::new(data(vec![])?, 1), Err(Error::TooFewExamples { .. })));
        let none = InMemory::from_bytes([1, 1, 1], [])?;
        assert!(matches!(ClassBatches::new(none, 1), Err(Error::TooFewClasses { .. })));
        Ok(())
    }
}
