//! Where windows are faster than direct convolution.

use crate::Level;
use crate::conv::ConvShape;

/// Pixels of the windows that are made at once: enough to read the weights for many of them, few enough for the second
/// cache.
const PIXELS: usize = 128;

/// Channels from which on a window is worth its copy.
const CHANNELS: usize = 32;

/// An image that comes out is narrow up to this width.
const NARROW: usize = 4;

/// How many images make a group.
pub(crate) fn group(shape: &ConvShape) -> usize {
    shape.images_in(PIXELS, shape.out_height() * shape.out_width())
}

/// Whether this module is faster than direct convolution, in all three forms alike. Depends on the sizes of one task
/// only.
///
/// Measured with AVX-512, five images, 64 channels: 1.1 to 1.3 times as fast from 7×7 pixels with stride 2, 1.3 to 2
/// from 4×4 with either stride; level where seven columns or more come out, as the direct form's tiles are full then. With
/// 32 channels 1.0 to 1.6 from 4×4; with 16 slower nearly everywhere.
#[must_use]
pub(crate) fn pays(level: Level, shape: &ConvShape) -> bool {
    level != Level::PORTABLE && shape.out_width() <= NARROW && shape.inputs.min(shape.outputs) >= CHANNELS
}
