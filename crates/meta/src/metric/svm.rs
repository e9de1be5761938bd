//! A multi-class support vector machine as the last layer: MetaOptNet.
//!
//! ```text
//! max over α of  −½ Σ_k ‖Σ_i α_ik f(x_i)‖² + Σ_i α_{i,y_i}
//! with  α_{i,y_i} ≤ C,  α_ik ≤ 0 for k ≠ y_i,  Σ_k α_ik = 0        logits = γ f(x̂) Σ_i f(x_i) α_i
//! ```
//! Lee et al., *Meta-Learning with Differentiable Convex Optimization*, 2019, §3.1; the machine is that of Crammer &
//! Singer 2001.
//!
//! With `α_i = C (y_i − p_i)` the constraints say that p_i is a distribution over the classes, so the dual is solved by
//! exponentiated gradient steps, which stay among distributions (`p ∝ exp(…)`) and can be differentiated:
//!
//! ```text
//! p ← softmax(log p − η ∇)        ∇ = C (y − C K (y − p)),  K = X Xᵀ,  η = 1/(C² ‖K‖_∞)
//! ```
//!
//! Differs from the paper: it solves the dual by an interior-point method and differentiates the optimality conditions;
//! here a fixed number of steps is differentiated. With this η no step makes the dual worse, but after few of them p is
//! still near uniform, where the classifier is that of centred class means.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor, Transpose};
use rekindle_nn::{Builder, Fans, Init};

use super::{Episode, Head};
use crate::inner::check_rate;
use crate::{Error, Result};

/// The head of MetaOptNet-SVM. Parameter: `scale [M, 1]`, γ, which begins at 1.
///
/// ```
/// use rekindle_meta::metric::{MetricLearner, Svm};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// let body = Conv4Body::new(Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() })?;
/// let learner = MetricLearner::new(body, Svm::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Svm {
    /// What an error costs, C `> 0`. Default 0.1, as in the paper's code.
    pub c: f64,
    /// Steps on the dual, `≥ 1`. Default 50.
    pub steps: usize,
}

impl Default for Svm {
    fn default() -> Self {
        Self { c: 0.1, steps: 50 }
    }
}

impl Svm {
    /// The dual variables α `[M, B, N]` of embeddings `x [M, B, F]` with classes `y [M, B, N]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn dual(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let kernel = x.product(Transpose::No, x, Transpose::Yes)?; // [M, B, B]
        let norm = kernel.abs()?.sum_keepdim(&[2])?.max_keepdim(1)?; // [M, 1, 1]
        // An embedding of zeros has no kernel; its classifier is zero, whatever the step.
        let rate = norm.shift(f64::MIN_POSITIVE.sqrt())?.scale(self.c)?.recip()?;
        let mut log_p = y.zeros_like()?;
        for _ in 0..self.steps {
            let rest = y.sub(&log_p.softmax()?)?;
            let slope = y.sub(&kernel.matmul(&rest)?.scale(self.c)?)?; // ∇/C
            log_p = log_p.sub(&slope.mul(&rate)?)?;
        }
        Ok(y.sub(&log_p.softmax()?)?.scale(self.c)?)
    }
}

impl Head for Svm {
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        let alpha = self.dual(&episode.support, &episode.one_hot)?;
        let kernel = episode.queries.product(Transpose::No, &episode.support, Transpose::Yes)?; // [M, Q, B]
        Ok(kernel.matmul(&alpha)?.mul(&params.get("scale")?.unsqueeze(2)?)?)
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        builder.draw("scale", &[1], Init::Ones, Fans::of(&[1]))?;
        Ok(builder.finish()?)
    }

    fn validate(&self) -> Result<()> {
        check_rate("c", self.c)?;
        if self.steps == 0 {
            return Err(Error::setting("steps", &0, "at least 1"));
        }
        Ok(())
    }
}
