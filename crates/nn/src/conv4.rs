//! Conv4: the four-block convolutional net of few-shot learning.
//!
//! Vinyals et al. 2016 and Snell, Swersky & Zemel 2017 use it with max pooling; Finn, Abbeel & Levine 2017 with strides
//! on Omniglot, and with max pooling (and 32 channels) on miniImageNet.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{ConvBlock, NormStats, Params, Tensor};

use crate::{BatchNorm, Builder, Conv2d, Conv2dConfig, Error, Init, Layer, Linear, Model, Result};

const BLOCKS: usize = 4;

/// How each block halves the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downsampling {
    /// Convolution with stride 2 (sizes are rounded up: 28, 14, 7, 4, 2), and the mean over the last grid: C features.
    ///
    /// TensorFlow, which MAML used, pads only below and on the right where the size is even; here there is one row and
    /// column of zeros on every side, as in PyTorch.
    Stride2,
    /// 2×2 max pooling (sizes are rounded down: 28, 14, 7, 3, 1), and the last grid flattened in the order H, W, C.
    MaxPool,
    /// 2×2 max pooling in the first two blocks alone (28, 14, 7, 7, 7), and the last grid flattened in the order H, W, C:
    /// the embedding of relation networks (Sung et al. 2018), whose first two blocks have no padding (28, 13, 5, 5, 5).
    MaxPoolTwice,
}

impl Downsampling {
    /// Whether a block, counted from 0, ends in max pooling.
    fn pools(self, block: usize) -> bool {
        match self {
            Self::Stride2 => false,
            Self::MaxPool => true,
            Self::MaxPoolTwice => block < 2,
        }
    }
}

/// Shape of a [`Conv4`] or [`Conv4Body`].
#[derive(Clone, Debug)]
pub struct Conv4Config {
    /// How each block halves the image.
    pub downsampling: Downsampling,
    /// Height and width of the images, any size that survives the halvings: at least 16 with max pooling in all blocks, 4
    /// with max pooling in two.
    pub image: (usize, usize),
    /// Channels of the images: 1 for grey, 3 for colour.
    pub in_channels: usize,
    /// Channels C of each block, `≥ 1`.
    pub channels: usize,
    /// ε of the batch normalisation in each block, `> 0`; `None`: no normalisation, and convolutions with a bias.
    ///
    /// Under batch normalisation there is no bias: the mean is taken away again, so its gradient is exactly zero.
    pub norm_eps: Option<f64>,
    /// Distribution of the convolutions' weights. Biases start at 0.
    pub conv: Init,
    /// Distribution of the head's weights. Its bias starts at 0.
    pub head: Init,
}

impl Default for Conv4Config {
    /// [`omniglot`](Self::omniglot).
    fn default() -> Self {
        Self::omniglot()
    }
}

impl Conv4Config {
    /// MAML's net for Omniglot: strides, 28×28 grey images, 64 channels; as in its published code Glorot's uniform
    /// distribution for the convolutions, N(0, 1) for the head, and ε = 1e-3 (TensorFlow's default).
    #[must_use]
    pub fn omniglot() -> Self {
        Self {
            downsampling: Downsampling::Stride2,
            image: (28, 28),
            in_channels: 1,
            channels: 64,
            norm_eps: Some(1e-3),
            conv: Init::GlorotUniform,
            head: Init::Normal { std: 1.0 },
        }
    }

    /// MAML's net for miniImageNet: max pooling, 84×84 colour images, 32 channels; Glorot's uniform distribution
    /// throughout, ε = 1e-3.
    #[must_use]
    pub fn mini_imagenet() -> Self {
        Self {
            downsampling: Downsampling::MaxPool,
            image: (84, 84),
            in_channels: 3,
            channels: 32,
            head: Init::GlorotUniform,
            ..Self::omniglot()
        }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// If a size is zero, or if the images do not survive the four halvings.
    pub fn validate(&self) -> Result<()> {
        let (height, width) = self.image;
        if height == 0 || width == 0 || self.in_channels == 0 || self.channels == 0 {
            let sizes = (self.image, self.in_channels, self.channels);
            return Err(Error::config("image, in_channels, channels", sizes, "at least 1 each"));
        }
        if self.grid().0 == 0 || self.grid().1 == 0 {
            if self.downsampling == Downsampling::MaxPoolTwice {
                return Err(Error::config("image", self.image, "at least 4×4 where two blocks pool"));
            }
            return Err(Error::ImageTooSmall { height, width });
        }
        self.conv.validate()?;
        self.head.validate()
    }

    /// Height and width of the image after the last block.
    #[must_use]
    pub fn grid(&self) -> (usize, usize) {
        let side = |size: usize| match self.downsampling {
            Downsampling::Stride2 => size.div_ceil(1 << BLOCKS),
            Downsampling::MaxPool => size >> BLOCKS,
            Downsampling::MaxPoolTwice => size >> 2,
        };
        (side(self.image.0), side(self.image.1))
    }

    /// The number of features F that the four blocks answer.
    #[must_use]
    pub fn features(&self) -> usize {
        match self.downsampling {
            Downsampling::Stride2 => self.channels,
            Downsampling::MaxPool | Downsampling::MaxPoolTwice => self.grid().0 * self.grid().1 * self.channels,
        }
    }
}

/// The four blocks without a head: `x [M, B, H, W, Cin]` to features `[M, B, F]`. The embedding of prototypical
/// networks.
///
/// Parameters: `block1.conv.weight`, `block1.norm.gamma`, `block1.norm.beta`, …, `block4.…`.
#[derive(Clone, Debug)]
pub struct Conv4Body {
    config: Conv4Config,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    conv: Conv2d,
    norm: Option<BatchNorm>,
    pool: bool,
}

impl Block {
    fn new(index: usize, config: &Conv4Config) -> Result<Self> {
        let conv = Conv2dConfig {
            kernel: 3,
            inputs: if index == 0 { config.in_channels } else { config.channels },
            outputs: config.channels,
            stride: if config.downsampling == Downsampling::Stride2 { 2 } else { 1 },
            padding: 1,
            weight: config.conv,
            bias: config.norm_eps.is_none().then_some(Init::Zeros),
        };
        let name = format!("block{}", index + 1);
        let norm = |eps| BatchNorm::new(&format!("{name}.norm"), config.channels, eps);
        Ok(Self {
            conv: Conv2d::new(&format!("{name}.conv"), conv)?,
            norm: config.norm_eps.map(norm).transpose()?,
            pool: config.downsampling.pools(index),
        })
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        // The papers pool after the ReLU. It is monotone, so pooling first gives the same at a quarter of the work.
        let Some(norm) = &self.norm else {
            let h = self.conv.forward(params, x)?;
            return Ok(if self.pool { h.max_pool2d(2, 2)?.relu()? } else { h.relu()? });
        };
        let (weight, stride, padding) = self.conv.parts(params)?;
        let (gamma, beta, eps) = norm.parts(params)?;
        Ok(x.conv_block(weight, gamma, beta, ConvBlock { stride, padding, eps, stats, pool: self.pool })?)
    }
}

impl Conv4Body {
    /// Four blocks of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: Conv4Config) -> Result<Self> {
        config.validate()?;
        let blocks = (0..BLOCKS).map(|i| Block::new(i, &config)).collect::<Result<_>>()?;
        Ok(Self { config, blocks })
    }

    /// The number of features F.
    #[must_use]
    pub fn features(&self) -> usize {
        self.config.features()
    }

    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        for block in &self.blocks {
            block.conv.draw(builder)?;
            if let Some(norm) = &block.norm {
                norm.draw(builder)?;
            }
        }
        Ok(())
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let (height, width) = self.config.image;
        match *x.dims() {
            [_, _, h, w, c] if (h, w, c) == (height, width, self.config.in_channels) => Ok(()),
            ref found => {
                let expected = format!("[M, B, {height}, {width}, {}]", self.config.in_channels);
                Err(Error::shape("the image batch", found, expected))
            }
        }
    }
}

impl Model for Conv4Body {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.draw(&mut builder)?;
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        self.check(x)?;
        let mut h = x.clone();
        for block in &self.blocks {
            h = block.forward(params, &h, stats)?;
        }
        let (m, b) = (h.dim(0)?, h.dim(1)?);
        Ok(match self.config.downsampling {
            Downsampling::Stride2 => h.mean(&[2, 3])?, // [M, B, C]
            _ => h.reshape((m, b, self.features()))?,  // [M, B, H'·W'·C]
        })
    }
}

/// The four blocks and a linear head: `x [M, B, H, W, Cin]` to logits `[M, B, N]`.
///
/// Parameters: those of [`Conv4Body`], then `head.weight` and `head.bias`.
#[derive(Clone, Debug)]
pub struct Conv4 {
    body: Conv4Body,
    head: Linear,
}

impl Conv4 {
    /// A classifier for `ways` classes.
    ///
    /// # Errors
    /// If the configuration is not valid, or if there are no ways.
    pub fn new(config: Conv4Config, ways: usize) -> Result<Self> {
        let head_init = config.head;
        let body = Conv4Body::new(config)?;
        let head = Linear::head(body.features(), ways, head_init)?;
        Ok(Self { body, head })
    }

    /// The four blocks; they take the same parameters, of which they ignore the head's.
    #[must_use]
    pub fn body(&self) -> &Conv4Body {
        &self.body
    }

    /// Features `[M, B, F]`: what the head sees.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn embed(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        self.body.forward(params, x, stats)
    }

    /// Logits `[M, B, N]` of features `[M, B, F]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn classify(&self, params: &Params, features: &Tensor) -> Result<Tensor> {
        self.head.forward(params, features)
    }

    /// Whether a parameter belongs to the head: what ANIL adapts (Raghu et al. 2020).
    #[must_use]
    pub fn is_head(&self, name: &str) -> bool {
        self.head.owns(name)
    }
}

impl Model for Conv4 {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.body.draw(&mut builder)?;
        self.head.draw(&mut builder)?;
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        self.classify(params, &self.embed(params, x, stats)?)
    }
}
