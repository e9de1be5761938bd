//! Where the transform is faster than direct convolution.

use super::ConvShape;
use crate::Level;

/// Tiles of one call from which on packing weights, and transforming the weights' sums back, is paid for.
const TILES: usize = 48;

/// Channels from which on the products outweigh the transforms.
const CHANNELS: usize = 32;

/// Whether this module is faster than direct convolution, in all three forms alike. Depends on the sizes of one task
/// only.
///
/// Measured with AVX-512 and AVX2 against a direct form at 0.8 to 0.9 of the most multiply-adds that a core can do. With
/// 64 channels this one is 1.8 to 2 times as fast for images of 28×28 and 14×14 pixels; 1.3 to 1.7 times at 7×7, where a
/// quarter of the tiles' pixels are outside; 1.1 at 3×3, where almost half are. At 32 tiles the weights' form is no
/// faster any more (0.9 to 1.2), at 16 the others gain little. With 32 channels all gain 1.1 to 1.8; with 16 it is 0.95
/// to 1.5, and with eight or less slower: too few products for each number that is transformed. The portable form has no
/// transform.
#[must_use]
pub(crate) fn pays(level: Level, shape: &ConvShape) -> bool {
    let ConvShape { images, height, width, inputs, outputs, stride } = *shape;
    let tiles = height.div_ceil(2).saturating_mul(width.div_ceil(2)).saturating_mul(images);
    let fits = stride == 1 && height > 1 && width > 1;
    level != Level::PORTABLE && fits && tiles >= TILES && inputs.min(outputs) >= CHANNELS
}
