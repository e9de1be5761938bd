//! Softmax over the last axis.

use crate::kernel;
use crate::{Result, Tensor};

impl Tensor {
    /// `softmax(x)ᵢ = eˣⁱ / Σⱼ eˣʲ` over the last axis.
    ///
    /// # Errors
    /// If the tensor has no axis.
    pub fn softmax(&self) -> Result<Self> {
        let axis = self.last_axis("softmax")?;
        let y = kernel::exp(&kernel::log_softmax(self.value())?)?;
        let saved = y.clone();
        Ok(Self::unary(y, self, move |up| {
            // p ∘ (u − ⟨u, p⟩)
            let p = up.output(&saved);
            let weighted = up.grad().mul(&p)?;
            weighted.sub(&p.mul(&weighted.sum_keepdim(&[axis])?)?)
        }))
    }

    /// `x − log Σⱼ eˣʲ` over the last axis, without overflow.
    ///
    /// # Errors
    /// If the tensor has no axis.
    pub fn log_softmax(&self) -> Result<Self> {
        let axis = self.last_axis("log_softmax")?;
        let y = kernel::log_softmax(self.value())?;
        let saved = y.clone();
        Ok(Self::unary(y, self, move |up| {
            // u − p ⟨u, 1⟩
            let p = up.output(&saved).exp()?;
            up.grad().sub(&p.mul(&up.grad().sum_keepdim(&[axis])?)?)
        }))
    }
}
