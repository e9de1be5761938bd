//! Normalisation layers. Statistics are each task's own.

use rekindle_autodiff::{NormStats, Params, Tensor};

use crate::builder::join;
use crate::{Builder, Error, Fans, Init, Layer, Result};

/// Batch normalisation (Ioffe & Szegedy 2015) with the statistics of the batch at hand:
///
/// ```text
/// y = γ (x − μ)/√(σ² + ε) + β
/// ```
///
/// μ and σ² are taken for each task and channel over examples and pixels, in evaluation too, as in MAML: there are no
/// running averages. [`NormStats`] says over which examples. With `NormStats::Batch` a prediction is *transductive*, it
/// depends on the other queries; `NormStats::FirstRows(n)`, with the n support examples put before the queries, is not.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    affine: Affine,
}

/// Layer normalisation (Ba, Kiros & Hinton 2016): the same formula with μ and σ² over the last axis of each example.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    affine: Affine,
}

/// What both have: γ and β `[M, C]`, and ε.
#[derive(Clone, Debug)]
struct Affine {
    gamma: String,
    beta: String,
    channels: usize,
    eps: f64,
}

impl Affine {
    fn new(name: &str, channels: usize, eps: f64) -> Result<Self> {
        if channels == 0 {
            return Err(Error::config("channels", channels, "at least 1"));
        }
        if !(eps.is_finite() && eps > 0.0) {
            return Err(Error::config("eps", eps, "finite and above 0"));
        }
        Ok(Self { gamma: join(name, "gamma"), beta: join(name, "beta"), channels, eps })
    }

    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        let dims = [self.channels];
        builder.draw(&self.gamma, &dims, Init::Ones, Fans::of(&dims))?;
        builder.draw(&self.beta, &dims, Init::Zeros, Fans::of(&dims))
    }

    /// γ and β, and `x` repeated to their tasks if it has only one.
    fn get<'a>(&self, params: &'a Params, x: &Tensor) -> Result<(&'a Tensor, &'a Tensor, Tensor)> {
        let (gamma, beta) = (params.get(&self.gamma)?, params.get(&self.beta)?);
        let mut dims = x.dims().to_vec();
        if let Some(m @ 1) = dims.first_mut() {
            *m = gamma.dim(0)?.max(beta.dim(0)?);
        }
        Ok((gamma, beta, x.broadcast_to(dims)?))
    }
}

impl BatchNorm {
    /// ε of PyTorch. TensorFlow's is 1e-3.
    pub const EPS: f64 = 1e-5;

    /// A layer whose parameters are called `name.gamma` (starts at 1) and `name.beta` (starts at 0).
    ///
    /// # Errors
    /// If there is no channel, or if ε is not above 0.
    pub fn new(name: &str, channels: usize, eps: f64) -> Result<Self> {
        Ok(Self { affine: Affine::new(name, channels, eps)? })
    }

    /// `[M, B, …, C]` normalised.
    ///
    /// # Errors
    /// If the shapes do not fit, if a parameter is missing, or if `stats` asks for more rows than there are.
    pub fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        let (gamma, beta, x) = self.affine.get(params, x)?;
        Ok(x.batch_norm(gamma, beta, self.affine.eps, stats)?)
    }

    /// γ, β and ε, for a block that normalises as part of a larger operation.
    pub(crate) fn parts<'a>(&self, params: &'a Params) -> Result<(&'a Tensor, &'a Tensor, f64)> {
        let Affine { gamma, beta, eps, .. } = &self.affine;
        Ok((params.get(gamma)?, params.get(beta)?, *eps))
    }
}

impl Layer for BatchNorm {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        self.affine.draw(builder)
    }
}

impl LayerNorm {
    /// ε of PyTorch.
    pub const EPS: f64 = 1e-5;

    /// A layer whose parameters are called `name.gamma` (starts at 1) and `name.beta` (starts at 0).
    ///
    /// # Errors
    /// If there is no channel, or if ε is not above 0.
    pub fn new(name: &str, channels: usize, eps: f64) -> Result<Self> {
        Ok(Self { affine: Affine::new(name, channels, eps)? })
    }

    /// `[M, …, C]` normalised.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let (gamma, beta, x) = self.affine.get(params, x)?;
        Ok(x.layer_norm(gamma, beta, self.affine.eps)?)
    }
}

impl Layer for LayerNorm {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        self.affine.draw(builder)
    }
}
