//! Ranking losses: the right description should score above the others, by a margin.
//!
//! ```text
//! v_c = Δ + F(x, c) − F(x, y)  for c ≠ y
//! DeViSE  Σ_c max(0, v_c)
//! SJE     max(0, max_c v_c)
//! ALE     l_r / r · Σ_c max(0, v_c),   r = #{c: v_c > 0},   l_r = Σ_{i ≤ r} 1/i
//! ```
//! Frome et al., *DeViSE: A Deep Visual-Semantic Embedding Model*, 2013, eq. 1; Akata, Reed, Walter, Lee & Schiele,
//! *Evaluation of Output Embeddings for Fine-Grained Image Classification*, 2015, eq. 5; Akata, Perronnin, Harchaoui &
//! Schmid, *Label-Embedding for Image Classification*, 2016, eq. 11. Xian et al. 2019 compare them in this form.

use candle_core::Tensor as Value;
use rekindle_autodiff::Tensor;

use crate::Result;
use crate::error::not_negative;

/// Which classes are pushed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// All that come too near: DeViSE.
    Sum,
    /// The one that comes nearest: SJE.
    Worst,
    /// All that come too near, weighted so that the top of the list counts most: ALE. The weight is a constant.
    Weighted,
}

/// A ranking loss with its margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankingLoss {
    /// Which classes are pushed down.
    pub ranking: Ranking,
    /// Δ, `≥ 0`.
    pub margin: f64,
}

impl RankingLoss {
    /// DeViSE, with the paper's margin of 0.1 (for descriptions and features of unit length).
    pub const DEVISE: Self = Self { ranking: Ranking::Sum, margin: 0.1 };
    /// SJE, with a margin of 1: the 0/1 loss of the paper.
    pub const SJE: Self = Self { ranking: Ranking::Worst, margin: 1.0 };
    /// ALE, with a margin of 1.
    pub const ALE: Self = Self { ranking: Ranking::Weighted, margin: 1.0 };

    /// The loss `[M]` of scores `[M, B, N]` for labels `[M, B]`, a mean over the examples.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a negative margin, or if the shapes do not fit.
    pub fn of(&self, scores: &Tensor, labels: &Value) -> Result<Tensor> {
        not_negative("margin", self.margin)?;
        let right = Tensor::one_hot(labels, scores)?; // [M, B, N]
        let other = right.affine(-1.0, 1.0)?;
        let own = scores.mul(&right)?.sum_keepdim(&[2])?; // [M, B, 1]
        let violation = scores.sub(&own)?.shift(self.margin)?.relu()?.mul(&other)?; // [M, B, N]
        let each = match self.ranking {
            Ranking::Sum => violation.sum(&[2])?,
            Ranking::Worst => violation.max_keepdim(2)?.squeeze(2)?,
            Ranking::Weighted => violation.sum(&[2])?.mul(&rank_weights(&violation)?)?,
        };
        Ok(each.mean(&[1])?)
    }
}

/// `l_r / r`, `[M, B]`, from violations `[M, B, N]`; 0 where there are none.
fn rank_weights(violation: &Tensor) -> Result<Tensor> {
    let n = violation.dims()[2];
    let weights: Vec<f64> =
        violation.to_vec_f64()?.chunks(n).map(|row| weight(row.iter().filter(|v| **v > 0.0).count())).collect();
    let value = Value::from_vec(weights, &violation.dims()[..2], &candle_core::Device::Cpu)?;
    Ok(Tensor::new(value.to_dtype(violation.dtype())?.to_device(violation.device())?))
}

/// `(1 + 1/2 + … + 1/r) / r`.
fn weight(r: usize) -> f64 {
    if r == 0 { 0.0 } else { (1..=r).map(|i| 1.0 / i as f64).sum::<f64>() / r as f64 }
}
