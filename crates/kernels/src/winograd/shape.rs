//! The sizes of a 3×3 convolution.

use crate::error::{Error, Result};

/// The sizes of a 3×3 convolution with zero padding 1: images `[B, H, W, C]` to `[B, ⌈H/s⌉, ⌈W/s⌉, O]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images `B`.
    pub images: usize,
    /// Rows `H` of an image.
    pub height: usize,
    /// Columns `W` of an image.
    pub width: usize,
    /// Channels `C` of an image.
    pub inputs: usize,
    /// Channels `O` of the result.
    pub outputs: usize,
    /// Pixels between two windows: 1 here.
    pub stride: usize,
}

impl ConvShape {
    /// An error unless the stride is 1, the only one with a transform.
    pub(super) fn check_stride(&self, kernel: &'static str) -> Result<()> {
        if self.stride == 1 {
            return Ok(());
        }
        Err(Error::shape(kernel, format!("stride is {}, but this form has stride 1 only", self.stride)))
    }

    pub(super) fn pixels(&self, channels: usize) -> [usize; 4] {
        [self.images, self.height, self.width, channels]
    }

    pub(super) fn weights(&self) -> [usize; 4] {
        [3, 3, self.inputs, self.outputs]
    }
}
