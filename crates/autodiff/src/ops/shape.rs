//! Operations that move elements without changing them.

use candle_core::{Shape, Tensor as Value};
use smallvec::SmallVec;

use crate::{Error, Result, Tensor};

impl Tensor {
    /// The same elements, in row-major order, under another shape.
    ///
    /// # Errors
    /// If the number of elements differs.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let to = shape.into();
        if &to == self.shape() {
            return Ok(self.clone());
        }
        let from = self.shape().clone();
        Ok(Self::unary(self.value().reshape(to)?, self, move |up| up.grad().reshape(from.clone())))
    }

    /// Adds an axis of size 1.
    ///
    /// # Errors
    /// If `axis` is above the rank.
    pub fn unsqueeze(&self, axis: usize) -> Result<Self> {
        if axis > self.rank() {
            return Err(Error::shape("unsqueeze", format!("axis {axis} for shape {:?}", self.shape())));
        }
        let mut dims = self.dims().to_vec();
        dims.insert(axis, 1);
        self.reshape(dims)
    }

    /// Takes away an axis of size 1.
    ///
    /// # Errors
    /// If the axis is missing or has another size.
    pub fn squeeze(&self, axis: usize) -> Result<Self> {
        if self.dims().get(axis) != Some(&1) {
            return Err(Error::shape("squeeze", format!("axis {axis} of {:?} is not of size 1", self.shape())));
        }
        let mut dims = self.dims().to_vec();
        dims.remove(axis);
        self.reshape(dims)
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]`.
    ///
    /// # Errors
    /// If `order` is not a permutation of the axes.
    pub fn permute(&self, order: &[usize]) -> Result<Self> {
        let mut inverse = vec![usize::MAX; self.rank()];
        for (i, &axis) in order.iter().enumerate() {
            *inverse.get_mut(axis).unwrap_or(&mut 0) = i;
        }
        if order.len() != self.rank() || inverse.contains(&usize::MAX) {
            return Err(Error::shape("permute", format!("{order:?} is no order of the axes of {:?}", self.shape())));
        }
        Ok(Self::unary(self.value().permute(order)?, self, move |up| up.grad().permute(&inverse)))
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self> {
        self.check_axes("transpose", &[a, b])?;
        Ok(Self::unary(self.value().transpose(a, b)?, self, move |up| up.grad().transpose(a, b)))
    }

    /// The elements `start .. start + len` of an axis.
    ///
    /// # Errors
    /// If the range is not inside of the axis.
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Result<Self> {
        let size = self.dim(axis)?;
        let Some(after) = size.checked_sub(start + len) else {
            let range = format!("{start}..{} of axis {axis}, which has size {size}", start + len);
            return Err(Error::shape("narrow", range));
        };
        if start == 0 && after == 0 {
            return Ok(self.clone());
        }
        let y = self.value().narrow(axis, start, len)?;
        Ok(Self::unary(y, self, move |up| up.grad().pad(axis, start, after)))
    }

    /// Zeros before and after the elements of an axis: the adjoint of [`narrow`](Self::narrow).
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn pad(&self, axis: usize, before: usize, after: usize) -> Result<Self> {
        let len = self.dim(axis)?;
        if before == 0 && after == 0 {
            return Ok(self.clone());
        }
        let y = self.value().pad_with_zeros(axis, before, after)?;
        Ok(Self::unary(y, self, move |up| up.grad().narrow(axis, before, len)))
    }

    /// Tensors joined along an axis; all other sizes must be equal.
    ///
    /// # Errors
    /// If there is no tensor, or if the shapes do not fit.
    pub fn cat(parts: &[&Self], axis: usize) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Err(Error::argument("cat", "needs at least one tensor"));
        };
        first.check_axes("cat", &[axis])?;
        let values: Vec<&Value> = parts.iter().map(|p| p.value()).collect();
        let y = Value::cat(&values, axis)?;
        let sizes: Vec<usize> = parts.iter().map(|p| p.dims()[axis]).collect();
        Ok(Self::custom(y, parts, move |up| {
            let mut start = 0;
            let mut grads = SmallVec::with_capacity(sizes.len());
            for (i, &len) in sizes.iter().enumerate() {
                grads.push(if up.wants(i) { Some(up.grad().narrow(axis, start, len)?) } else { None });
                start += len;
            }
            Ok(grads)
        }))
    }

    /// Tensors of one shape joined along a new axis.
    ///
    /// # Errors
    /// If there is no tensor, or if the shapes differ.
    pub fn stack(parts: &[&Self], axis: usize) -> Result<Self> {
        let raised = parts.iter().map(|p| p.unsqueeze(axis)).collect::<Result<Vec<_>>>()?;
        Self::cat(&raised.iter().collect::<Vec<_>>(), axis)
    }

    /// An axis cut into `n` equal parts.
    ///
    /// # Errors
    /// If `n` does not divide the axis.
    pub fn chunk(&self, n: usize, axis: usize) -> Result<Vec<Self>> {
        let size = self.dim(axis)?;
        if n == 0 || size % n != 0 {
            return Err(Error::shape(
                "chunk",
                format!("axis {axis} of size {size} does not fall into {n} equal parts"),
            ));
        }
        (0..n).map(|i| self.narrow(axis, i * (size / n), size / n)).collect()
    }

    /// A copy in row-major order; the tensor itself where it is in that order already.
    pub fn contiguous(&self) -> Result<Self> {
        if self.value().is_contiguous() {
            return Ok(self.clone());
        }
        Ok(Self::unary(self.value().contiguous()?, self, |up| Ok(up.grad().clone())))
    }
}
