//! Where windows are faster than direct convolution.

use crate::Level;
use crate::conv::ConvShape;

/// Pixels of the windows that are made at once: enough to read the weights for many of them, few enough for the second
/// cache.
const PIXELS: usize = 128;

/// Channels from which on a window is worth its copy, if the image is so narrow that the direct form's tiles are not full.
const CHANNELS: usize = 32;

/// Channels from which on it is worth it for any image that is read with stride 2.
const MANY: usize = 64;

/// An image that comes out is narrow up to this width.
const NARROW: usize = 4;

/// How many images make a group.
pub(crate) fn group(shape: &ConvShape) -> usize {
    (PIXELS / (shape.out_height() * shape.out_width()).max(1)).clamp(1, shape.images.max(1))
}

/// Whether this module is faster than direct convolution, in all three forms alike. Depends on the sizes of one task
/// only.
///
/// Measured with AVX-512, 64 channels, stride 2, five images: 1.05 to 1.15 times as fast from 14×14 pixels, 1.2 to 1.3
/// from 7×7, 1.5 to 2.1 from 4×4. With 32 channels 0.8 to 0.9 from 14×14, 1.0 to 1.6 from 4×4; with 16 slower nearly
/// everywhere. With stride 1 and 64 channels 0.9 to 1.2 at 14×14 and 7×7, 1.3 to 2 at 4×4 and less.
#[must_use]
pub(crate) fn pays(level: Level, shape: &ConvShape) -> bool {
    let channels = shape.inputs.min(shape.outputs);
    let narrow = shape.out_width() <= NARROW && channels >= CHANNELS;
    level != Level::PORTABLE && (narrow || shape.stride == 2 && channels >= MANY)
}
