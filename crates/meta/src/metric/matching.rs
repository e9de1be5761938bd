//! Matching networks: attention over the support set.
//!
//! ```text
//! p(n | x̂) = Σ_{i of class n} a(x̂, x_i)        a(x̂, x_i) = softmax_i c(f(x̂), g(x_i))        c: the cosine
//! ```
//! Vinyals et al., *Matching Networks for One Shot Learning*, 2016, §2.1. With *full context embeddings* (§2.1.2 and
//! appendix A) f and g see the whole support set: [`FullContext`].
//!
//! Differs from the paper: f and g are one network, as in its experiments; the cosine may be scaled.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};

use super::{Distance, Episode, FullContext, Head};
use crate::Result;

/// The head of matching networks. Its logits are the logarithms of the class's attention.
///
/// ```
/// use rekindle_meta::metric::{Distance, FullContext, Matching, MetricLearner};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// let config = Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() };
/// let context = FullContext::new(config.features(), 5)?;
/// let head = Matching { distance: Distance::Cosine { scale: 10.0 }, context: Some(context) };
/// let learner = MetricLearner::new(Conv4Body::new(config)?, head)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Matching {
    /// What attention is the softmax of. Default: the cosine, with the paper's scale, 1.
    pub distance: Distance,
    /// Full context embeddings, whose outcome depends on the order of the support set; `None`: the default.
    pub context: Option<FullContext>,
}

impl Default for Matching {
    fn default() -> Self {
        Self { distance: Distance::Cosine { scale: 1.0 }, context: None }
    }
}

impl Matching {
    /// How much attention each query pays to each support example, `a(x̂, x_i)`, `[M, Q, B]`: rows that sum to 1. `params`
    /// are the head's own.
    ///
    /// # Errors
    /// If the embedding does not fit the head.
    pub fn attention(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        Ok(self.scores(params, episode)?.softmax()?)
    }

    /// What attention is the softmax of, `[M, Q, B]`.
    fn scores(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        match &self.context {
            None => self.distance.similarities(&episode.queries, &episode.support),
            Some(context) => {
                let support = context.support(params, &episode.support)?;
                let queries = context.queries(params, &episode.queries, &support)?;
                self.distance.similarities(&queries, &support)
            }
        }
    }
}

impl Head for Matching {
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        let scores = self.scores(params, episode)?;
        Ok(episode.by_class(&scores)?.logsumexp()?) // [M, Q, N], up to a term that all classes share
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        match &self.context {
            Some(context) => context.init(rng, dtype, device),
            None => Ok(Params::new([])?),
        }
    }

    fn validate(&self) -> Result<()> {
        self.distance.validate()
    }
}
