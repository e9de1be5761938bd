//! Two-dimensional convolution of images in the order NHWC.

use rekindle_autodiff::{Params, Tensor};

use crate::builder::join;
use crate::{Builder, Error, Fans, Init, Layer, Result};

/// Sizes and initialisers of a [`Conv2d`].
#[derive(Clone, Copy, Debug)]
pub struct Conv2dConfig {
    /// Height and width of the square kernel, `≥ 1`.
    pub kernel: usize,
    /// Input channels, `≥ 1`.
    pub inputs: usize,
    /// Output channels, `≥ 1`.
    pub outputs: usize,
    /// Step between two windows, `≥ 1`.
    pub stride: usize,
    /// Rows and columns of zeros added on every side.
    pub padding: usize,
    /// Distribution of the kernel.
    pub weight: Init,
    /// Distribution of the bias; `None`: no bias.
    pub bias: Option<Init>,
}

/// `x [M, B, H, W, Cin]` to `[M, B, H', W', Cout]`, with `weight [M, KH, KW, Cin, Cout]` and, if there is one,
/// `bias [M, Cout]`; `H' = ⌊(H + 2·padding − kernel)/stride⌋ + 1`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: String,
    bias: Option<String>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// A layer whose parameters are called `name.weight` and `name.bias`.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(name: &str, config: Conv2dConfig) -> Result<Self> {
        if config.kernel == 0 || config.inputs == 0 || config.outputs == 0 || config.stride == 0 {
            return Err(Error::config("kernel, inputs, outputs, stride", config, "at least 1 each"));
        }
        Ok(Self { weight: join(name, "weight"), bias: config.bias.map(|_| join(name, "bias")), config })
    }

    /// `[M, B, H, W, Cin]` to `[M, B, H', W', Cout]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let y = x.conv2d(params.get(&self.weight)?, self.config.stride, self.config.padding)?;
        let Some(name) = &self.bias else { return Ok(y) };
        let bias = params.get(name)?;
        let per_image = (bias.dim(0)?, 1, 1, 1, self.config.outputs);
        Ok(y.add(&bias.reshape(per_image)?)?)
    }

    /// Kernel, stride and padding, for a block that convolves as part of a larger operation; a bias is not among them.
    pub(crate) fn parts<'a>(&self, params: &'a Params) -> Result<(&'a Tensor, usize, usize)> {
        Ok((params.get(&self.weight)?, self.config.stride, self.config.padding))
    }
}

impl Layer for Conv2d {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        let Conv2dConfig { kernel, inputs, outputs, weight, bias, .. } = self.config;
        let dims = [kernel, kernel, inputs, outputs];
        builder.draw(&self.weight, &dims, weight, Fans::of(&dims))?;
        match (&self.bias, bias) {
            (Some(name), Some(init)) => builder.draw(name, &[outputs], init, Fans::of(&dims)),
            _ => Ok(()),
        }
    }
}
