//! What losses are computed on: observations, actions, and the policy that chose them, for T steps of M × B rows.

use candle_core::Tensor as Value;
use rekindle_autodiff::Tensor;

use crate::policy::{Distribution, Memory, Sequence};
use crate::returns::normalise_tasks;
use crate::{Error, Result};

/// Steps that were played, as constants on the device of the policy.
#[derive(Clone, Debug)]
pub struct Experience {
    /// `[T, M, B, D]`
    pub obs: Tensor,
    /// Numbers `[T, M, B]` (`u32`) or vectors `[T, M, B, A]`.
    pub actions: Value,
    /// Where a decision process begins, `[T, M, B]`.
    pub starts: Vec<bool>,
    /// Before the first step.
    pub memory: Memory,
    /// `log π(a)` of the policy that acted, `[T, M, B]`.
    pub log_probs: Tensor,
    /// The policy that acted, at `[T, M, B]`.
    pub distribution: Distribution,
    /// How much each step counts, `[T, M, B]`; `None`: all the same.
    pub weights: Option<Tensor>,
}

impl Experience {
    /// Steps T, tasks M and copies B.
    pub fn dims(&self) -> [usize; 3] {
        let dims = self.obs.dims();
        [dims[0], dims[1], dims[2]]
    }

    /// The observations as policies take them.
    pub fn sequence(&self) -> Sequence<'_> {
        Sequence { obs: &self.obs, starts: &self.starts }
    }

    /// Numbers `[T, M, B]` from the host, beside the rest.
    ///
    /// # Errors
    /// If there are not as many as steps.
    pub fn tensor(&self, numbers: &[f32]) -> Result<Tensor> {
        let [t, m, b] = self.dims();
        if numbers.len() != t * m * b {
            return Err(Error::shape("the numbers of a rollout", &[numbers.len()], format!("[{t}, {m}, {b}]")));
        }
        let tensor = Tensor::from_vec(numbers.to_vec(), (t, m, b))?;
        Ok(tensor.to_dtype(self.obs.dtype())?.to_device(self.obs.device())?)
    }

    /// The mean of `x [T, M, B]` over the steps of each task that count, `[M]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn mean(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weights {
            None => Ok(x.mean(&[0, 2])?),
            Some(weights) => Ok(x.mul(weights)?.sum(&[0, 2])?.div(&weights.sum(&[0, 2])?)?),
        }
    }

    /// Gives numbers `[T, M, B]`, advantages usually, mean 0 and deviation 1 in each task, over the steps that count.
    ///
    /// # Errors
    /// If there are not as many as steps.
    pub fn normalise(&self, numbers: &mut [f32]) -> Result<()> {
        let weights = self.weights.as_ref().map(Tensor::to_vec_f64).transpose()?;
        let weights: Option<Vec<f32>> = weights.map(|weights| weights.into_iter().map(|w| w as f32).collect());
        normalise_tasks(numbers, self.dims(), weights.as_deref())
    }

    /// All steps as rows of one, `[1, M, T·B]`: for policies without memory, whose steps may be taken apart.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn flatten(&self) -> Result<Self> {
        Ok(Self {
            obs: rows_of_one(&self.obs)?,
            actions: rows_of_one(&Tensor::new(self.actions.clone()))?.into_value(),
            starts: vec![false; self.starts.len()],
            memory: Memory::default(),
            log_probs: rows_of_one(&self.log_probs)?,
            distribution: self.distribution.map_rows(rows_of_one)?,
            weights: self.weights.as_ref().map(rows_of_one).transpose()?,
        })
    }

    /// The tasks `start .. start + len` alone.
    ///
    /// # Errors
    /// If there are not so many tasks.
    pub fn tasks(&self, start: usize, len: usize) -> Result<Self> {
        let [_, m, b] = self.dims();
        let along = |axis: usize| move |x: &Tensor| Ok(x.narrow(axis, start, len)?.contiguous()?);
        let starts = self.starts.chunks_exact(m * b).flat_map(|step| &step[start * b..(start + len) * b]);
        Ok(Self {
            obs: along(1)(&self.obs)?,
            actions: self.actions.narrow(1, start, len)?.contiguous()?,
            starts: starts.copied().collect(),
            memory: self.memory.map(along(0))?,
            log_probs: along(1)(&self.log_probs)?,
            distribution: self.distribution.tasks(start, len)?,
            weights: self.weights.as_ref().map(along(1)).transpose()?,
        })
    }

    /// The copies (along B) of these numbers, each with its whole sequence, in every task.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn select(&self, copies: &[u32]) -> Result<Self> {
        let [t, m, b] = self.dims();
        if let Some(&wrong) = copies.iter().find(|&&copy| copy as usize >= b) {
            return Err(Error::Setting { name: "copies", value: wrong.to_string(), expected: "numbers below B" });
        }
        let ids = Value::new(copies, self.obs.device())?;
        let starts = (0..t * m).flat_map(|row| copies.iter().map(move |&copy| self.starts[row * b + copy as usize]));
        Ok(Self {
            obs: self.obs.index_select(2, &ids)?,
            actions: self.actions.index_select(&ids, 2)?,
            starts: starts.collect(),
            memory: self.memory.map(|state| Ok(state.index_select(1, &ids)?))?,
            log_probs: self.log_probs.index_select(2, &ids)?,
            distribution: self.distribution.map_rows(|rows| Ok(rows.index_select(2, &ids)?))?,
            weights: self.weights.as_ref().map(|weights| weights.index_select(2, &ids)).transpose()?,
        })
    }
}

/// `[T, M, B, …]` to `[1, M, T·B, …]`.
pub(crate) fn rows_of_one(x: &Tensor) -> Result<Tensor> {
    let [t, m, b, rest @ ..] = x.dims() else { return Err(Error::shape("the steps", x.dims(), "[T, M, B, …]")) };
    let shape = [&[1, *m, t * b], rest].concat();
    // One task's steps lie in order already.
    let by_task = if *m == 1 { x.clone() } else { x.transpose(0, 1)?.contiguous()? };
    Ok(by_task.reshape(shape)?)
}
