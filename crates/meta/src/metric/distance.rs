//! How near two embedded examples are.

use rekindle_autodiff::{Tensor, Transpose};

use crate::{Error, Result};

/// A measure of nearness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// `−‖a − b‖²`. Under it the class of the nearest mean is a linear classifier (Snell et al. 2017, §2.4).
    SquaredEuclidean,
    /// `scale · aᵀb / (‖a‖ ‖b‖)`.
    Cosine {
        /// Inverse temperature of the softmax that follows, `> 0`. Vinyals et al. 2016 has none, that is 1, which keeps
        /// the probabilities of five classes below 0.65; about 10 in later work (Gidaris & Komodakis 2018).
        scale: f64,
    },
}

/// Added to squared lengths, so that an embedding of zero has a direction's gradient, zero.
const TINY: f64 = 1e-12;

impl Distance {
    /// Checks the scale.
    ///
    /// # Errors
    /// If it is not above 0.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Cosine { scale } if !(scale > 0.0 && scale.is_finite()) => {
                Err(Error::setting("scale", &scale, "a finite number above 0"))
            }
            _ => Ok(()),
        }
    }

    /// How near each of `queries [M, Q, F]` is to each of `anchors [M, S, F]`: `[M, Q, S]`, larger for nearer.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn similarities(self, queries: &Tensor, anchors: &Tensor) -> Result<Tensor> {
        match self {
            Self::SquaredEuclidean => {
                let cross = queries.product(Transpose::No, anchors, Transpose::Yes)?; // [M, Q, S]
                let ours = queries.sqr()?.sum_keepdim(&[2])?; // [M, Q, 1]
                let theirs = anchors.sqr()?.sum(&[2])?.unsqueeze(1)?; // [M, 1, S]
                Ok(cross.scale(2.0)?.sub(&ours)?.sub(&theirs)?)
            }
            Self::Cosine { scale } => {
                let (queries, anchors) = (unit(queries)?.scale(scale)?, unit(anchors)?);
                Ok(queries.product(Transpose::No, &anchors, Transpose::Yes)?)
            }
        }
    }
}

/// Every row `[…, F]` at length 1.
pub(crate) fn unit(z: &Tensor) -> rekindle_autodiff::Result<Tensor> {
    let last = z.rank().saturating_sub(1);
    z.div(&z.sqr()?.sum_keepdim(&[last])?.shift(TINY)?.sqrt()?)
}
