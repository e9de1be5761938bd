//! 3×3 convolution with one pixel of zeros around the image and stride 1, by Winograd's F(2×2, 3×3), in the three forms
//! that are closed under differentiation.
//!
//! Images are `[images, height, width, channels]`, weights `[3, 3, inputs, outputs]`. A tile of 2×2 pixels takes 16
//! products instead of 36. The tiles of a few images at a time are transformed (`transform`, `tiles`) into scratch that
//! stays in the second cache; 16 small dense products with a register tile of 14 × 2 vectors follow (`product`), and
//! the transform back. The portable form is direct convolution, without a transform.
//!
//! Rounding errors are a few times those of direct convolution, and a NaN or an infinity spreads over the results of its
//! tile. `pays` says where this is faster than direct convolution.

mod images;
mod pays;
mod portable;
mod product;
mod sums;
mod tiles;
mod transform;
mod weights;

pub(crate) use images::Packed;
pub(crate) use pays::pays;
pub(crate) use sums::WeightSums;

use super::ConvShape;

/// Pixels of the images that are taken at once: tiles enough to read the weights once for many of them.
const PIXELS: usize = 512;

/// How many images make a group.
pub(crate) fn images_at_once(shape: &ConvShape) -> usize {
    shape.images_in(PIXELS, shape.height * shape.width)
}
