//! The block of few-shot networks as one computation: 3×3 convolution, normalisation by the statistics of the batch,
//! ReLU and, where wanted, 2×2 max pooling.
//!
//! The statistics are taken while an image of the convolution is still in the cache. Normalisation is monotone in each
//! channel, so the raw convolution is pooled, by maximum or by minimum as the sign of γ says, and only what is left is
//! normalised: a quarter. The convolution has no bias, as the mean takes it away again.
//!
//! The gradient at the convolution's result is `s · scatter(u) + p · (y − μ) + q` with three numbers for each channel;
//! it is made for a few images at a time, used for both gradients, and forgotten.

mod backward;
mod forward;
mod grad_sums;
pub(crate) mod lanes;
mod moments;
mod normalise;
mod pool;
mod spread;

pub use backward::{BlockGrads, backward};
pub use forward::{Saved, forward};

use crate::conv::{ConvShape, Form};
use crate::error::check_len;
use crate::{Error, Result};

/// The sizes of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockShape {
    /// The convolution.
    pub conv: ConvShape,
    /// Whether 2×2 max pooling with stride 2 follows; an odd last row or column is left out of it.
    pub pool: bool,
    /// What is added to the variance.
    pub eps: f32,
}

/// What goes into a block, forward and backward.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// `[images, height, width, inputs]`.
    pub x: &'a [f32],
    /// `[3, 3, inputs, outputs]`.
    pub w: &'a [f32],
    /// The scale γ of each output channel.
    pub gamma: &'a [f32],
    /// The shift β of each output channel.
    pub beta: &'a [f32],
}

/// With this many input channels or fewer, to convolve again is cheaper than to keep the result and read it back.
const CHEAP_INPUTS: usize = 8;

impl BlockShape {
    /// `[images, rows, columns, outputs]` of the block's result.
    #[must_use]
    pub fn output(&self) -> [usize; 4] {
        let [images, rows, columns, outputs] = self.conv.output();
        if self.pool { [images, rows / 2, columns / 2, outputs] } else { [images, rows, columns, outputs] }
    }

    /// Whether the convolution's result is kept besides the pooled one.
    fn keeps_result(&self) -> bool {
        self.pool && self.conv.inputs > CHEAP_INPUTS
    }

    fn check(&self, kernel: &'static str, operands: &Operands<'_>) -> Result<()> {
        self.conv.check(kernel)?;
        check_len(kernel, "x", operands.x.len(), &self.conv.input())?;
        check_len(kernel, "w", operands.w.len(), &self.conv.weight())?;
        check_len(kernel, "gamma", operands.gamma.len(), &[self.conv.outputs])?;
        check_len(kernel, "beta", operands.beta.len(), &[self.conv.outputs])?;
        if self.eps >= 0.0 { Ok(()) } else { Err(Error::shape(kernel, format!("eps is {}, below zero", self.eps))) }
    }

    /// The groups of images that are convolved at once.
    fn groups(&self, form: Form) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (images, group) = (self.conv.images, form.group(&self.conv));
        (0..images).step_by(group).map(move |first| first..images.min(first + group))
    }
}

/// Elements of one image of these sizes.
fn image([_, height, width, channels]: [usize; 4]) -> usize {
    height * width * channels
}

/// Some images of a slice of them.
fn images(range: &std::ops::Range<usize>, image: usize) -> std::ops::Range<usize> {
    range.start * image..range.end * image
}
