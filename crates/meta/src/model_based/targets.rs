//! What a black box answers with, and how it is shown the answers of a support set.

use candle_core::Tensor as Value;
use rekindle_autodiff::Tensor;

use crate::{Error, Loss, Result};

/// The kind of a task's targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Class indices below N `≥ 1`; the network sees them one-hot and answers with logits.
    Classes(usize),
    /// D `≥ 1` numbers; the network sees and answers with the numbers themselves.
    Values(usize),
}

impl Targets {
    /// N, or D.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Classes(n) | Self::Values(n) => n,
        }
    }

    /// Cross-entropy for classes, the mean squared error for numbers.
    #[must_use]
    pub fn loss(self) -> Loss {
        match self {
            Self::Classes(_) => Loss::CrossEntropy,
            Self::Values(_) => Loss::MeanSquaredError,
        }
    }

    /// Targets as a network sees them, `[M, B, N or D]`, in the type of `like` and on its device.
    ///
    /// # Errors
    /// If there are labels where there should be numbers, or the other way round; if the number of them is another one.
    pub fn encode(self, y: &Value, like: &Tensor) -> Result<Tensor> {
        let encoded = match (self, y.dims()) {
            (Self::Classes(n), &[m, b]) if !y.dtype().is_float() => {
                let template = Tensor::zeros((m, b, n), like.dtype(), like.device())?;
                Tensor::one_hot(y, &template)?
            }
            (Self::Values(d), &[_, _, last]) if last == d && y.dtype().is_float() => {
                Tensor::new(y.to_dtype(like.dtype())?)
            }
            (kind, found) => {
                let dtype = y.dtype();
                let message = format!(
                    "targets {found:?} of type {dtype:?} for a learner of {kind:?}, which takes class indices [M, B] or \
                     numbers [M, B, D]; make the learner with the tasks' own kind of targets"
                );
                return Err(Error::Batch { message });
            }
        };
        Ok(encoded)
    }

    pub(crate) fn validate(self) -> Result<()> {
        match self.size() {
            0 => Err(Error::setting("targets", &0, "at least 1 class or number")),
            _ => Ok(()),
        }
    }
}

/// Refuses a size of zero.
pub(crate) fn at_least_one(sizes: &[(&'static str, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => Err(Error::setting(name, &0, "at least 1")),
        None => Ok(()),
    }
}

/// Refuses a factor of the targets that says nothing of them.
pub(crate) fn check_scale(scale: f64) -> Result<()> {
    if scale.is_finite() && scale != 0.0 {
        Ok(())
    } else {
        Err(Error::setting("target_scale", &scale, "finite and not 0"))
    }
}
