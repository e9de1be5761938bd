//! A decoder of the GPT family: layers of causal self-attention over a sequence of vectors.
//!
//! ```text
//! h⁰ = x + p                                   p: one learned vector a position
//! a  = hˡ + attention(norm(hˡ))                each step sees itself and those before it
//! hˡ⁺¹ = a + W₂ φ(W₁ norm(a) + b₁) + b₂
//! y  = norm(hᴸ)
//! ```
//! Radford et al., *Language Models are Unsupervised Multitask Learners*, 2019 (GPT-2): normalisation before each part
//! and once at the end. Differs from it: vectors go in and come out, without an embedding of words or a head; GELU is the
//! exact one, not its approximation by tanh; the weights before an addition are not made smaller with the depth.

mod cache;
mod config;
mod mask;

pub use cache::KvCache;
pub use config::TransformerConfig;
pub use mask::Look;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};

use crate::builder::join;
use crate::{
    Activation, Builder, Error, Fans, Init, Layer, LayerNorm, Linear, Model, MultiHeadAttention,
    MultiHeadAttentionConfig, Result,
};

/// Layers of causal self-attention.
///
/// Parameters: `positions [M, T, D]`, and for each layer `layer1.norm1`, `layer1.attend`, `layer1.norm2`, `layer1.up`,
/// `layer1.down`; at the end `norm`.
///
/// A [`KvCache`] keeps what later steps see of earlier ones, so that a step costs what a step costs:
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::Tensor;
/// use rekindle_nn::{Layer, Look, Transformer, TransformerConfig};
///
/// let net = Transformer::new("", TransformerConfig { context: 8, ..TransformerConfig::tiny() })?;
/// let params = net.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let prompt = Tensor::ones((1, 2, 5, 64), DType::F32, &Device::Cpu)?; // [M, B, T, D]
/// let (_, cache) = net.extend(&params, &prompt, None, Look::Causal)?;
/// let next = Tensor::zeros((1, 2, 1, 64), DType::F32, &Device::Cpu)?;
/// let (y, cache) = net.extend(&params, &next, Some(&cache), Look::Causal)?;
/// assert_eq!((y.dims(), cache.steps()), (&[1, 2, 1, 64][..], 6));
/// # Ok::<(), rekindle_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transformer {
    config: TransformerConfig,
    positions: String,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

/// One layer.
#[derive(Clone, Debug)]
struct Block {
    norms: [LayerNorm; 2],
    attend: MultiHeadAttention,
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl Transformer {
    /// A transformer whose parameters stand below `name` (at the root if it is empty).
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(name: &str, config: TransformerConfig) -> Result<Self> {
        config.validate()?;
        let block = |i| Block::new(&join(name, &format!("layer{}", i + 1)), &config);
        Ok(Self {
            positions: join(name, "positions"),
            blocks: (0..config.layers).map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(&join(name, "norm"), config.width, LayerNorm::EPS)?,
            config,
        })
    }

    /// Its sizes.
    #[must_use]
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Outputs `[M, B, T, D]` of a whole sequence `x [M, B, T, D]`; output t depends on the inputs 0 to t.
    ///
    /// # Errors
    /// [`Error::TooLong`] for more steps than there are positions; if the shapes do not fit, or if a parameter is missing.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        Ok(self.extend(params, x, None, Look::Causal)?.0)
    }

    /// Outputs `[M, B, T, D]` of steps `x [M, B, T, D]` that come after those in the cache, and the keys and values of all
    /// that were seen. With [`Look::Causal`] the outputs are those of the whole sequence in one [`forward`](Self::forward).
    ///
    /// # Errors
    /// As [`forward`](Self::forward); if the cache is that of another model.
    pub fn extend(&self, params: &Params, x: &Tensor, past: Option<&KvCache>, look: Look) -> Result<(Tensor, KvCache)> {
        let seen = past.map_or(0, KvCache::steps);
        let steps = self.check(x, past, look)?;
        let mask = look.mask(seen, steps, x.dtype(), x.device())?;
        let mut h = x.add(&self.places(params, look, (seen, steps))?)?;
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            let (out, kept) = block.forward(params, &h, past.map(|past| &past.layers()[i]), &mask)?;
            layers.push(kept);
            h = out;
        }
        Ok((self.norm.forward(params, &h)?, KvCache::new(layers)))
    }

    /// The steps of `x`, once everything is known to fit.
    fn check(&self, x: &Tensor, past: Option<&KvCache>, look: Look) -> Result<usize> {
        let width = self.config.width;
        let steps = match *x.dims() {
            [_, _, steps, d] if d == width && steps > 0 => steps,
            ref found => return Err(Error::shape("the sequence", found, format!("[M, B, T, {width}] with T ≥ 1"))),
        };
        if let Some(past) = past.filter(|past| past.layers().len() != self.blocks.len()) {
            let found = [past.layers().len()];
            return Err(Error::shape(
                "the cache",
                &found,
                format!("one entry for each of {} layers", self.blocks.len()),
            ));
        }
        let last = look.last_position(past.map_or(0, KvCache::steps), steps)?;
        if last >= self.config.context {
            return Err(Error::TooLong { steps: last + 1, context: self.config.context });
        }
        Ok(steps)
    }

    /// The vectors of the steps' positions, `[M, 1, T or 1, D]`.
    fn places(&self, params: &Params, look: Look, (seen, steps): (usize, usize)) -> Result<Tensor> {
        let (start, len) = look.positions(seen, steps);
        let places = params.get(&self.positions)?.narrow(1, start, len)?;
        if len == 1 || len == steps {
            return Ok(places.unsqueeze(1)?);
        }
        let last = places.narrow(1, len - 1, 1)?;
        let last = last.broadcast_to((last.dim(0)?, steps - len, self.config.width))?;
        Ok(Tensor::cat(&[&places, &last], 1)?.unsqueeze(1)?)
    }
}

impl Layer for Transformer {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        let dims = [self.config.context, self.config.width];
        builder.draw(&self.positions, &dims, self.config.positions, Fans::of(&dims))?;
        self.blocks.iter().try_for_each(|block| block.draw(builder))?;
        self.norm.draw(builder)
    }
}

/// As a model it maps `x [M, B, T, D]` to `[M, B, T, D]`.
impl Model for Transformer {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Layer::init(self, rng, dtype, device)
    }

    fn forward(&self, params: &Params, x: &Tensor, _stats: NormStats) -> Result<Tensor> {
        self.forward(params, x)
    }
}

impl Block {
    fn new(name: &str, config: &TransformerConfig) -> Result<Self> {
        let &TransformerConfig { width, heads, hidden, weight, activation, .. } = config;
        let linear = |part, from, to| Linear::new(&join(name, part), from, to, weight, Some(Init::Zeros));
        let norm = |part| LayerNorm::new(&join(name, part), width, LayerNorm::EPS);
        Ok(Self {
            norms: [norm("norm1")?, norm("norm2")?],
            attend: MultiHeadAttention::new(&join(name, "attend"), MultiHeadAttentionConfig { width, heads, weight })?,
            up: linear("up", width, hidden)?,
            down: linear("down", hidden, width)?,
            activation,
        })
    }

    /// The layer's outputs, and the keys and values of all steps that were seen.
    fn forward(
        &self,
        params: &Params,
        h: &Tensor,
        past: Option<&(Tensor, Tensor)>,
        mask: &Tensor,
    ) -> Result<(Tensor, (Tensor, Tensor))> {
        let x = self.norms[0].forward(params, h)?;
        let (mut keys, mut values) = self.attend.keys_and_values(params, &x, &x)?;
        if let Some((past_keys, past_values)) = past {
            (keys, values) = (Tensor::cat(&[past_keys, &keys], 3)?, Tensor::cat(&[past_values, &values], 3)?);
        }
        let h = h.add(&self.attend.look(params, &x, (&keys, &values), Some(mask))?)?;
        let x = self.norms[1].forward(params, &h)?;
        let x = match self.activation {
            Activation::Relu => self.up.forward_relu(params, &x)?,
            other => other.apply(&self.up.forward(params, &x)?)?,
        };
        Ok((h.add(&self.down.forward(params, &x)?)?, (keys, values)))
    }

    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        let [before, between] = &self.norms;
        before.draw(builder)?;
        self.attend.draw(builder)?;
        between.draw(builder)?;
        self.up.draw(builder)?;
        self.down.draw(builder)
    }
}
