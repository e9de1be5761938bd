//! The task axis of parameters.

use candle_core::Shape;

use super::Params;
use crate::{Error, Result, Tensor};

impl Params {
    /// The number of tasks: the largest leading axis. Leaves of leading size 1 are shared.
    #[must_use]
    pub fn n_tasks(&self) -> usize {
        self.leaves().iter().filter_map(|leaf| leaf.dims().first().copied()).max().unwrap_or(1)
    }

    /// Every leaf repeated for `m` tasks, as a view: `[1, …]` to `[m, …]`. Leaves that have `m` tasks stay.
    ///
    /// # Errors
    /// If a leaf has another number of tasks than 1 and `m`.
    pub fn expand_tasks(&self, m: usize) -> Result<Self> {
        self.map_named(|name, leaf| {
            let dims = with_tasks(name, leaf, m)?;
            leaf.broadcast_to(dims)
        })
    }

    /// The sum over tasks, `[M, …]` to `[1, …]`.
    ///
    /// # Errors
    /// If a leaf has no axis.
    pub fn sum_tasks(&self) -> Result<Self> {
        self.map(|leaf| leaf.sum_keepdim(&[0]))
    }

    /// The mean over tasks, `[M, …]` to `[1, …]`.
    ///
    /// # Errors
    /// If a leaf has no axis.
    pub fn mean_tasks(&self) -> Result<Self> {
        self.map(|leaf| leaf.mean_keepdim(&[0]))
    }

    /// The tasks `start .. start + len`; shared leaves stay.
    ///
    /// # Errors
    /// If there are not so many tasks.
    pub fn narrow_tasks(&self, start: usize, len: usize) -> Result<Self> {
        self.map(|leaf| if leaf.dims().first() == Some(&1) { Ok(leaf.clone()) } else { leaf.narrow(0, start, len) })
    }

    /// The tasks of several parameters of the same names one after another.
    ///
    /// # Errors
    /// If there are no parts, or if names or shapes differ.
    pub fn cat_tasks(parts: &[Self]) -> Result<Self> {
        let first = parts.first().ok_or_else(|| Error::argument("cat_tasks", "needs at least one part"))?;
        let leaves = first.names().map(|name| {
            let same = parts.iter().map(|part| part.get(name)).collect::<Result<Vec<_>>>()?;
            Tensor::cat(&same, 0)
        });
        first.with_leaves(leaves.collect::<Result<_>>()?)
    }
}

fn with_tasks(name: &str, leaf: &Tensor, m: usize) -> Result<Shape> {
    match leaf.dims() {
        [1, rest @ ..] => Ok(Shape::from([&[m], rest].concat())),
        [n, ..] if *n == m => Ok(leaf.shape().clone()),
        _ => Err(Error::argument(
            "expand_tasks",
            format!(
                "leaf `{name}` has shape {:?}; its leading axis must be 1 or the number of tasks, {m}",
                leaf.shape()
            ),
        )),
    }
}
