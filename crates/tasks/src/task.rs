//! Tasks as tensors: a support and a query batch with a leading task axis.
//!
//! ```text
//! task m = (support D_m, query D'_m),   D_m ∩ D'_m = ∅
//! x [M, B, …]   y [M, B] class labels (u32)  or  [M, B, D] targets (float)
//! ```
//! The split follows Vinyals et al., *Matching Networks for One Shot Learning*, 2016: a learner sees `support` with
//! its labels and is judged on `query`.

use candle_core::{DType, Device, Tensor};
use rand::RngCore;

use crate::{Change, Changed, Error, Result};

/// Inputs and targets of M tasks with B examples each.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Inputs `[M, B, …]`, float: `[M, B, D]` features or `[M, B, H, W, C]` images.
    pub x: Tensor,
    /// Targets: class labels `[M, B]` (u32) or regression targets `[M, B, D]` (float).
    pub y: Tensor,
}

impl Batch {
    /// Number of tasks M.
    ///
    /// # Errors
    /// [`Error::Candle`] when `x` is a scalar.
    pub fn n_tasks(&self) -> Result<usize> {
        Ok(self.x.dim(0)?)
    }

    /// Number of examples B of each task.
    ///
    /// # Errors
    /// [`Error::Candle`] when `x` has no example axis.
    pub fn n_examples(&self) -> Result<usize> {
        Ok(self.x.dim(1)?)
    }

    /// Tasks `start .. start + len`, as views: `x [len, B, …]`.
    ///
    /// # Errors
    /// [`Error::Candle`] when the range passes the end.
    pub fn narrow(&self, start: usize, len: usize) -> Result<Self> {
        Ok(Self { x: self.x.narrow(0, start, len)?, y: self.y.narrow(0, start, len)? })
    }

    /// The same batch on `device`.
    ///
    /// # Errors
    /// [`Error::Candle`] when the copy fails.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(Self { x: self.x.to_device(device)?, y: self.y.to_device(device)? })
    }

    /// The same batch in another float type; class labels stay u32.
    ///
    /// # Errors
    /// [`Error::Candle`] when the conversion is not supported.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        let y = if self.has_labels() { self.y.clone() } else { self.y.to_dtype(dtype)? };
        Ok(Self { x: self.x.to_dtype(dtype)?, y })
    }

    /// Whether `y` holds class labels rather than regression targets.
    pub fn has_labels(&self) -> bool {
        self.y.dtype() == DType::U32
    }

    /// Checks shapes and types: float `x [M, B, …]` of rank ≥ 3, and `y` as u32 `[M, B]` or float `[M, B, D]`.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::DType`] that names the tensor.
    pub fn validate(&self) -> Result<()> {
        let wrong =
            |what, tensor: &Tensor, expected| Err(Error::Shape { what, found: tensor.dims().to_vec(), expected });
        if !self.x.dtype().is_float() {
            return Err(Error::DType { what: "x", found: self.x.dtype(), expected: "a float type" });
        }
        if self.x.rank() < 3 {
            return wrong("x", &self.x, "[M, B, …] with at least one feature axis");
        }
        let rank = match self.y.dtype() {
            DType::U32 => 2,
            dtype if dtype.is_float() => 3,
            found => return Err(Error::DType { what: "y", found, expected: "u32 labels or float targets" }),
        };
        if self.y.rank() != rank || self.y.dims()[..2] != self.x.dims()[..2] {
            let expected = if rank == 2 {
                "[M, B] (labels), with the M and B of x"
            } else {
                "[M, B, D] (targets), with the M and B of x"
            };
            return wrong("y", &self.y, expected);
        }
        Ok(())
    }
}

/// M tasks: what each shows the learner, and what it judges the learner on.
#[derive(Clone, Debug)]
pub struct TaskBatch {
    /// Examples to adapt on.
    pub support: Batch,
    /// Examples to be judged on, disjoint from `support`.
    pub query: Batch,
}

impl TaskBatch {
    /// Number of tasks M.
    ///
    /// # Errors
    /// [`Error::Candle`] when the support inputs are a scalar.
    pub fn n_tasks(&self) -> Result<usize> {
        self.support.n_tasks()
    }

    /// Tasks `start .. start + len`, as views; this is how a learner walks a large batch in chunks.
    ///
    /// # Errors
    /// [`Error::Candle`] when the range passes the end.
    pub fn narrow(&self, start: usize, len: usize) -> Result<Self> {
        self.map(|batch| batch.narrow(start, len))
    }

    /// The same tasks on `device`.
    ///
    /// # Errors
    /// [`Error::Candle`] when the copy fails.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        self.map(|batch| batch.to_device(device))
    }

    /// The same tasks in another float type; class labels stay u32.
    ///
    /// # Errors
    /// [`Error::Candle`] when the conversion is not supported.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        self.map(|batch| batch.to_dtype(dtype))
    }

    /// Checks both batches, and that they agree in the number of tasks and in the shape of one example.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::DType`] that names the tensor.
    pub fn validate(&self) -> Result<()> {
        self.support.validate()?;
        self.query.validate()?;
        let (s, q) = (&self.support, &self.query);
        if s.x.dims()[0] != q.x.dims()[0] || s.x.dims()[2..] != q.x.dims()[2..] {
            let expected = "[M, B, …] with the M and the example shape of the support";
            return Err(Error::Shape { what: "query x", found: q.x.dims().to_vec(), expected });
        }
        if s.has_labels() != q.has_labels() || s.y.dims()[2..] != q.y.dims()[2..] {
            return Err(Error::Shape {
                what: "query y",
                found: q.y.dims().to_vec(),
                expected: "targets of the support's kind",
            });
        }
        Ok(())
    }

    fn map(&self, f: impl Fn(&Batch) -> Result<Batch>) -> Result<Self> {
        Ok(Self { support: f(&self.support)?, query: f(&self.query)? })
    }
}

/// A distribution over tasks, p(T).
///
/// Implementations hold no state: equal generators give equal tasks, so a run that resumes from iteration i draws
/// what the uninterrupted run would have drawn (see [`batch_rng`](crate::batch_rng)).
pub trait TaskSampler: Send + Sync {
    /// Draws `n_tasks` tasks (M) as CPU tensors.
    ///
    /// # Errors
    /// Whatever keeps the sampler from filling an episode, such as [`Error::TooFewClasses`].
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch>;

    /// Draws the tasks of a training's batch `iteration`: by default those of [`sample`](Self::sample). A curriculum looks
    /// at the iteration, and at nothing else, so that a run that resumes goes on where it was.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn sample_at(&self, rng: &mut dyn RngCore, n_tasks: usize, _iteration: u64) -> Result<TaskBatch> {
        self.sample(rng, n_tasks)
    }

    /// These tasks after a change: [`Shuffle`](crate::Shuffle), [`Augment`](crate::Augment),
    /// [`Relabel`](crate::Relabel), [`Unlabel`](crate::Unlabel) or your own.
    fn then<C: Change>(self, change: C) -> Changed<Self, C>
    where
        Self: Sized,
    {
        Changed::new(self, change)
    }
}

impl<S: TaskSampler + ?Sized> TaskSampler for std::sync::Arc<S> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        (**self).sample(rng, n_tasks)
    }

    fn sample_at(&self, rng: &mut dyn RngCore, n_tasks: usize, iteration: u64) -> Result<TaskBatch> {
        (**self).sample_at(rng, n_tasks, iteration)
    }
}

impl<S: TaskSampler + ?Sized> TaskSampler for Box<S> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        (**self).sample(rng, n_tasks)
    }

    fn sample_at(&self, rng: &mut dyn RngCore, n_tasks: usize, iteration: u64) -> Result<TaskBatch> {
        (**self).sample_at(rng, n_tasks, iteration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(x: &[usize], y: &[usize], y_type: DType) -> Batch {
        let cpu = &Device::Cpu;
        Batch { x: Tensor::zeros(x, DType::F32, cpu).unwrap(), y: Tensor::zeros(y, y_type, cpu).unwrap() }
    }

    #[test]
    fn validate_accepts_labels_and_targets() {
        batch(&[2, 5, 28, 28, 1], &[2, 5], DType::U32).validate().unwrap();
        batch(&[2, 5, 3], &[2, 5, 1], DType::F32).validate().unwrap();
    }

    #[test]
    fn validate_names_the_tensor_and_its_shape() {
        let message = |b: Batch| b.validate().unwrap_err().to_string();
        assert!(message(batch(&[2, 5], &[2, 5], DType::U32)).starts_with("x has shape [2, 5]"));
        assert!(message(batch(&[2, 5, 1], &[2, 4], DType::U32)).starts_with("y has shape [2, 4]"));
        assert!(message(batch(&[2, 5, 1], &[2, 5], DType::F32)).starts_with("y has shape [2, 5]"));
        assert!(message(batch(&[2, 5, 1], &[2, 5], DType::I64)).contains("y has dtype I64"));
        let mut integer_inputs = batch(&[2, 5, 1], &[2, 5], DType::U32);
        integer_inputs.x = integer_inputs.x.to_dtype(DType::U8).unwrap();
        assert!(message(integer_inputs).contains("x has dtype U8"));
    }

    #[test]
    fn a_query_of_another_example_shape_is_refused() {
        let tasks = TaskBatch {
            support: batch(&[2, 5, 3], &[2, 5], DType::U32),
            query: batch(&[2, 5, 4], &[2, 5], DType::U32),
        };
        assert!(tasks.validate().unwrap_err().to_string().starts_with("query x has shape [2, 5, 4]"));
        let tasks = TaskBatch {
            support: batch(&[2, 5, 3], &[2, 5], DType::U32),
            query: batch(&[2, 5, 3], &[2, 5, 1], DType::F32),
        };
        assert!(tasks.validate().unwrap_err().to_string().starts_with("query y"));
    }

    #[test]
    fn narrow_takes_tasks_and_to_dtype_leaves_labels() -> Result<()> {
        let x = Tensor::arange(0f32, 12.0, &Device::Cpu)?.reshape((3, 2, 2))?;
        let y = Tensor::arange(0u32, 6, &Device::Cpu)?.reshape((3, 2))?;
        let half = Batch { x, y };
        let tasks = TaskBatch { support: half.clone(), query: half };
        let chunk = tasks.narrow(1, 2)?.to_dtype(DType::F64)?;
        assert_eq!(chunk.n_tasks()?, 2);
        assert_eq!(chunk.support.x.to_vec3::<f64>()?[0], [[4.0, 5.0], [6.0, 7.0]]);
        assert_eq!(chunk.query.y.to_vec2::<u32>()?, [[2, 3], [4, 5]]);
        assert!(tasks.narrow(2, 2).is_err());
        Ok(())
    }
}
