//! The sizes of a convolution.

use super::direct::{BLOCK, FEW, Planes};
use crate::{Error, Result};

/// The sizes of a 3×3 convolution with one pixel of zeros around the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// How many images.
    pub images: usize,
    /// Rows of the image that goes in.
    pub height: usize,
    /// Columns of the image that goes in.
    pub width: usize,
    /// Channels that go in.
    pub inputs: usize,
    /// Channels that come out.
    pub outputs: usize,
    /// Pixels from one window to the next: 1 or 2.
    pub stride: usize,
}

/// A group has about this many pixels: enough that starting a kernel costs nothing, few enough for the cache.
const GROUP: usize = 256;

impl ConvShape {
    /// Rows of the image that comes out: `(height − 1) / stride + 1`.
    #[must_use]
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride.max(1))
    }

    /// Columns of the image that comes out: `(width − 1) / stride + 1`.
    #[must_use]
    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride.max(1))
    }

    /// `[images, height, width, inputs]`.
    #[must_use]
    pub fn input(&self) -> [usize; 4] {
        [self.images, self.height, self.width, self.inputs]
    }

    /// `[images, out_height, out_width, outputs]`.
    #[must_use]
    pub fn output(&self) -> [usize; 4] {
        [self.images, self.out_height(), self.out_width(), self.outputs]
    }

    /// `[3, 3, inputs, outputs]`.
    #[must_use]
    pub fn weight(&self) -> [usize; 4] {
        [3, 3, self.inputs, self.outputs]
    }

    /// How many images the direct form takes at once.
    pub(crate) fn group(&self) -> usize {
        self.images_in(GROUP, self.height * self.width)
    }

    /// How many images of so many pixels each have about `pixels` together: one at least, and no more than there are.
    pub(super) fn images_in(&self, pixels: usize, each: usize) -> usize {
        (pixels / each.max(1)).clamp(1, self.images.max(1))
    }

    /// An error unless every size that follows from these, the padded copies included, can be counted in bytes.
    pub(crate) fn check(&self, kernel: &'static str) -> Result<()> {
        if self.stride != 1 && self.stride != 2 {
            return Err(Error::shape(kernel, format!("the stride is 1 or 2, not {}", self.stride)));
        }
        let fits = |sizes: [usize; 4]| {
            let bytes = sizes.iter().try_fold(size_of::<f32>(), |n, &size| n.checked_mul(size));
            bytes.is_some_and(|n| isize::try_from(n).is_ok())
        };
        let channels = self.inputs.max(self.outputs).max(9 * FEW).checked_next_multiple_of(BLOCK);
        let padded = channels.zip(Planes::padded(self.height)).zip(Planes::padded(self.width));
        let scratch = padded.is_some_and(|((channels, height), width)| fits([self.group(), height, width, channels]));
        let weights = channels.is_some_and(|channels| fits([3, 3, channels, channels]));
        if scratch && weights && fits(self.input()) && fits(self.output()) {
            return Ok(());
        }
        Err(Error::shape(kernel, format!("{self:?} is too large")))
    }
}
