//! Reductions over axes, and their adjoint, repetition.

use candle_core::{DType, Shape, Tensor as Value};
use smallvec::smallvec;

use crate::kernel;
use crate::tape::Takes;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Sum over the given axes, which stay as size 1.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn sum_keepdim(&self, axes: &[usize]) -> Result<Self> {
        self.check_axes("sum_keepdim", axes)?;
        let from = self.shape().clone();
        Ok(Self::unary(kernel::sum_keepdim(self.value(), axes)?, self, move |up| up.grad().broadcast_to(&from)))
    }

    /// Sum over the given axes, which go away.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn sum(&self, axes: &[usize]) -> Result<Self> {
        let kept = self.without(axes);
        self.sum_keepdim(axes)?.reshape(kept)
    }

    /// Sum of all elements, a tensor of rank 0.
    pub fn sum_all(&self) -> Result<Self> {
        self.reshape(self.elem_count())?.sum(&[0])
    }

    /// Mean over the given axes, which stay as size 1.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn mean_keepdim(&self, axes: &[usize]) -> Result<Self> {
        self.sum_keepdim(axes)?.scale(1.0 / self.count(axes))
    }

    /// Mean over the given axes, which go away.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn mean(&self, axes: &[usize]) -> Result<Self> {
        self.sum(axes)?.scale(1.0 / self.count(axes))
    }

    /// Mean of all elements, a tensor of rank 0.
    pub fn mean_all(&self) -> Result<Self> {
        self.sum_all()?.scale(1.0 / self.elem_count() as f64)
    }

    /// Variance over the given axes, which stay as size 1; divided by the number of elements less `correction` (0: of
    /// the population, 1: the unbiased estimate).
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn var_keepdim(&self, axes: &[usize], correction: usize) -> Result<Self> {
        let centred = self.sub(&self.mean_keepdim(axes)?)?;
        centred.sqr()?.sum_keepdim(axes)?.scale(1.0 / (self.count(axes) - correction as f64))
    }

    /// Maximum over one axis, which stays as size 1. Equal maxima share the gradient evenly (PyTorch's `amax`).
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn max_keepdim(&self, axis: usize) -> Result<Self> {
        self.check_axes("max_keepdim", &[axis])?;
        let y = self.reduced(axis, |v| v.max_keepdim(axis))?;
        self.extremum(y, axis)
    }

    /// Minimum over one axis, which stays as size 1. Equal minima share the gradient evenly.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn min_keepdim(&self, axis: usize) -> Result<Self> {
        self.check_axes("min_keepdim", &[axis])?;
        let y = self.reduced(axis, |v| v.min_keepdim(axis))?;
        self.extremum(y, axis)
    }

    /// candle refuses to reduce an empty tensor, even over an axis that is not the empty one.
    fn reduced(&self, axis: usize, f: impl Fn(&Value) -> candle_core::Result<Value>) -> Result<Value> {
        if self.elem_count() > 0 || self.dims()[axis] == 0 {
            return Ok(f(self.value())?);
        }
        let dims: Vec<usize> = self.dims().iter().enumerate().map(|(i, &d)| if i == axis { 1 } else { d }).collect();
        Ok(Value::zeros(dims, self.dtype(), self.device())?)
    }

    fn extremum(&self, y: Value, axis: usize) -> Result<Self> {
        let hits = self.value().broadcast_eq(&y)?.to_dtype(self.dtype())?;
        let share = Self::new(hits.broadcast_div(&kernel::sum_keepdim(&hits, &[axis])?)?);
        Ok(Self::unary(y, self, move |up| up.grad().mul(&share)))
    }

    /// `log Σ eˣ` over the last axis, which goes away; without overflow. −∞ where all elements are −∞.
    pub fn logsumexp(&self) -> Result<Self> {
        let axis = self.last_axis("logsumexp")?;
        // An infinite shift would make NaN of an infinite element.
        let largest = if self.dtype() == DType::F64 { f64::MAX } else { f64::from(f32::MAX) };
        let shift = self.reduced(axis, |v| v.max_keepdim(axis)?.clamp(-largest, largest))?;
        // The shift is a constant: its two contributions to the gradient cancel.
        let shift = Self::new(shift);
        let kept = self.without(&[axis]);
        self.sub(&shift)?.exp()?.sum_keepdim(&[axis])?.log()?.add(&shift)?.reshape(kept)
    }

    /// The tensor repeated to `shape` by the rule of broadcasting. On the CPU a view without a copy.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Result<Self> {
        let to = shape.into();
        if &to == self.shape() {
            return Ok(self.clone());
        }
        let from = self.shape().clone();
        let over_tasks =
            to.rank() == from.rank() && from.dims().first() == Some(&1) && to.dims()[1..] == from.dims()[1..];
        let takes = if over_tasks { Takes::TaskSum } else { Takes::Plain };
        let y = self.value().broadcast_as(to)?;
        Ok(Self::custom_taking(takes, y, &[self], move |up| Ok(smallvec![Some(up.grad().sum_to(&from)?)])))
    }

    /// The sum over all repetitions that [`broadcast_to`](Self::broadcast_to) from `shape` would make: its adjoint.
    ///
    /// # Errors
    /// If `shape` does not broadcast to this tensor's shape.
    pub fn sum_to(&self, shape: impl Into<Shape>) -> Result<Self> {
        let to = shape.into();
        if &to == self.shape() {
            return Ok(self.clone());
        }
        let extra = self.rank().checked_sub(to.rank());
        let fits = |extra: usize| to.dims().iter().zip(&self.dims()[extra..]).all(|(&a, &b)| a == b || a == 1);
        let Some(extra) = extra.filter(|&e| fits(e)) else {
            return Err(Error::shape("sum_to", format!("{to:?} does not broadcast to {:?}", self.shape())));
        };
        let repeated = |axis: usize| axis < extra || (to.dims()[axis - extra] == 1 && self.dims()[axis] != 1);
        let axes: Vec<usize> = (0..self.rank()).filter(|&axis| repeated(axis)).collect();
        self.sum_keepdim(&axes)?.reshape(to)
    }

    /// The running sum along an axis: `yᵢ = Σ_{j ≤ i} xⱼ`.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn cumsum(&self, axis: usize) -> Result<Self> {
        self.check_axes("cumsum", &[axis])?;
        // ∂/∂xⱼ collects every i ≥ j: the running sum from the other end.
        let y = self.value().cumsum(axis)?;
        Ok(Self::unary(y, self, move |up| up.grad().flip(axis)?.cumsum(axis)?.flip(axis)))
    }

    /// The sizes of the axes that are not in `axes`.
    fn without(&self, axes: &[usize]) -> Vec<usize> {
        self.dims().iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect()
    }

    fn count(&self, axes: &[usize]) -> f64 {
        axes.iter().map(|&axis| self.dims()[axis]).product::<usize>() as f64
    }

    pub(crate) fn last_axis(&self, op: &'static str) -> Result<usize> {
        self.rank().checked_sub(1).ok_or_else(|| Error::shape(op, "needs at least one axis"))
    }

    pub(crate) fn check_axes(&self, op: &'static str, axes: &[usize]) -> Result<()> {
        match axes.iter().find(|&&axis| axis >= self.rank()) {
            Some(axis) => Err(Error::shape(op, format!("no axis {axis} in shape {:?}", self.shape()))),
            None => Ok(()),
        }
    }
}
