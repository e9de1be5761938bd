//! 3×3 convolution with one pixel of zeros around the image, stride 1 or 2, in the three forms that are closed under
//! differentiation: [`conv()`], its adjoint in the image [`conv_t`], its adjoint in the weights [`conv_w`].
//!
//! Images are `[images, height, width, channels]`, weights `[3, 3, inputs, outputs]`. Each form runs as sums over taps
//! ([`direct`]) or with fewer multiplications ([`winograd`]), whichever is faster for the sizes: `winograd::pays`. A call
//! is one task, so how a task is computed does not depend on the tasks beside it.

mod chosen;
pub mod direct;
mod shape;
pub mod winograd;

pub(crate) use chosen::{Images, WeightSums, as_uninit, group};
pub use shape::ConvShape;

use crate::{Level, Result};

/// `y = x ∗ w`: from `x [images, height, width, inputs]` and `w [3, 3, inputs, outputs]` appends
/// `[images, out_height, out_width, outputs]`.
///
/// # Errors
/// If a slice does not have the length that the shape says, or the shape is not possible.
pub fn conv(level: Level, x: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    let form = if winograd::pays(level, shape) { winograd::conv } else { direct::conv };
    form(level, x, w, shape, out)
}

/// The adjoint of [`conv()`] in `x`: from `u [images, out_height, out_width, outputs]` and `w` appends
/// `[images, height, width, inputs]`.
///
/// # Errors
/// As [`conv()`].
pub fn conv_t(level: Level, u: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    let form = if winograd::pays(level, shape) { winograd::conv_t } else { direct::conv_t };
    form(level, u, w, shape, out)
}

/// The adjoint of [`conv()`] in `w`: from `x [images, height, width, inputs]` and
/// `u [images, out_height, out_width, outputs]` appends `[3, 3, inputs, outputs]`.
///
/// # Errors
/// As [`conv()`].
pub fn conv_w(level: Level, x: &[f32], u: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    let form = if winograd::pays(level, shape) { winograd::conv_w } else { direct::conv_w };
    form(level, x, u, shape, out)
}
