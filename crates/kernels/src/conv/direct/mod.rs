//! The three forms as sums over taps.
//!
//! A few images at a time are copied
//! into padded planes (`planes`), small enough to stay in the cache while every weight meets every pixel. From there
//! `correlate` makes images out of images, and `weight_sum` makes weights out of two images.

#![allow(unsafe_code, reason = "results are written into reserved memory")]

mod correlate;
mod correlation;
mod planes;
mod scatter;
mod weight_grad;
mod weight_sum;
mod weights;

pub(crate) use correlation::{Correlation, as_uninit};
pub(crate) use planes::{BLOCK, Planes};
pub(crate) use scatter::FEW;
pub(crate) use weight_grad::WeightGrad;

use super::ConvShape;
use crate::error::check_len;
use crate::{Level, Result};

/// `y = x ∗ w`: from `x [images, height, width, inputs]` and `w [3, 3, inputs, outputs]` appends
/// `[images, out_height, out_width, outputs]`.
///
/// # Errors
/// If a slice does not have the length that the shape says, or the shape is not possible.
pub fn conv(level: Level, x: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    shape.check("conv")?;
    check_len("conv", "x", x.len(), &shape.input())?;
    check_len("conv", "w", w.len(), &shape.weight())?;
    image_to_image(Correlation::conv, level, x, w, shape, (shape.input(), shape.output()), out);
    Ok(())
}

/// The adjoint of [`conv`] in `x`: from `u [images, out_height, out_width, outputs]` and `w` appends
/// `[images, height, width, inputs]`.
///
/// # Errors
/// If a slice does not have the length that the shape says, or the shape is not possible.
pub fn conv_t(level: Level, u: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    shape.check("conv_t")?;
    check_len("conv_t", "u", u.len(), &shape.output())?;
    check_len("conv_t", "w", w.len(), &shape.weight())?;
    image_to_image(Correlation::conv_t, level, u, w, shape, (shape.output(), shape.input()), out);
    Ok(())
}

/// The adjoint of [`conv`] in `w`: from `x [images, height, width, inputs]` and
/// `u [images, out_height, out_width, outputs]` appends `[3, 3, inputs, outputs]`.
///
/// # Errors
/// If a slice does not have the length that the shape says, or the shape is not possible.
pub fn conv_w(level: Level, x: &[f32], u: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    shape.check("conv_w")?;
    check_len("conv_w", "x", x.len(), &shape.input())?;
    check_len("conv_w", "u", u.len(), &shape.output())?;
    let start = out.len();
    out.resize(start + shape.weight().iter().product::<usize>(), 0.0);
    if x.is_empty() || u.is_empty() {
        return Ok(());
    }
    let (image, of) = (x.len() / shape.images, u.len() / shape.images);
    let mut grad = WeightGrad::new(level, shape);
    let group = shape.group();
    for (x, u) in x.chunks(group * image).zip(u.chunks(group * of)) {
        grad.add(x, u, &mut out[start..]);
    }
    Ok(())
}

/// Runs one of the two image-to-image forms over all images, a group at a time.
fn image_to_image(
    form: fn(Level, &ConvShape, &[f32]) -> Correlation,
    level: Level,
    x: &[f32],
    w: &[f32],
    shape: &ConvShape,
    (from, to): ([usize; 4], [usize; 4]),
    out: &mut Vec<f32>,
) {
    let (start, len) = (out.len(), to.iter().product::<usize>());
    if len == 0 || x.is_empty() {
        out.resize(start + len, 0.0);
        return;
    }
    out.reserve(len);
    let (image, of) = (from[1..].iter().product::<usize>(), to[1..].iter().product::<usize>());
    let group = shape.group();
    let mut correlation = form(level, shape, w);
    for (x, y) in x.chunks(group * image).zip(out.spare_capacity_mut()[..len].chunks_mut(group * of)) {
        correlation.run(x, y);
    }
    // SAFETY: the memory is reserved, and every image's correlation writes all its pixels and channels.
    unsafe { out.set_len(start + len) };
}
