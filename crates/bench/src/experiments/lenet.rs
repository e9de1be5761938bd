//! The small convolutional net of the experiments on digits.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{BatchNorm, Builder, Conv2d, Conv2dConfig, Init, Layer, Model, Result};

/// Blocks of a 5×5 convolution, ReLU and 2×2 max pooling, and the last grid flattened: `x [M, B, H, W, C]` to `[M, B, F]`.
/// Ganin et al. 2016, Figure 4a, with 32 and 48 channels.
#[derive(Clone, Debug)]
pub(super) struct LeNet {
    blocks: Vec<(Conv2d, Option<BatchNorm>)>,
    features: usize,
}

const KERNEL: usize = 5;

impl LeNet {
    /// On square images of `side` pixels and `inputs` channels; a block for each number of channels. A `normalised` net
    /// puts batch normalisation, with the statistics of the batch at hand, between a convolution and its ReLU.
    pub(super) fn new(mut side: usize, inputs: usize, channels: &[usize], normalised: bool) -> Result<Self> {
        let (mut blocks, mut last) = (Vec::new(), inputs);
        for (i, &outputs) in channels.iter().enumerate() {
            let config = Conv2dConfig {
                kernel: KERNEL,
                inputs: last,
                outputs,
                stride: 1,
                padding: 0,
                weight: Init::HeNormal,
                bias: Some(Init::Zeros),
            };
            let i = i + 1;
            let norm = normalised.then(|| BatchNorm::new(&format!("norm{i}"), outputs, BatchNorm::EPS)).transpose()?;
            blocks.push((Conv2d::new(&format!("conv{i}"), config)?, norm));
            side = side.saturating_sub(KERNEL - 1) / 2;
            last = outputs;
        }
        Ok(Self { blocks, features: side * side * last })
    }

    /// F.
    pub(super) fn features(&self) -> usize {
        self.features
    }
}

impl Model for LeNet {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        for (conv, norm) in &self.blocks {
            conv.draw(&mut builder)?;
            norm.iter().try_for_each(|norm| norm.draw(&mut builder))?;
        }
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        let mut h = x.clone();
        for (conv, norm) in &self.blocks {
            h = conv.forward(params, &h)?;
            if let Some(norm) = norm {
                h = norm.forward(params, &h, stats)?;
            }
            // ReLU is monotone, so pooling first gives the same at a quarter of the work.
            h = h.max_pool2d(2, 2)?.relu()?;
        }
        Ok(h.reshape((h.dim(0)?, h.dim(1)?, self.features))?)
    }
}
