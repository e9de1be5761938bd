//! Plans filled with images.

use candle_core::{Device, Tensor};
use rand::{RngCore, seq::index};

use super::{ClassPool, EpisodePlan, MetaDataset};
use crate::dataset::check_index;
use crate::{Batch, ClassDataset, Error, Result, TaskBatch, TaskSampler};

/// One episode of its own size.
#[derive(Clone, Debug)]
pub struct Episode {
    /// Its classes and how many examples each has.
    pub plan: EpisodePlan,
    /// M = 1 task: support `x [1, Σ k_c, H, W, C]`, `y [1, Σ k_c]`; query `x [1, N·q, H, W, C]`, `y [1, N·q]`. Examples
    /// are ordered by label.
    pub tasks: TaskBatch,
}

/// Draws episodes of Meta-Dataset's sizes from the images of a data set.
///
/// As a [`TaskSampler`] it draws one task at a time, since two would differ in shape: `sample(rng, 1)`.
///
/// ```
/// use rekindle_tasks::{ClassPool, Glyphs, MetaDataset, MetaDatasetSampler, batch_rng};
///
/// let pool = ClassPool::Any((0..100).collect());
/// let rule = MetaDataset { max_ways: 8, ..MetaDataset::default() };
/// let episode = MetaDatasetSampler::new(Glyphs::default(), pool, rule)?.episode(&mut batch_rng(0, 0))?;
/// let (n_support, n_query) = (episode.plan.n_support(), episode.plan.ways() * episode.plan.queries);
/// assert_eq!(episode.tasks.support.x.dims(), [1, n_support, 28, 28, 1]);
/// assert_eq!(episode.tasks.query.y.dims(), [1, n_query]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetaDatasetSampler<D> {
    data: D,
    pool: ClassPool,
    sizes: Vec<usize>,
    rule: MetaDataset,
}

impl<D: ClassDataset> MetaDatasetSampler<D> {
    /// A sampler from `pool`, classes being numbered as in `data`. The sizes of classes are those of `data`.
    ///
    /// # Errors
    /// [`Error::Config`] for a rule out of range, [`Error::OutOfRange`] for a class that `data` does not have,
    /// [`Error::TooFewClasses`] when the pool cannot fill an episode, [`Error::TooFewExamples`] for a class of fewer
    /// than two images.
    pub fn new(data: D, pool: ClassPool, rule: MetaDataset) -> Result<Self> {
        rule.validate()?;
        let pool = pool.eligible(rule.min_ways, rule.max_span)?;
        for class in pool.classes() {
            check_index("class", class, data.n_classes())?;
            let available = data.n_examples(class);
            if available < 2 {
                return Err(Error::TooFewExamples { class: data.class_name(class), available, shots: 1, queries: 1 });
            }
        }
        let sizes = (0..data.n_classes()).map(|class| data.n_examples(class)).collect();
        Ok(Self { data, pool, sizes, rule })
    }

    /// The data set drawn from.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// Draws an episode as CPU tensors.
    ///
    /// # Errors
    /// Those of the data set's [`write_example`](ClassDataset::write_example).
    pub fn episode(&self, rng: &mut dyn RngCore) -> Result<Episode> {
        let plan = self.rule.draw(rng, &self.pool, &self.sizes);
        let (mut support, mut query) = (Rows::default(), Rows::default());
        for (label, (&class, &shots)) in plan.classes.iter().zip(&plan.shots).enumerate() {
            let examples = index::sample(rng, self.sizes[class], shots + plan.queries);
            for (i, example) in examples.into_iter().enumerate() {
                let rows = if i < shots { &mut support } else { &mut query };
                rows.push(&self.data, class, example, label)?;
            }
        }
        let shape = self.data.image_shape();
        Ok(Episode { plan, tasks: TaskBatch { support: support.batch(shape)?, query: query.batch(shape)? } })
    }
}

impl<D: ClassDataset> TaskSampler for MetaDatasetSampler<D> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        if n_tasks != 1 {
            let expected = "1: episodes of Meta-Dataset differ in shape, so they are drawn one at a time";
            return Err(Error::Config { field: "n_tasks", value: n_tasks.to_string(), expected });
        }
        Ok(self.episode(rng)?.tasks)
    }
}

/// Images and labels of one task while they are gathered.
#[derive(Default)]
struct Rows {
    pixels: Vec<f32>,
    labels: Vec<u32>,
}

impl Rows {
    fn push(&mut self, data: &dyn ClassDataset, class: usize, example: usize, label: usize) -> Result<()> {
        let (start, n_pixels) = (self.pixels.len(), data.image_shape().iter().product::<usize>());
        self.pixels.resize(start + n_pixels, 0.0);
        data.write_example(class, example, &mut self.pixels[start..])?;
        self.labels.push(label as u32);
        Ok(())
    }

    /// `x [1, B, H, W, C]`, `y [1, B]`.
    fn batch(self, [h, w, c]: [usize; 3]) -> Result<Batch> {
        let n = self.labels.len();
        Ok(Batch {
            x: Tensor::from_vec(self.pixels, (1, n, h, w, c), &Device::Cpu)?,
            y: Tensor::from_vec(self.labels, (1, n), &Device::Cpu)?,
        })
    }
}
