//! An encoder for pictures: RL²'s eye.
//!
//! ```text
//! e = [ relu(W f(o) + b) | rest ]        f: two convolutions of 16 kernels 5×5, stride 2, with ReLU
//! ```
//! Duan et al., *RL²*, 2016, §3.3 for the convolutions and the 256 features. What stands behind the picture (last action,
//! last reward, end of the episode, as `Augment` lays them out) passes by as it is: the recurrent network's first product
//! embeds it. Padding the paper does not state; here windows lie inside of the picture.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Builder, Conv2d, Conv2dConfig, Init, Layer, Linear, Model};

use super::net::FeedForward;
use crate::error::at_least_one;
use crate::{Error, Result};

const CHANNELS: usize = 16;
const KERNEL: usize = 5;
const STRIDE: usize = 2;

/// From a picture `[H, W, C]` and what follows it, flat in `[H·W·C + rest]`, to `[features + rest]`: leaves `conv1.…`,
/// `conv2.…`, `fc.…`.
#[derive(Clone, Debug)]
struct Picture {
    shape: [usize; 3],
    convs: [Conv2d; 2],
    fc: Linear,
}

impl FeedForward {
    /// The encoder of RL²'s first-person agent for pictures `[H, W, C]` of 13 × 13 pixels at least, with `rest` numbers
    /// behind each: two convolutions (16 kernels of 5 × 5, stride 2, ReLU), then `features` of them (256 in the paper),
    /// and the `rest`. Weights are drawn as PyTorch draws them.
    ///
    /// # Errors
    /// If the picture is too small, or if a size is zero.
    pub fn picture([h, w, c]: [usize; 3], rest: usize, features: usize) -> Result<Self> {
        at_least_one("features", features)?;
        let [height, width] = [h, w].map(|side| convolved(convolved(side)));
        if height * width * c == 0 {
            return Err(Error::shape(
                "the picture",
                &[h, w, c],
                "[H, W, C] with H and W of 13 at least, C of 1 at least",
            ));
        }
        let conv = |name, inputs| {
            let (weight, bias) = (Init::FanInUniform, Some(Init::FanInUniform));
            let sizes =
                Conv2dConfig { kernel: KERNEL, inputs, outputs: CHANNELS, stride: STRIDE, padding: 0, weight, bias };
            Conv2d::new(name, sizes)
        };
        let convs = [conv("conv1", c)?, conv("conv2", CHANNELS)?];
        let inputs = height * width * CHANNELS;
        let fc = Linear::new("fc", inputs, features, Init::FanInUniform, Some(Init::FanInUniform))?;
        Self::new(Picture { shape: [h, w, c], convs, fc }, &[h * w * c + rest], features + rest)
    }
}

/// Windows along a side; none where the side is too short.
fn convolved(side: usize) -> usize {
    side.checked_sub(KERNEL).map_or(0, |room| room / STRIDE + 1)
}

impl Model for Picture {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_nn::Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.convs.iter().try_for_each(|conv| conv.draw(&mut builder))?;
        self.fc.draw(&mut builder)?;
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, _stats: NormStats) -> rekindle_nn::Result<Tensor> {
        let [h, w, c] = self.shape;
        let (m, b, size) = (x.dim(0)?, x.dim(1)?, x.dim(2)?);
        let mut maps = x.narrow(2, 0, h * w * c)?.contiguous()?.reshape((m, b, h, w, c))?; // [M, B, H, W, C]
        for conv in &self.convs {
            maps = conv.forward(params, &maps)?.relu()?;
        }
        // The leaves may have tasks where the picture has none.
        let features = self.fc.forward_relu(params, &maps.reshape((maps.dim(0)?, b, self.fc.inputs()))?)?;
        if size == h * w * c {
            return Ok(features);
        }
        let rest = x.narrow(2, h * w * c, size - h * w * c)?; // [M, B, rest]
        let tasks = features.dim(0)?;
        let rest = if tasks == m { rest } else { rest.broadcast_to((tasks, b, size - h * w * c))? };
        Ok(Tensor::cat(&[&features, &rest], 2)?)
    }
}
