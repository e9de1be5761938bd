//! Prototypical networks: a class is the mean of its examples.
//!
//! ```text
//! c_n = mean of f(x) over the support examples of class n        p(n | x̂) = softmax_n −‖f(x̂) − c_n‖²
//! ```
//! Snell, Swersky & Zemel, *Prototypical Networks for Few-shot Learning*, 2017, Algorithm 1.

use rekindle_autodiff::{Params, Tensor};

use super::{Distance, Episode, Head};
use crate::Result;

/// The head of prototypical networks. It has no parameters.
///
/// ```
/// use rekindle_meta::metric::{MetricLearner, Prototypical};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// // The paper's net for Omniglot: four blocks of 64 channels with max pooling.
/// let body = Conv4Body::new(Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() })?;
/// let learner = MetricLearner::new(body, Prototypical::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prototypical {
    /// How near a query is to a prototype. Default: squared Euclidean, which the paper finds best.
    pub distance: Distance,
}

impl Default for Prototypical {
    fn default() -> Self {
        Self { distance: Distance::SquaredEuclidean }
    }
}

impl Head for Prototypical {
    fn logits(&self, _params: &Params, episode: &Episode) -> Result<Tensor> {
        self.distance.similarities(&episode.queries, &episode.class_means()?)
    }

    fn validate(&self) -> Result<()> {
        self.distance.validate()
    }
}
