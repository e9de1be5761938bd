//! The vision transformer.
//!
//! ```text
//! z₀ = [class; E p₁; …; E p_T] + positions                    p_t: the image's patches, row by row
//! z ← z + attention(norm z),   z ← z + mlp(norm z)            `depth` times
//! features = norm(z)[0]
//! ```
//! Dosovitskiy et al., *An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale*, 2021, eq. 1–4.
//! Differs from theirs: there is no dropout.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};

use crate::{
    Builder, Error, Fans, Init, Layer, LayerNorm, Linear, Model, MultiHeadAttention, MultiHeadAttentionConfig, Result,
};

/// Shape of a [`Vit`].
#[derive(Clone, Debug)]
pub struct VitConfig {
    /// Height and width of the images, multiples of `patch`.
    pub image: (usize, usize),
    /// Channels of the images: 1 for grey, 3 for colour.
    pub in_channels: usize,
    /// Height and width P of a patch, `≥ 1`.
    pub patch: usize,
    /// Width D of the tokens, a multiple of `heads`.
    pub width: usize,
    /// Blocks, `≥ 1`.
    pub depth: usize,
    /// Heads of each attention, `≥ 1`.
    pub heads: usize,
    /// Width of the hidden layer of each block's MLP, `≥ 1`.
    pub hidden: usize,
    /// Distribution of the weights in the blocks; biases start at 0. The patches' weights start as LeCun's normal
    /// distribution, positions as N(0, 0.02²), the class token and the head at 0, as in the paper's code.
    pub weight: Init,
}

impl Default for VitConfig {
    /// ViT-B/16: 224 × 224 in colour, patches of 16 × 16, 12 blocks of width 768 with 12 heads.
    fn default() -> Self {
        Self {
            image: (224, 224),
            in_channels: 3,
            patch: 16,
            width: 768,
            depth: 12,
            heads: 12,
            hidden: 3072,
            weight: Init::GlorotUniform,
        }
    }
}

impl VitConfig {
    /// A small one for 32 × 32 images in colour: patches of 4 × 4, 4 blocks of width 64 with 4 heads.
    #[must_use]
    pub fn small() -> Self {
        Self { image: (32, 32), patch: 4, width: 64, depth: 4, heads: 4, hidden: 128, ..Self::default() }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// If a size is zero, if patches do not divide the image, or heads the width.
    pub fn validate(&self) -> Result<()> {
        let (height, width) = self.image;
        let fits = |size: usize| size > 0 && self.patch > 0 && size.is_multiple_of(self.patch);
        if !fits(height) || !fits(width) {
            return Err(Error::config("image, patch", (self.image, self.patch), "at least 1, patches dividing images"));
        }
        if self.in_channels == 0 || self.depth == 0 || self.hidden == 0 {
            let sizes = (self.in_channels, self.depth, self.hidden);
            return Err(Error::config("in_channels, depth, hidden", sizes, "at least 1 each"));
        }
        self.attention().validate()
    }

    /// Number of patches T.
    #[must_use]
    pub fn patches(&self) -> usize {
        (self.image.0 / self.patch) * (self.image.1 / self.patch)
    }

    fn attention(&self) -> MultiHeadAttentionConfig {
        MultiHeadAttentionConfig { width: self.width, heads: self.heads, weight: self.weight }
    }
}

/// A vision transformer with a linear head: `x [M, B, H, W, C]` to logits `[M, B, N]`.
///
/// Parameters: `patch.weight [M, P·P·C, D]`, `patch.bias`, `class [M, D]`, `position [M, 1 + T, D]`; of every block
/// `block1.norm1.…`, `block1.attention.query.…` to `out`, `block1.norm2.…`, `block1.up.…`, `block1.down.…`; `norm.…`,
/// `head.…`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::{NormStats, Tensor};
/// use rekindle_nn::{Model, Vit, VitConfig};
///
/// let net = Vit::new(VitConfig { depth: 1, ..VitConfig::small() }, 5)?;
/// let params = net.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let x = Tensor::zeros((2, 3, 32, 32, 3), DType::F32, &Device::Cpu)?;
/// assert_eq!(net.embed(&params, &x)?.dims(), [2, 3, 64]);
/// assert_eq!(net.forward(&params, &x, NormStats::Batch)?.dims(), [2, 3, 5]);
/// # Ok::<(), rekindle_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vit {
    config: VitConfig,
    patch: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Vit {
    /// A classifier for `ways` classes.
    ///
    /// # Errors
    /// If the configuration is not valid, or if there are no ways.
    pub fn new(config: VitConfig, ways: usize) -> Result<Self> {
        config.validate()?;
        let inputs = config.patch * config.patch * config.in_channels;
        Ok(Self {
            patch: Linear::new("patch", inputs, config.width, Init::LeCunNormal, Some(Init::Zeros))?,
            blocks: (1..=config.depth).map(|index| Block::new(index, &config)).collect::<Result<_>>()?,
            norm: LayerNorm::new("norm", config.width, NORM_EPS)?,
            head: Linear::head(config.width, ways, Init::Zeros)?,
            config,
        })
    }

    /// Features `[M, B, D]` of images `[M, B, H, W, C]`: what the head sees.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn embed(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let mut z = self.tokens(params, x)?;
        for block in &self.blocks {
            z = block.forward(params, &z)?;
        }
        let class = z.narrow(2, 0, 1)?; // [M, B, 1, D]
        let (m, b) = (z.dim(0)?, z.dim(1)?);
        self.norm.forward(params, &class.reshape((m, b, self.config.width))?)
    }

    /// Whether a parameter belongs to the head.
    #[must_use]
    pub fn is_head(&self, name: &str) -> bool {
        self.head.owns(name)
    }

    /// `[M, B, H, W, C]` to `[M, B, 1 + T, D]`: the class token and the patches, at their positions.
    fn tokens(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let patches = self.patch.forward(params, &self.split(x)?)?; // [M, B, T, D]
        let (class, position) = (params.get("class")?, params.get("position")?);
        let &[m, b, t, d] = patches.dims() else { unreachable!("`split` answers four axes") };
        let tasks = m.max(class.dim(0)?);
        let class = class.reshape((class.dim(0)?, 1, 1, d))?.broadcast_to((tasks, b, 1, d))?;
        let z = Tensor::cat(&[&class, &patches.broadcast_to((tasks, b, t, d))?], 2)?;
        Ok(z.add(&position.reshape((position.dim(0)?, 1, t + 1, d))?)?)
    }

    /// Images `[M, B, H, W, C]` as rows of patches `[M, B, T, P·P·C]`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let VitConfig { image: (height, width), in_channels, patch: p, .. } = self.config;
        match *x.dims() {
            [m, b, h, w, c] if (h, w, c) == (height, width, in_channels) => {
                let cut = x.reshape(vec![m, b, h / p, p, w / p, p, c])?.permute(&[0, 1, 2, 4, 3, 5, 6])?;
                Ok(cut.reshape((m, b, self.config.patches(), p * p * c))?)
            }
            ref found => {
                let expected = format!("[M, B, {height}, {width}, {in_channels}]");
                Err(Error::shape("the image batch", found, expected))
            }
        }
    }
}

impl Model for Vit {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        let (class, position) = ([self.config.width], [1 + self.config.patches(), self.config.width]);
        self.patch.draw(&mut builder)?;
        builder.draw("class", &class, Init::Zeros, Fans::of(&class))?;
        builder.draw("position", &position, Init::Normal { std: 0.02 }, Fans::of(&position))?;
        self.blocks.iter().try_for_each(|block| block.draw(&mut builder))?;
        self.norm.draw(&mut builder)?;
        self.head.draw(&mut builder)?;
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, _stats: NormStats) -> Result<Tensor> {
        self.head.forward(params, &self.embed(params, x)?)
    }
}

/// ε of the paper's code.
const NORM_EPS: f64 = 1e-6;

/// Attention and an MLP, each behind a normalisation and beside a shortcut.
#[derive(Clone, Debug)]
struct Block {
    norm1: LayerNorm,
    attention: MultiHeadAttention,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(index: usize, config: &VitConfig) -> Result<Self> {
        let name = |part: &str| format!("block{index}.{part}");
        let norm = |part: &str| LayerNorm::new(&name(part), config.width, NORM_EPS);
        let linear = |part: &str, from, to| Linear::new(&name(part), from, to, config.weight, Some(Init::Zeros));
        Ok(Self {
            norm1: norm("norm1")?,
            attention: MultiHeadAttention::new(&name("attention"), config.attention())?,
            norm2: norm("norm2")?,
            up: linear("up", config.width, config.hidden)?,
            down: linear("down", config.hidden, config.width)?,
        })
    }

    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        let layers: [&dyn Layer; 5] = [&self.norm1, &self.attention, &self.norm2, &self.up, &self.down];
        layers.into_iter().try_for_each(|layer| layer.draw(builder))
    }

    /// `[M, B, T, D]` to the same.
    fn forward(&self, params: &Params, z: &Tensor) -> Result<Tensor> {
        let z = z.add(&self.attention.forward(params, &self.norm1.forward(params, z)?, None)?)?;
        let h = self.up.forward(params, &self.norm2.forward(params, &z)?)?.gelu()?; // [M, B, T, hidden]
        Ok(z.add(&self.down.forward(params, &h)?)?)
    }
}
