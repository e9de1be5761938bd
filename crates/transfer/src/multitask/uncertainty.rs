//! Losses weighted by learned uncertainty.
//!
//! ```text
//! L = Σ_t c_t e^{−s_t} L_t + s_t/2        s_t = log σ_t²        c_t = ½ for a regression, 1 for a classification
//! ```
//! Kendall, Gal & Cipolla, *Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics*, 2018,
//! eqs. 7 and 10. As the authors advise, s is learned, not σ. For classification the equation is their approximation. At
//! the optimum `e^{s_t} = 2 c_t L_t`.

use candle_core::{DType, Device};
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::Loss;

use crate::{Error, Result};

/// The weights of several losses, learned beside the model: merge [`init`](Self::init) into its parameters.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_autodiff::Tensor;
/// use rekindle_meta::Loss;
/// use rekindle_transfer::UncertaintyWeights;
///
/// let weights = UncertaintyWeights::new(vec![Loss::MeanSquaredError, Loss::CrossEntropy])?;
/// let params = weights.init(DType::F64, &Device::Cpu)?; // s = 0: the weights are ½ and 1
/// let losses = [Tensor::from_vec(vec![3f64], 1)?, Tensor::from_vec(vec![0.5f64], 1)?]; // each [M]
/// assert_eq!(weights.total(&params, &losses)?.to_vec_f64()?, [2.0]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UncertaintyWeights {
    kinds: Vec<Loss>,
}

const LEAF: &str = "log_variance";

impl UncertaintyWeights {
    /// For losses of these kinds.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(kinds: Vec<Loss>) -> Result<Self> {
        if kinds.is_empty() {
            return Err(Error::setting("kinds", "[]", "at least one loss"));
        }
        Ok(Self { kinds })
    }

    /// `log_variance [1, T]`, zeros.
    ///
    /// # Errors
    /// If the device cannot allocate it.
    pub fn init(&self, dtype: DType, device: &Device) -> Result<Params> {
        let zeros = Tensor::zeros((1, self.kinds.len()), dtype, device)?;
        Ok(Params::new([(LEAF.to_owned(), zeros)])?)
    }

    /// The weighted sum `[M]` of losses `[M]`.
    ///
    /// # Errors
    /// If there are more or fewer losses than kinds, or if `log_variance` is missing.
    pub fn total(&self, params: &Params, losses: &[Tensor]) -> Result<Tensor> {
        if losses.len() != self.kinds.len() {
            let value = format!("{} losses", losses.len());
            return Err(Error::setting("losses", value, "as many as the weights were made for"));
        }
        let s = params.get(LEAF)?; // [M, T]
        let factor = |kind: &Loss| if *kind == Loss::MeanSquaredError { 0.5 } else { 1.0 };
        let mut sum = s.sum(&[1])?.scale(0.5)?; // [M]
        for (t, (kind, loss)) in self.kinds.iter().zip(losses).enumerate() {
            let weight = s.narrow(1, t, 1)?.squeeze(1)?.neg()?.exp()?.scale(factor(kind))?; // [M]
            sum = sum.add(&weight.mul(loss)?)?;
        }
        Ok(sum)
    }
}
