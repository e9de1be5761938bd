//! Taking elements by index, and its adjoint, putting them back with addition.
//!
//! Indices are integer candle tensors (`u32` or `i64`) and constants. An index that stands several times collects the
//! sum of its gradients.

use candle_core::Tensor as Value;

use crate::{Error, Result, Tensor};

impl Tensor {
    /// `y[…, i, …] = x[…, ids[i], …]` along an axis.
    ///
    /// # Errors
    /// If an index is out of range, or if `ids` is not of rank 1.
    pub fn index_select(&self, axis: usize, ids: &Value) -> Result<Self> {
        self.check_axes("index_select", &[axis])?;
        let (size, held) = (self.dims()[axis], ids.clone());
        let y = self.value().contiguous()?.index_select(ids, axis)?;
        Ok(Self::unary(y, self, move |up| up.grad().index_put(axis, &held, size)))
    }

    /// `y[…, ids[i], …] += x[…, i, …]` into zeros with `size` elements along the axis: the adjoint of
    /// [`index_select`](Self::index_select).
    ///
    /// # Errors
    /// If an index is out of range.
    pub fn index_put(&self, axis: usize, ids: &Value, size: usize) -> Result<Self> {
        self.check_axes("index_put", &[axis])?;
        let mut dims = self.dims().to_vec();
        dims[axis] = size;
        let zeros = Value::zeros(dims, self.dtype(), self.device())?;
        let y = zeros.index_add(ids, &self.value().contiguous()?, axis)?;
        let held = ids.clone();
        Ok(Self::unary(y, self, move |up| up.grad().index_select(axis, &held)))
    }

    /// `y[i, j, …] = x[ids[i, j, …], j, …]` (for axis 0): one element for each index.
    ///
    /// # Errors
    /// If an index is out of range, or if `ids` differs from the shape in an axis other than `axis`.
    pub fn gather(&self, axis: usize, ids: &Value) -> Result<Self> {
        self.check_axes("gather", &[axis])?;
        if !same_but(axis, self.dims(), ids.dims()) {
            let message = format!("indices {:?} for values {:?} along axis {axis}", ids.shape(), self.shape());
            return Err(Error::shape("gather", message));
        }
        let (size, held) = (self.dims()[axis], ids.contiguous()?);
        let y = self.value().contiguous()?.gather(&held, axis)?;
        Ok(Self::unary(y, self, move |up| up.grad().scatter_add(axis, &held, size)))
    }

    /// `y[ids[i, j, …], j, …] += x[i, j, …]` (for axis 0) into zeros with `size` elements along the axis: the adjoint
    /// of [`gather`](Self::gather).
    ///
    /// # Errors
    /// If an index is out of range, or if `ids` has another shape than the values.
    pub fn scatter_add(&self, axis: usize, ids: &Value, size: usize) -> Result<Self> {
        self.check_axes("scatter_add", &[axis])?;
        if self.dims() != ids.dims() {
            let message = format!("indices {:?} for values {:?}", ids.shape(), self.shape());
            return Err(Error::shape("scatter_add", message));
        }
        let mut dims = self.dims().to_vec();
        dims[axis] = size;
        let held = ids.contiguous()?;
        let zeros = Value::zeros(dims, self.dtype(), self.device())?;
        let y = zeros.scatter_add(&held, &self.value().contiguous()?, axis)?;
        Ok(Self::unary(y, self, move |up| up.grad().gather(axis, &held)))
    }

    /// The elements of an axis in reverse.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn flip(&self, axis: usize) -> Result<Self> {
        let size = u32::try_from(self.dim(axis)?).expect("axes are shorter than 2³²");
        let ids = Value::from_vec((0..size).rev().collect(), size as usize, self.device())?;
        self.index_select(axis, &ids)
    }

    /// The last axis sorted, and the indices that sort it. The gradient goes back to where each element came from.
    ///
    /// # Errors
    /// If the tensor has no axis.
    pub fn sort_last(&self, ascending: bool) -> Result<(Self, Value)> {
        let axis = self.last_axis("sort_last")?;
        let ids = self.value().contiguous()?.arg_sort_last_dim(ascending)?;
        Ok((self.gather(axis, &ids)?, ids))
    }
}

fn same_but(axis: usize, a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).enumerate().all(|(i, (a, b))| i == axis || a == b)
}
