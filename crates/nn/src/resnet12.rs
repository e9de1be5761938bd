//! ResNet-12: the residual net of few-shot learning.
//!
//! ```text
//! block:  h = φ(norm(conv x)),  h = φ(norm(conv h)),  y = pool φ(norm(conv h) + norm(conv₁ₓ₁ x))       φ: leaky ReLU
//! ```
//! Lee, Maji, Ravichandran & Soatto, *Meta-Learning with Differentiable Convex Optimization*, 2019, §4.1; four such
//! blocks. Differs from theirs: there is no DropBlock, and statistics are those of the batch at hand.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};

use crate::{BatchNorm, Builder, Conv2d, Conv2dConfig, Error, Init, Layer, Linear, Model, Result};

const BLOCKS: usize = 4;

/// Shape of a [`ResNet12`] or [`ResNet12Body`].
#[derive(Clone, Debug)]
pub struct ResNet12Config {
    /// Height and width of the images, at least 16.
    pub image: (usize, usize),
    /// Channels of the images: 1 for grey, 3 for colour.
    pub in_channels: usize,
    /// Channels of the four blocks, `≥ 1` each.
    pub widths: [usize; BLOCKS],
    /// Slope of φ below zero, in `[0, 1]`: 0.1.
    pub slope: f64,
    /// Whether the features are the mean over the last grid rather than all of it.
    pub mean: bool,
    /// ε of the batch normalisation, `> 0`.
    pub norm_eps: f64,
    /// Distribution of the head's weights. Its bias starts at 0.
    pub head: Init,
}

impl Default for ResNet12Config {
    /// Lee et al.'s net for miniImageNet: 84 × 84 in colour, 64, 160, 320 and 640 channels, all of the last 5 × 5 grid.
    fn default() -> Self {
        Self {
            image: (84, 84),
            in_channels: 3,
            widths: [64, 160, 320, 640],
            slope: 0.1,
            mean: false,
            norm_eps: BatchNorm::EPS,
            head: Init::FanInUniform,
        }
    }
}

impl ResNet12Config {
    /// A quarter of the channels, 32 × 32 in colour and the mean over the last grid: 777 thousand weights, which a CPU
    /// trains on CIFAR-FS.
    #[must_use]
    pub fn small() -> Self {
        Self { image: (32, 32), widths: [16, 40, 80, 160], mean: true, ..Self::default() }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// If a size is zero, if the slope is out of range, or if the images do not survive four halvings.
    pub fn validate(&self) -> Result<()> {
        let (height, width) = self.image;
        if self.in_channels == 0 || self.widths.contains(&0) {
            return Err(Error::config("in_channels, widths", (self.in_channels, self.widths), "at least 1 each"));
        }
        if !(0.0..=1.0).contains(&self.slope) {
            return Err(Error::config("slope", self.slope, "in [0, 1]"));
        }
        if self.grid().0 == 0 || self.grid().1 == 0 {
            return Err(Error::ImageTooSmall { height, width });
        }
        self.head.validate()
    }

    /// The number of features F that the four blocks answer.
    #[must_use]
    pub fn features(&self) -> usize {
        let (height, width) = if self.mean { (1, 1) } else { self.grid() };
        height * width * self.widths[BLOCKS - 1]
    }

    /// Height and width of the image after the last block.
    fn grid(&self) -> (usize, usize) {
        (self.image.0 >> BLOCKS, self.image.1 >> BLOCKS)
    }
}

/// The four blocks without a head: `x [M, B, H, W, C]` to features `[M, B, F]`.
///
/// Parameters: `block1.conv1.weight`, `block1.norm1.gamma`, `block1.norm1.beta`, … `conv3`, `norm3`, and of the
/// shortcut `block1.skip.weight`, `block1.skip_norm.gamma`, `block1.skip_norm.beta`; …; `block4.…`.
#[derive(Clone, Debug)]
pub struct ResNet12Body {
    config: ResNet12Config,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    /// Three in a row, and the shortcut beside them.
    path: [(Conv2d, BatchNorm); 3],
    skip: (Conv2d, BatchNorm),
    slope: f64,
}

impl Block {
    fn new(index: usize, config: &ResNet12Config) -> Result<Self> {
        let outputs = config.widths[index];
        let inputs = if index == 0 { config.in_channels } else { config.widths[index - 1] };
        let part = |conv: &str, norm: &str, kernel: usize, inputs: usize| {
            // As their code: N(0, 2/n), where n counts the outputs of a weight's neighbours.
            let weight = Init::Normal { std: (2.0 / (kernel * kernel * outputs) as f64).sqrt() };
            let conv_config =
                Conv2dConfig { kernel, inputs, outputs, stride: 1, padding: kernel / 2, weight, bias: None };
            let name = |part: &str| format!("block{}.{part}", index + 1);
            Ok::<_, Error>((
                Conv2d::new(&name(conv), conv_config)?,
                BatchNorm::new(&name(norm), outputs, config.norm_eps)?,
            ))
        };
        Ok(Self {
            path: [
                part("conv1", "norm1", 3, inputs)?,
                part("conv2", "norm2", 3, outputs)?,
                part("conv3", "norm3", 3, outputs)?,
            ],
            skip: part("skip", "skip_norm", 1, inputs)?,
            slope: config.slope,
        })
    }

    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        for (conv, norm) in self.path.iter().chain([&self.skip]) {
            conv.draw(builder)?;
            norm.draw(builder)?;
        }
        Ok(())
    }

    /// `[M, B, H, W, Cin]` to `[M, B, H/2, W/2, Cout]`.
    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        let normalised =
            |(conv, norm): &(Conv2d, BatchNorm), x: &Tensor| norm.forward(params, &conv.forward(params, x)?, stats);
        let [first, second, third] = &self.path;
        let h = normalised(first, x)?.leaky_relu(self.slope)?;
        let h = normalised(second, &h)?.leaky_relu(self.slope)?;
        let sum = normalised(third, &h)?.add(&normalised(&self.skip, x)?)?;
        // φ rises, so pooling first gives the same at a quarter of the work.
        Ok(sum.max_pool2d(2, 2)?.leaky_relu(self.slope)?)
    }
}

impl ResNet12Body {
    /// Four blocks of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: ResNet12Config) -> Result<Self> {
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
        self.blocks.iter().try_for_each(|block| block.draw(builder))
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let ((height, width), channels) = (self.config.image, self.config.in_channels);
        match *x.dims() {
            [_, _, h, w, c] if (h, w, c) == (height, width, channels) => Ok(()),
            ref found => Err(Error::shape("the image batch", found, format!("[M, B, {height}, {width}, {channels}]"))),
        }
    }
}

impl Model for ResNet12Body {
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
        if self.config.mean {
            return Ok(h.mean(&[2, 3])?); // [M, B, C]
        }
        let (m, b) = (h.dim(0)?, h.dim(1)?);
        Ok(h.reshape((m, b, self.features()))?) // [M, B, H'·W'·C]
    }
}

/// The four blocks and a linear head: `x [M, B, H, W, C]` to logits `[M, B, N]`.
///
/// Parameters: those of [`ResNet12Body`], then `head.weight` and `head.bias`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::{NormStats, Tensor};
/// use rekindle_nn::{Model, ResNet12, ResNet12Config};
///
/// let config = ResNet12Config { image: (16, 16), widths: [2, 3, 4, 5], ..ResNet12Config::small() };
/// let net = ResNet12::new(config, 5)?;
/// let params = net.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let x = Tensor::zeros((2, 3, 16, 16, 3), DType::F32, &Device::Cpu)?;
/// assert_eq!(net.forward(&params, &x, NormStats::Batch)?.dims(), [2, 3, 5]);
/// # Ok::<(), rekindle_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResNet12 {
    body: ResNet12Body,
    head: Linear,
}

impl ResNet12 {
    /// A classifier for `ways` classes.
    ///
    /// # Errors
    /// If the configuration is not valid, or if there are no ways.
    pub fn new(config: ResNet12Config, ways: usize) -> Result<Self> {
        let head_init = config.head;
        let body = ResNet12Body::new(config)?;
        let head = Linear::head(body.features(), ways, head_init)?;
        Ok(Self { body, head })
    }

    /// The four blocks; they take the same parameters, of which they ignore the head's.
    #[must_use]
    pub fn body(&self) -> &ResNet12Body {
        &self.body
    }

    /// Whether a parameter belongs to the head.
    #[must_use]
    pub fn is_head(&self, name: &str) -> bool {
        self.head.owns(name)
    }
}

impl Model for ResNet12 {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.body.draw(&mut builder)?;
        self.head.draw(&mut builder)?;
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        self.head.forward(params, &self.body.forward(params, x, stats)?)
    }
}
