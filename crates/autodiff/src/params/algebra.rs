//! Parameters as vectors: sums, scalings and inner products over all leaves.

use candle_core::{DType, Device};

use super::Params;
use crate::{Error, Result, Tensor};

impl Params {
    /// `a + b`.
    ///
    /// # Errors
    /// If names or shapes do not fit.
    pub fn add(&self, other: &Self) -> Result<Self> {
        self.zip(other, Tensor::add)
    }

    /// `a − b`.
    ///
    /// # Errors
    /// If names or shapes do not fit.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.zip(other, Tensor::sub)
    }

    /// `s·a`.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn scale(&self, s: f64) -> Result<Self> {
        self.map(|leaf| leaf.scale(s))
    }

    /// `a + s·b`, the step of gradient descent.
    ///
    /// # Errors
    /// If names or shapes do not fit.
    pub fn add_scaled(&self, other: &Self, s: f64) -> Result<Self> {
        self.zip(other, |a, b| a.add_scaled(b, s))
    }

    /// Zeros of the same names and shapes.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn zeros_like(&self) -> Result<Self> {
        self.map(Tensor::zeros_like)
    }

    /// Inner product over all leaves, a tensor of rank 0.
    ///
    /// # Errors
    /// If names or shapes do not fit, or if there are no leaves.
    pub fn dot(&self, other: &Self) -> Result<Tensor> {
        self.total(other, |product| product.sum_all())
    }

    /// Inner product of each task's leaves, `[M]`; leaves of both sides have the same task axis.
    ///
    /// # Errors
    /// If names or shapes do not fit, or if there are no leaves.
    pub fn dot_tasks(&self, other: &Self) -> Result<Tensor> {
        self.total(other, |product| {
            let m = product.dim(0)?;
            product.reshape((m, product.elem_count() / m.max(1)))?.sum(&[1])
        })
    }

    fn total(&self, other: &Self, sum: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let parts = self.zip(other, |a, b| sum(&a.mul(b)?))?;
        let (first, rest) = parts
            .leaves()
            .split_first()
            .ok_or_else(|| Error::argument("dot", "parameters without leaves have no inner product"))?;
        rest.iter().try_fold(first.clone(), |total, part| total.add(part))
    }

    /// The values on another device, as constants.
    ///
    /// # Errors
    /// If a copy fails.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        self.map(|leaf| leaf.to_device(device))
    }

    /// The values in another floating-point type.
    ///
    /// # Errors
    /// If the type is not a floating-point one.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        self.map(|leaf| leaf.to_dtype(dtype))
    }
}
