//! Siamese networks: two images, one net, and whether they are of one class.
//!
//! ```text
//! verification:  s = b − Σ_j α_j |f(x)_j − f(x̂)_j|,  p(same) = σ(s), binary cross-entropy
//! contrastive:   d = ‖f(x) − f(x̂)‖,  L = d² where same, max(0, margin − d)² where not
//! ```
//! Koch, Zemel & Salakhutdinov, *Siamese Neural Networks for One-shot Image Recognition*, 2015, §3; Hadsell, Chopra &
//! LeCun, *Dimensionality Reduction by Learning an Invariant Mapping*, 2006, eq. 4.
//!
//! Differs from the papers: the pairs are those of a query and a support example of an episode, with the pairs of one
//! class and those of two counting half each, where the papers draw as many of either kind; losses lack the factor ½; the
//! body is what one likes, Koch's being convolutions of 105×105 pixels with a wide affine layer, without normalisation.
//! A query is given to the class whose examples it is nearest to in the mean.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor, Transpose};
use rekindle_nn::{Builder, Fans, Init};

use super::{Episode, Head};
use crate::{Error, Result};

/// What a pair costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PairLoss {
    /// Binary cross-entropy of a weighted distance, Koch et al. 2015. Parameters: `alpha [M, F, 1]` and `bias [M, 1]`.
    /// They begin at `1/√F` and 1, so that small distances mean the same class from the beginning.
    Verification {
        /// Features F of the body, `≥ 1`.
        features: usize,
    },
    /// Pairs of one class pull, others push up to a margin, Hadsell et al. 2006. No parameters.
    Contrastive {
        /// Distance from which two classes are far enough apart, `> 0`.
        margin: f64,
        /// Whether both terms are squared, as in the paper, or not, as it is often written.
        squared: bool,
    },
}

/// The head of Siamese networks.
///
/// ```
/// use rekindle_meta::metric::{MetricLearner, PairLoss, Siamese};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// let config = Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() };
/// let head = Siamese { loss: PairLoss::Verification { features: config.features() } };
/// let learner = MetricLearner::new(Conv4Body::new(config)?, head)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Siamese {
    /// What a pair costs.
    pub loss: PairLoss,
}

/// Added to squared distances, so that a distance of zero has a derivative.
const TINY: f64 = 1e-12;

impl Siamese {
    /// How much alike each query and support example are, `[M, Q, B]`: s, or −d.
    fn pairs(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        let (queries, support) = (episode.queries.unsqueeze(2)?, episode.support.unsqueeze(1)?);
        let difference = queries.sub(&support)?; // [M, Q, B, F]
        match self.loss {
            PairLoss::Verification { .. } => {
                let distance = difference.abs()?.linear(params.get("alpha")?, None)?.squeeze(3)?; // [M, Q, B]
                let bias = params.get("bias")?.unsqueeze(2)?; // [M, 1, 1]
                Ok(bias.sub(&distance)?)
            }
            PairLoss::Contrastive { .. } => Ok(difference.sqr()?.sum(&[3])?.shift(TINY)?.sqrt()?.neg()?),
        }
    }

    /// Losses of pairs `[M, Q, B]`, were they of one class, and were they not.
    fn costs(&self, alike: &Tensor) -> Result<(Tensor, Tensor)> {
        match self.loss {
            // −log σ(s) and −log σ(−s)
            PairLoss::Verification { .. } => Ok((alike.neg()?.softplus()?, alike.softplus()?)),
            PairLoss::Contrastive { margin, squared } => {
                let (pull, push) = (alike.neg()?, alike.shift(margin)?.relu()?);
                Ok(if squared { (pull.sqr()?, push.sqr()?) } else { (pull, push) })
            }
        }
    }
}

impl Head for Siamese {
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        let pairs = self.pairs(params, episode)?;
        Ok(pairs.product(Transpose::No, &episode.shares()?, Transpose::No)?) // [M, Q, N]
    }

    /// Half the mean cost of the pairs of one class, and half that of all others.
    fn loss(&self, params: &Params, episode: &Episode, labels: &Value) -> Result<Tensor> {
        let pairs = self.pairs(params, episode)?;
        let (m, q) = (pairs.dim(0)?, pairs.dim(1)?);
        let like = Tensor::zeros((m, q, episode.ways()?), pairs.dtype(), pairs.device())?;
        let classes = Tensor::one_hot(labels, &like)?;
        let same = classes.product(Transpose::No, &episode.one_hot, Transpose::Yes)?; // [M, Q, B]
        let (if_same, if_not) = self.costs(&pairs)?;
        let mean = |cost: &Tensor, chosen: &Tensor| -> Result<Tensor> {
            // An episode of one way has no pair of two classes; there the sum is zero, too.
            let count = chosen.sum(&[1, 2])?.clamp(1.0, f64::INFINITY)?;
            Ok(cost.mul(chosen)?.sum(&[1, 2])?.div(&count)?)
        };
        Ok(mean(&if_same, &same)?.add(&mean(&if_not, &same.affine(-1.0, 1.0)?)?)?.scale(0.5)?)
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        if let PairLoss::Verification { features } = self.loss {
            let fans = Fans { input: features, output: 1 };
            builder.draw("alpha", &[features, 1], Init::Constant(1.0 / (features as f64).sqrt()), fans)?;
            builder.draw("bias", &[1], Init::Ones, fans)?;
        }
        Ok(builder.finish()?)
    }

    fn validate(&self) -> Result<()> {
        match self.loss {
            PairLoss::Verification { features: 0 } => Err(Error::setting("features", &0, "at least 1")),
            PairLoss::Contrastive { margin, .. } if !(margin > 0.0 && margin.is_finite()) => {
                Err(Error::setting("margin", &margin, "a finite number above 0"))
            }
            _ => Ok(()),
        }
    }
}
