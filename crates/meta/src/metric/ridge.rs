//! Ridge regression as the last layer, fitted to the support set in closed form: R2-D2.
//!
//! ```text
//! W = (Xᵀ X + λI)⁻¹ Xᵀ Y = Xᵀ (X Xᵀ + λI)⁻¹ Y        logits = α f(x̂) W
//! ```
//! for embeddings X `[B, F]` and one-hot classes Y `[B, N]`; λ and α are learned with the body. Bertinetto et al.,
//! *Meta-learning with Differentiable Closed-form Solvers*, 2019, §3.2. The second form, Woodbury's, solves a system of
//! as many rows as examples; where there are more examples than features the first one is used.
//!
//! Differs from the paper: the bias β is left out, since a term that all classes share changes no probability; λ is kept
//! above zero by learning its logarithm.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor, Transpose};
use rekindle_nn::{Builder, Fans, Init};

use super::{Episode, Head};
use crate::Result;
use crate::inner::check_rate;

/// The head of R2-D2. Parameters: `log_lambda [M, 1]` and `scale [M, 1]`.
///
/// ```
/// use rekindle_meta::metric::{MetricLearner, Ridge};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// let body = Conv4Body::new(Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() })?;
/// let learner = MetricLearner::new(body, Ridge::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ridge {
    /// Where λ begins, `> 0`. Default 1.
    pub lambda: f64,
    /// Where α begins, `> 0`. Default 1.
    pub scale: f64,
}

impl Default for Ridge {
    fn default() -> Self {
        Self { lambda: 1.0, scale: 1.0 }
    }
}

impl Head for Ridge {
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        let lambda = params.get("log_lambda")?.exp()?.unsqueeze(2)?; // [M, 1, 1]
        let (x, y, queries) = (&episode.support, &episode.one_hot, &episode.queries);
        let (examples, features) = (x.dim(1)?, x.dim(2)?);
        let logits = if examples <= features {
            let gram = x.product(Transpose::No, x, Transpose::Yes)?; // [M, B, B]
            let dual = ridged(&gram, &lambda)?.solve_spd(y)?; // [M, B, N]
            queries.product(Transpose::No, x, Transpose::Yes)?.matmul(&dual)?
        } else {
            let gram = x.product(Transpose::Yes, x, Transpose::No)?; // [M, F, F]
            let weights = ridged(&gram, &lambda)?.solve_spd(&x.product(Transpose::Yes, y, Transpose::No)?)?;
            queries.matmul(&weights)?
        };
        Ok(logits.mul(&params.get("scale")?.unsqueeze(2)?)?) // [M, Q, N]
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        let fans = Fans::of(&[1]);
        builder.draw("log_lambda", &[1], Init::Constant(self.lambda.ln()), fans)?;
        builder.draw("scale", &[1], Init::Constant(self.scale), fans)?;
        Ok(builder.finish()?)
    }

    fn validate(&self) -> Result<()> {
        check_rate("lambda", self.lambda)?;
        check_rate("scale", self.scale)
    }
}

/// `A + λI` for `a [M, n, n]` and `lambda [M, 1, 1]`.
fn ridged(a: &Tensor, lambda: &Tensor) -> Result<Tensor> {
    let n = a.dim(1)?;
    let diagonal = (0..n * n).map(|i| f64::from(u8::from(i % (n + 1) == 0))).collect::<Vec<_>>();
    let identity = Tensor::from_vec(diagonal, (1, n, n))?.to_dtype(a.dtype())?.to_device(a.device())?;
    Ok(a.add(&identity.mul(lambda)?)?)
}
