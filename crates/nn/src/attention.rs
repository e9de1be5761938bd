//! Attention.
//!
//! ```text
//! attention(Q, K, V) = softmax(Q Kᵀ/√D) V
//! ```
//! Vaswani et al., *Attention Is All You Need*, 2017, §3.2.

use candle_core::{DType, Device};
use rekindle_autodiff::{Params, Tensor, Transpose};

use crate::builder::join;
use crate::{Builder, Error, Init, Layer, Linear, Result};

/// Scaled dot-product attention: `queries [M, …, T, D]`, `keys [M, …, S, D]`, `values [M, …, S, E]` to
/// `[M, …, T, E]`.
///
/// `mask` is added to the scores `[M, …, T, S]` and broadcasts to them: 0 where a query may look, −∞ where it may not
/// ([`causal_mask`]). A query that may look nowhere comes out as NaN.
///
/// # Errors
/// If the shapes do not fit.
pub fn attention(queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let &[.., width] = queries.dims() else {
        return Err(Error::shape("the queries", queries.dims(), "[M, …, T, D]"));
    };
    // Scaling the queries is T·D products; the scores would be T·S.
    let queries = queries.scale(1.0 / (width as f64).sqrt())?;
    let scores = queries.product(Transpose::No, keys, Transpose::Yes)?; // [M, …, T, S]
    let scores = match mask {
        Some(mask) => scores.add(mask)?,
        None => scores,
    };
    Ok(scores.softmax()?.matmul(values)?)
}

/// The mask `[T, T]` under which step t sees the steps up to and including t: −∞ above the diagonal, else 0.
///
/// # Errors
/// If the device cannot allocate it.
pub fn causal_mask(steps: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let entry = |i: usize| if i % steps > i / steps { f32::NEG_INFINITY } else { 0.0 };
    let values: Vec<f32> = (0..steps * steps).map(entry).collect();
    Ok(Tensor::from_vec(values, (steps, steps))?.to_dtype(dtype)?.to_device(device)?)
}

/// Shape of a [`MultiHeadAttention`].
#[derive(Clone, Copy, Debug)]
pub struct MultiHeadAttentionConfig {
    /// Width D of what comes in and goes out, a multiple of `heads`.
    pub width: usize,
    /// Number of heads, `≥ 1`; each attends in D/heads dimensions.
    pub heads: usize,
    /// Distribution of the weights. Biases start at 0.
    pub weight: Init,
}

impl Default for MultiHeadAttentionConfig {
    /// The base model of Vaswani et al. 2017, 512 wide with 8 heads; Glorot's uniform distribution, as PyTorch's.
    fn default() -> Self {
        Self { width: 512, heads: 8, weight: Init::GlorotUniform }
    }
}

impl MultiHeadAttentionConfig {
    /// Checks the fields.
    ///
    /// # Errors
    /// If a size is zero, or if the heads do not divide the width.
    pub fn validate(&self) -> Result<()> {
        if self.heads == 0 || self.width == 0 || !self.width.is_multiple_of(self.heads) {
            return Err(Error::config(
                "width, heads",
                (self.width, self.heads),
                "at least 1, the width divisible by the heads",
            ));
        }
        self.weight.validate()
    }
}

/// Attention in several heads at once: each projects queries, keys and values to D/heads dimensions, and the heads'
/// results, side by side, are projected once more.
///
/// Parameters: linear layers `query`, `key`, `value`, `out`, each with `weight [M, D, D]` and `bias [M, D]`; head i has
/// columns `i·D/heads .. (i+1)·D/heads`.
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
}

impl MultiHeadAttention {
    /// A layer whose parameters stand below `name` (at the root if it is empty).
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(name: &str, config: MultiHeadAttentionConfig) -> Result<Self> {
        config.validate()?;
        let linear =
            |part| Linear::new(&join(name, part), config.width, config.width, config.weight, Some(Init::Zeros));
        Ok(Self {
            query: linear("query")?,
            key: linear("key")?,
            value: linear("value")?,
            out: linear("out")?,
            heads: config.heads,
        })
    }

    /// Self-attention: every step of `x [M, B, T, D]` looks at the steps that `mask` (see [`attention`]) lets it see.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn forward(&self, params: &Params, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        self.attend(params, x, x, mask)
    }

    /// Cross-attention: every step of `x [M, B, T, D]` looks at `memory [M, B, S, D]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn attend(&self, params: &Params, x: &Tensor, memory: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (keys, values) = self.keys_and_values(params, memory, memory)?;
        self.look(params, x, (&keys, &values), mask)
    }

    /// Projections of what keys and of what values are made of, both `[M, B, S, D]`, each to `[M, B, heads, S, D/heads]`:
    /// what a step looks at, to be kept where many steps look at the same.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn keys_and_values(&self, params: &Params, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let split = |linear: &Linear, x: &Tensor| self.split(&linear.forward(params, x)?);
        Ok((split(&self.key, keys)?, split(&self.value, values)?))
    }

    /// Every step of `x [M, B, T, D]` looks at keys and values `[M, B, heads, S, D/heads]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn look(
        &self,
        params: &Params,
        x: &Tensor,
        (keys, values): (&Tensor, &Tensor),
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let queries = self.split(&self.query.forward(params, x)?)?;
        let joined = attention(&queries, keys, values, mask)?.transpose(2, 3)?; // [M, B, T, heads, D/heads]
        let &[m, b, t, ..] = joined.dims() else { unreachable!("`split` answers five axes") };
        self.out.forward(params, &joined.reshape((m, b, t, self.out.inputs()))?)
    }

    /// `[M, B, T, D]` as `[M, B, heads, T, D/heads]`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let &[m, b, t, d] = x.dims() else {
            return Err(Error::shape("the sequence", x.dims(), "[M, B, T, D]"));
        };
        Ok(x.reshape((m, b, t, self.heads, d / self.heads))?.transpose(2, 3)?)
    }
}

impl Layer for MultiHeadAttention {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        [&self.query, &self.key, &self.value, &self.out].into_iter().try_for_each(|linear| linear.draw(builder))
    }
}
