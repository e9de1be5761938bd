//! Regression on random functions of many inputs: what in-context learners are trained on.
//!
//! ```text
//! x ~ N(0, I_d)
//! linear    y = wᵀ x,                    w ~ N(0, I_d)
//! sparse    the same with all but s random coordinates of w set to zero
//! tree      y = leaf of a full binary tree of depth h: each inner node tests the sign of a random coordinate, leaves ~ N(0, 1)
//! network   y = Σᵢ aᵢ max(0, wᵢᵀ x),     i = 1 … r,  aᵢ ~ N(0, 2/r),  wᵢ ~ N(0, I_d)
//! ```
//! Garg, Tsipras, Liang & Valiant, *What Can Transformers Learn In-Context? A Case Study of Simple Function Classes*, 2022,
//! sections 3 and 4, with the curriculum of its appendix A.2. Sine waves are [`Sinusoid`](crate::Sinusoid).

mod curriculum;
mod draw;

pub use curriculum::{Curriculum, Ramp};

use candle_core::{Device, Tensor};
use rand::RngCore;

use crate::error::at_least_one;
use crate::line::normal;
use crate::{Batch, Error, Result, TaskBatch, TaskSampler};
use draw::Function;

/// A class of functions of d inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionClass {
    /// `wᵀ x`.
    Linear,
    /// `wᵀ x` with this many coordinates of w that are not zero, `≥ 1` and at most d. 3 in the paper.
    Sparse(usize),
    /// Decision trees of this depth, 1 to 16. 4 in the paper.
    Tree(usize),
    /// Networks with one layer of this many ReLU units, `≥ 1`. 100 in the paper.
    Network(usize),
}

impl FunctionClass {
    /// `E y²`, the error of answering zero, where `dims` coordinates of x are drawn: d, s, 1 and d.
    ///
    /// ```
    /// use rekindle_tasks::FunctionClass;
    ///
    /// assert_eq!(FunctionClass::Network(100).mean_square(20), 20.0); // r · 2/r · E max(0, wᵀx)² = 2 · d/2
    /// ```
    #[must_use]
    pub fn mean_square(self, dims: usize) -> f64 {
        match self {
            Self::Linear | Self::Network(_) => dims as f64,
            Self::Sparse(nonzero) => nonzero.min(dims) as f64,
            Self::Tree(_) => 1.0,
        }
    }

    fn validate(self, dims: usize) -> Result<()> {
        let (field, value, fits, expected) = match self {
            Self::Linear => return Ok(()),
            Self::Sparse(s) => ("Sparse", s, (1..=dims).contains(&s), "at least 1, and at most the inputs"),
            Self::Tree(depth) => ("Tree", depth, (1..=16).contains(&depth), "a depth from 1 to 16"),
            Self::Network(units) => ("Network", units, units >= 1, "at least 1 unit"),
        };
        if fits { Ok(()) } else { Err(Error::Config { field, value: value.to_string(), expected }) }
    }
}

/// A distribution over functions. Inputs `x [M, B, d]`, targets `y [M, B, 1]`, f32.
///
/// ```
/// use rekindle_tasks::{FunctionTasks, TaskSampler, batch_rng};
///
/// let tasks = FunctionTasks::linear(20, 40).sample(&mut batch_rng(0, 0), 8)?;
/// assert_eq!((tasks.support.x.dims(), tasks.query.y.dims()), (&[8, 40, 20][..], &[8, 1, 1][..]));
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionTasks {
    /// The class.
    pub class: FunctionClass,
    /// Inputs d, `≥ 1`.
    pub dims: usize,
    /// Support points, `≥ 1`.
    pub shots: usize,
    /// Query points, `≥ 1`.
    pub queries: usize,
    /// Easier tasks at the beginning of a training; `None`: none. Only [`TaskSampler::sample_at`] looks at it.
    pub curriculum: Option<Curriculum>,
}

impl FunctionTasks {
    /// Linear functions with `shots` support points and one query point.
    #[must_use]
    pub fn linear(dims: usize, shots: usize) -> Self {
        Self { class: FunctionClass::Linear, dims, shots, queries: 1, curriculum: None }
    }

    /// Checks counts and the class.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("dims", self.dims), ("shots", self.shots), ("queries", self.queries)])?;
        self.class.validate(self.dims)
    }

    /// `active` coordinates are drawn; the others are zero.
    fn draw(&self, rng: &mut dyn RngCore, n_tasks: usize, active: usize, shots: usize) -> Result<TaskBatch> {
        self.validate()?;
        let mut support = Points::default();
        let mut query = Points::default();
        for _ in 0..n_tasks {
            let function = Function::draw(self.class, self.dims, active, rng);
            support.extend(&function, (shots, self.dims, active), rng);
            query.extend(&function, (self.queries, self.dims, active), rng);
        }
        let batch = |points: Points, n| points.batch(n_tasks, n, self.dims);
        Ok(TaskBatch { support: batch(support, shots)?, query: batch(query, self.queries)? })
    }
}

impl TaskSampler for FunctionTasks {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        self.draw(rng, n_tasks, self.dims, self.shots)
    }

    fn sample_at(&self, rng: &mut dyn RngCore, n_tasks: usize, iteration: u64) -> Result<TaskBatch> {
        let Some(curriculum) = self.curriculum else { return self.sample(rng, n_tasks) };
        let active = curriculum.dims.at(iteration).clamp(1, self.dims);
        self.draw(rng, n_tasks, active, curriculum.shots.at(iteration).clamp(1, self.shots))
    }
}

/// Points of all tasks, one after another.
#[derive(Default)]
struct Points {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Points {
    fn extend(&mut self, function: &Function, (n, dims, active): (usize, usize, usize), rng: &mut dyn RngCore) {
        for _ in 0..n {
            let start = self.x.len();
            self.x.extend((0..active).map(|_| normal(rng)));
            self.x.resize(start + dims, 0.0);
            self.y.push(function.at(&self.x[start..]));
        }
    }

    fn batch(self, n_tasks: usize, n: usize, dims: usize) -> Result<Batch> {
        Ok(Batch {
            x: Tensor::from_vec(self.x, (n_tasks, n, dims), &Device::Cpu)?,
            y: Tensor::from_vec(self.y, (n_tasks, n, 1), &Device::Cpu)?,
        })
    }
}

#[cfg(test)]
mod tests;
