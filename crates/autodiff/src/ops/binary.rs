//! Elementwise functions of two tensors, with broadcasting.
//!
//! Shapes are aligned at their last axes; an axis of size 1, or one that is missing, is repeated (NumPy's rule). The
//! gradient of a repeated input is summed over its repetitions.

use candle_core::Tensor as Value;
use smallvec::smallvec;

use crate::kernel;
use crate::{Result, Tensor};

impl Tensor {
    /// `a + b`.
    pub fn add(&self, rhs: &Self) -> Result<Self> {
        let y = kernel::add(self.value(), rhs.value())?;
        let (a, b) = (self.shape().clone(), rhs.shape().clone());
        Ok(Self::custom(y, &[self, rhs], move |up| {
            Ok(smallvec![
                up.wants(0).then(|| up.grad().sum_to(&a)).transpose()?,
                up.wants(1).then(|| up.grad().sum_to(&b)).transpose()?,
            ])
        }))
    }

    /// `a − b`.
    pub fn sub(&self, rhs: &Self) -> Result<Self> {
        let y = kernel::sub(self.value(), rhs.value())?;
        let (a, b) = (self.shape().clone(), rhs.shape().clone());
        Ok(Self::custom(y, &[self, rhs], move |up| {
            Ok(smallvec![
                up.wants(0).then(|| up.grad().sum_to(&a)).transpose()?,
                up.wants(1).then(|| up.grad().sum_to(&b)?.neg()).transpose()?,
            ])
        }))
    }

    /// `a · b`, elementwise.
    pub fn mul(&self, rhs: &Self) -> Result<Self> {
        let y = kernel::mul(self.value(), rhs.value())?;
        // Each side is needed only for the gradient of the other one.
        let a = rhs.is_tracked().then(|| self.clone());
        let b = self.is_tracked().then(|| rhs.clone());
        let (a_shape, b_shape) = (self.shape().clone(), rhs.shape().clone());
        Ok(Self::custom(y, &[self, rhs], move |up| {
            let side = |i: usize, other: &Option<Self>, shape| match other {
                Some(other) if up.wants(i) => up.grad().mul(other)?.sum_to(shape).map(Some),
                _ => Ok(None),
            };
            Ok(smallvec![side(0, &b, &a_shape)?, side(1, &a, &b_shape)?])
        }))
    }

    /// `a / b`, elementwise.
    pub fn div(&self, rhs: &Self) -> Result<Self> {
        let y = self.value().broadcast_div(rhs.value())?;
        let saved = rhs.is_tracked().then(|| y.clone());
        let b = rhs.clone();
        let (a_shape, b_shape) = (self.shape().clone(), rhs.shape().clone());
        Ok(Self::custom(y, &[self, rhs], move |up| {
            let scaled = up.grad().div(&b)?;
            let lhs = up.wants(0).then(|| scaled.sum_to(&a_shape)).transpose()?;
            let rhs = match &saved {
                // ∂(a/b)/∂b = −(a/b)/b
                Some(y) if up.wants(1) => Some(scaled.mul(&up.output(y))?.sum_to(&b_shape)?.neg()?),
                _ => None,
            };
            Ok(smallvec![lhs, rhs])
        }))
    }

    /// The larger of `a` and `b`, elementwise. Where they are equal each has half of the gradient (PyTorch's rule).
    pub fn maximum(&self, rhs: &Self) -> Result<Self> {
        let y = self.value().broadcast_maximum(rhs.value())?;
        let (ge, gt) = (self.value().broadcast_ge(rhs.value())?, self.value().broadcast_gt(rhs.value())?);
        self.choose(rhs, y, &ge, &gt)
    }

    /// The smaller of `a` and `b`, elementwise. Where they are equal each has half of the gradient.
    pub fn minimum(&self, rhs: &Self) -> Result<Self> {
        let y = self.value().broadcast_minimum(rhs.value())?;
        let (le, lt) = (self.value().broadcast_le(rhs.value())?, self.value().broadcast_lt(rhs.value())?);
        self.choose(rhs, y, &le, &lt)
    }

    fn choose(&self, rhs: &Self, y: Value, loose: &Value, strict: &Value) -> Result<Self> {
        let dtype = self.dtype();
        let share = Self::new(((loose.to_dtype(dtype)? + strict.to_dtype(dtype)?)? * 0.5)?);
        let (a_shape, b_shape) = (self.shape().clone(), rhs.shape().clone());
        Ok(Self::custom(y, &[self, rhs], move |up| {
            let lhs = up.wants(0).then(|| up.grad().mul(&share)?.sum_to(&a_shape)).transpose()?;
            let rhs = up.wants(1).then(|| up.grad().mul(&share.affine(-1.0, 1.0)?)?.sum_to(&b_shape)).transpose()?;
            Ok(smallvec![lhs, rhs])
        }))
    }

    /// `a` where `mask` is not zero, else `b`; all three of one shape. The branch that is not taken has gradient zero,
    /// even where it is infinite or NaN.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn select(mask: &Value, a: &Self, b: &Self) -> Result<Self> {
        let y = mask.where_cond(a.value(), b.value())?;
        let mask = mask.clone();
        Ok(Self::custom(y, &[a, b], move |up| {
            let zero = up.grad().zeros_like()?;
            let lhs = up.wants(0).then(|| Self::select(&mask, up.grad(), &zero)).transpose()?;
            let rhs = up.wants(1).then(|| Self::select(&mask, &zero, up.grad())).transpose()?;
            Ok(smallvec![lhs, rhs])
        }))
    }

    /// `a + s·b` with a constant `s`, in one pass; the shapes must be equal. The step of gradient descent.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn add_scaled(&self, rhs: &Self, s: f64) -> Result<Self> {
        let y = kernel::add_scaled(self.value(), rhs.value(), s)?;
        Ok(Self::custom(y, &[self, rhs], move |up| {
            Ok(smallvec![up.wants(0).then(|| up.grad().clone()), up.wants(1).then(|| up.grad().scale(s)).transpose()?,])
        }))
    }
}
