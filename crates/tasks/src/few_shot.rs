//! N-way K-shot episodes over any labelled images.
//!
//! ```text
//! draw N distinct classes; of each, K support and Q query examples, all distinct;
//! label the classes 0 … N − 1 in the order drawn
//! ```
//! Vinyals et al., *Matching Networks for One Shot Learning*, 2016, §4.1.

use candle_core::{Device, Tensor};
use rand::{Rng, RngCore, seq::index};

use crate::error::at_least_one;
use crate::rotated::{check_square, rotate};
use crate::{Batch, ClassDataset, Error, Result, TaskBatch, TaskSampler};

/// The size of an episode. Default: 5-way 1-shot with one query per class, as MAML's Omniglot experiments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewShot {
    /// Classes per episode N, `>= 1`.
    pub ways: usize,
    /// Support examples per class K, `>= 1`.
    pub shots: usize,
    /// Query examples per class Q, `>= 1`. MAML takes Q = K on Omniglot and Q = 15 on miniImageNet.
    pub queries: usize,
    /// Whether each class of an episode is turned by a random multiple of 90°, the same for its support and query
    /// examples, as in the code of MAML (Finn et al. 2017). [`Rotated`](crate::Rotated) makes the rotations classes
    /// of their own instead.
    pub rotate: bool,
}

impl Default for FewShot {
    fn default() -> Self {
        Self { ways: 5, shots: 1, queries: 1, rotate: false }
    }
}

impl FewShot {
    /// Checks that no count is 0.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("ways", self.ways), ("shots", self.shots), ("queries", self.queries)])
    }
}

/// Draws [`FewShot`] episodes from a data set.
///
/// Support images are `x [M, N·K, H, W, C]` f32, labels `y [M, N·K]` u32; the query has N·Q examples a task. Examples
/// are ordered by label: row n·K + k is shot k of class n. Which class gets which label is random in every episode.
#[derive(Clone, Debug)]
pub struct FewShotSampler<D> {
    data: D,
    config: FewShot,
}

impl<D: ClassDataset> FewShotSampler<D> {
    /// A sampler of `config`-sized episodes from `data`, once every class is known to have enough examples.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`], [`Error::TooFewExamples`] for the smallest class when it is too small,
    /// [`Error::NotSquare`] for rotations of oblong images, [`Error::Config`] when a count is 0.
    pub fn new(data: D, config: FewShot) -> Result<Self> {
        config.validate()?;
        let FewShot { ways, shots, queries, rotate } = config;
        if data.n_classes() < ways {
            return Err(Error::TooFewClasses { ways, available: data.n_classes() });
        }
        let smallest = data.smallest_class();
        let available = data.n_examples(smallest);
        if available < shots.saturating_add(queries) {
            return Err(Error::TooFewExamples { class: data.class_name(smallest), available, shots, queries });
        }
        if rotate {
            check_square(data.image_shape())?;
        }
        Ok(Self { data, config })
    }

    /// The size of the episodes.
    pub fn config(&self) -> &FewShot {
        &self.config
    }

    /// The data set drawn from.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// Draws one class of one task into its support `[K, H, W, C]` and query `[Q, H, W, C]` rows.
    fn write_class(&self, rng: &mut dyn RngCore, class: usize, support: &mut [f32], query: &mut [f32]) -> Result<()> {
        let shape = self.data.image_shape();
        let n_pixels = shape.iter().product();
        let quarter_turns = if self.config.rotate { rng.random_range(0..4) } else { 0 };
        let examples = index::sample(rng, self.data.n_examples(class), self.config.shots + self.config.queries);
        let rows = support.chunks_exact_mut(n_pixels).chain(query.chunks_exact_mut(n_pixels));
        for (row, example) in rows.zip(examples) {
            self.data.write_example(class, example, row)?;
            rotate(row, shape, quarter_turns);
        }
        Ok(())
    }

    /// Images `[M, N·per_class, H, W, C]` and labels `[M, N·per_class]`.
    fn batch(&self, pixels: Vec<f32>, n_tasks: usize, per_class: usize) -> Result<Batch> {
        let [h, w, c] = self.data.image_shape();
        let n = self.config.ways * per_class;
        let labels: Vec<u32> = (0..n_tasks * n).map(|row| (row % n / per_class) as u32).collect();
        let x = Tensor::from_vec(pixels, (n_tasks, n, h, w, c), &Device::Cpu)?;
        Ok(Batch { x, y: Tensor::from_vec(labels, (n_tasks, n), &Device::Cpu)? })
    }
}

impl<D: ClassDataset> TaskSampler for FewShotSampler<D> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        let FewShot { ways, shots, queries, .. } = self.config;
        let n_pixels: usize = self.data.image_shape().iter().product();
        let mut support = vec![0f32; n_tasks * ways * shots * n_pixels];
        let mut query = vec![0f32; n_tasks * ways * queries * n_pixels];
        let mut rows = support.chunks_exact_mut(shots * n_pixels).zip(query.chunks_exact_mut(queries * n_pixels));
        for _ in 0..n_tasks {
            // The indices come in random order, so labels are assigned at random.
            for class in index::sample(rng, self.data.n_classes(), ways) {
                let (support, query) = rows.next().expect("the buffers hold n_tasks · ways classes");
                self.write_class(rng, class, support, query)?;
            }
        }
        Ok(TaskBatch { support: self.batch(support, n_tasks, shots)?, query: self.batch(query, n_tasks, queries)? })
    }
}
