//! How outputs are judged.

use candle_core::{D, Tensor as Value};
use rekindle_autodiff::Tensor;

use crate::{Error, Result};

/// A loss with one value a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// `mean (ŷ − y)²` over a task's examples and outputs, for regression targets `[M, B, D]`.
    MeanSquaredError,
    /// `mean −log softmax(ŷ)[y]` over a task's examples, for class indices `[M, B]`.
    CrossEntropy,
}

impl Loss {
    /// Losses `[M]` of outputs `[M, B, D or N]` against targets.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn per_task(self, outputs: &Tensor, targets: &Value) -> Result<Tensor> {
        Ok(match self {
            Self::MeanSquaredError => outputs.mse(&Tensor::new(targets.to_dtype(outputs.dtype())?))?,
            Self::CrossEntropy => outputs.cross_entropy(targets)?,
        })
    }

    /// What people read: the mean squared error, or the share of right answers in `[0, 1]`, for each task.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn scores(self, outputs: &Tensor, targets: &Value) -> Result<Vec<f64>> {
        match self {
            Self::MeanSquaredError => Ok(self.per_task(&outputs.detach(), targets)?.to_vec_f64()?),
            Self::CrossEntropy => accuracies(outputs.value(), targets),
        }
    }

    /// Whether a higher score is a better one.
    #[must_use]
    pub fn higher_is_better(self) -> bool {
        self == Self::CrossEntropy
    }
}

fn accuracies(logits: &Value, targets: &Value) -> Result<Vec<f64>> {
    let guesses = logits.argmax(D::Minus1)?.to_vec2::<u32>()?;
    let targets = targets.to_vec2::<u32>()?;
    if guesses.len() != targets.len() || guesses.iter().zip(&targets).any(|(g, t)| g.len() != t.len()) {
        let message = format!("logits for {} tasks, targets for {}", guesses.len(), targets.len());
        return Err(Error::Batch { message });
    }
    let share =
        |(g, t): (&Vec<u32>, &Vec<u32>)| g.iter().zip(t).filter(|(g, t)| g == t).count() as f64 / t.len().max(1) as f64;
    Ok(guesses.iter().zip(&targets).map(share).collect())
}
