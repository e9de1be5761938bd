//! Baselines: classifiers that are fitted to a support set without any learning to learn.
//!
//! ```text
//! nearest neighbour:    the class of the nearest support example
//! logistic regression:  min over W, b of  mean_i −log softmax(u_i W + b)[y_i] + ‖W‖²/(2 C B),  u = f(x)/‖f(x)‖
//! ```
//! On raw pixels ([`Flatten`](rekindle_nn::Flatten)) or on the features of a [`Pretrained`](super::Pretrained) net. Chen
//! et al., *A Closer Look at Few-shot Classification*, 2019; Tian et al., *Rethinking Few-Shot Image Classification: a Good
//! Embedding Is All You Need?*, 2020, §3.3, whose regression is scikit-learn's with C = 1.
//!
//! Differs from Tian et al.: a fixed number of accelerated gradient steps in place of L-BFGS.

use rekindle_autodiff::{Params, Tensor, Transpose};

use super::distance::unit;
use super::{Distance, Episode, Head};
use crate::inner::check_rate;
use crate::{Error, Result};

/// The class of the nearest support example. No parameters.
///
/// ```
/// use rekindle_autodiff::Params;
/// use rekindle_meta::{EvalConfig, evaluate, metric::{MetricLearner, NearestNeighbour}};
/// use rekindle_nn::Flatten;
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs};
/// let learner = MetricLearner::new(Flatten, NearestNeighbour::default())?;
/// let episodes = FewShotSampler::new(Glyphs::default(), FewShot::default())?;
/// let pixels = evaluate(&learner, &Params::new([])?, &episodes, &EvalConfig { n_tasks: 20, ..EvalConfig::default() })?;
/// assert!(pixels.mean > 0.25); // better than chance, 0.2
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearestNeighbour {
    /// What is near. Default: the cosine, as the pixel baseline of Vinyals et al. 2016.
    pub distance: Distance,
}

impl Default for NearestNeighbour {
    fn default() -> Self {
        Self { distance: Distance::Cosine { scale: 1.0 } }
    }
}

impl Head for NearestNeighbour {
    fn logits(&self, _params: &Params, episode: &Episode) -> Result<Tensor> {
        let scores = self.distance.similarities(&episode.queries, &episode.support)?;
        Ok(episode.by_class(&scores)?.max_keepdim(3)?.squeeze(3)?)
    }

    fn validate(&self) -> Result<()> {
        self.distance.validate()
    }
}

/// Multinomial logistic regression on embeddings of length 1, fitted to each support set. No parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticRegression {
    /// Inverse of the regularisation's strength, C `> 0`. Default 1.
    pub c: f64,
    /// Accelerated gradient steps, `≥ 1`. Default 100.
    pub steps: usize,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        Self { c: 1.0, steps: 100 }
    }
}

impl LogisticRegression {
    /// Weights `[M, F, N]` and biases `[M, N]` for embeddings `u [M, B, F]` of length 1 with classes `y [M, B, N]`.
    ///
    /// Nesterov's method from zero. A softmax's Hessian is at most ½, and a row with a one beside it is `√2` long, so the
    /// slope's slope is at most 1 and that of the regularisation.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn fit(&self, u: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
        let &[m, rows, features] = u.dims() else {
            return Err(Error::Batch { message: format!("embeddings are [M, B, F], not {:?}", u.dims()) });
        };
        let (n, decay) = (y.dim(2)?, 1.0 / (self.c * rows as f64));
        let rate = 1.0 / (1.0 + decay);
        let zeros = |dims: &[usize]| Tensor::zeros(dims, u.dtype(), u.device());
        let (mut w, mut b) = (zeros(&[m, features, n])?, zeros(&[m, n])?);
        let (mut ahead_w, mut ahead_b) = (w.clone(), b.clone());
        for step in 0..self.steps {
            let rest = u.linear(&ahead_w, Some(&ahead_b))?.softmax()?.sub(y)?.scale(1.0 / rows as f64)?; // [M, B, N]
            let slope = u.product(Transpose::Yes, &rest, Transpose::No)?.add_scaled(&ahead_w, decay)?;
            let next_w = ahead_w.add_scaled(&slope, -rate)?;
            let next_b = ahead_b.add_scaled(&rest.sum(&[1])?, -rate)?;
            let momentum = step as f64 / (step as f64 + 3.0);
            ahead_w = next_w.add_scaled(&next_w.sub(&w)?, momentum)?;
            ahead_b = next_b.add_scaled(&next_b.sub(&b)?, momentum)?;
            (w, b) = (next_w, next_b);
        }
        Ok((w, b))
    }
}

impl Head for LogisticRegression {
    fn logits(&self, _params: &Params, episode: &Episode) -> Result<Tensor> {
        let (w, b) = self.fit(&unit(&episode.support)?, &episode.one_hot)?;
        Ok(unit(&episode.queries)?.linear(&w, Some(&b))?)
    }

    fn validate(&self) -> Result<()> {
        check_rate("c", self.c)?;
        if self.steps == 0 {
            return Err(Error::setting("steps", &0, "at least 1"));
        }
        Ok(())
    }
}
