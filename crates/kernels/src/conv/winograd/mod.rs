//! 3×3 convolution with one pixel of zeros around the image and stride 1, by Winograd's F(2×2, 3×3), in the three forms
//! that are closed under differentiation.
//!
//! Images are `[images, height, width, channels]`, weights `[3, 3, inputs, outputs]`. A tile of 2×2 pixels takes 16
//! products instead of 36. The tiles of a few images at a time are transformed (`transform`, `tiles`) into scratch that
//! stays in the second cache; 16 small dense products with a register tile of 14 × 2 vectors follow (`product`), and
//! the transform back. The portable form is direct convolution, without a transform.
//!
//! Rounding errors are a few times those of direct convolution, and a NaN or an infinity spreads over the results of its
//! tile. [`pays()`] says where this is faster than direct convolution.

#![allow(unsafe_code, reason = "results are written into reserved memory")]

mod images;
mod pays;
mod portable;
mod product;
mod scratch;
mod sums;
mod tiles;
mod transform;
mod weights;

use std::mem::MaybeUninit;

pub(crate) use images::Packed;
pub use pays::pays;
pub(crate) use sums::WeightSums;

use super::ConvShape;
use crate::error::check_len;
use crate::{Error, Level, Result};

/// `y = x ∗ w`: from `x [images, height, width, inputs]` and `w [3, 3, inputs, outputs]` appends
/// `[images, height, width, outputs]`.
///
/// # Errors
/// If a slice does not have the length that the shape says, the stride is not 1, or the result does not fit in memory.
pub fn conv(level: Level, x: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    const NAME: &str = "winograd::conv";
    check_stride(NAME, shape)?;
    check_len(NAME, "x", x.len(), &shape.input())?;
    check_len(NAME, "w", w.len(), &shape.weight())?;
    let empty = shape.inputs == 0;
    append(NAME, shape.output(), empty, out, |out| Packed::conv(level, shape, w).run(x, out))
}

/// The adjoint of [`conv`] in `x`: from `u [images, height, width, outputs]` and `w` appends
/// `[images, height, width, inputs]`.
///
/// # Errors
/// As [`conv`].
pub fn conv_t(level: Level, u: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    const NAME: &str = "winograd::conv_t";
    check_stride(NAME, shape)?;
    check_len(NAME, "u", u.len(), &shape.output())?;
    check_len(NAME, "w", w.len(), &shape.weight())?;
    let empty = shape.outputs == 0;
    append(NAME, shape.input(), empty, out, |out| Packed::conv_t(level, shape, w).run(u, out))
}

/// The adjoint of [`conv`] in `w`: from `x [images, height, width, inputs]` and `u [images, height, width, outputs]`
/// appends `[3, 3, inputs, outputs]`.
///
/// # Errors
/// As [`conv`].
pub fn conv_w(level: Level, x: &[f32], u: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    const NAME: &str = "winograd::conv_w";
    check_stride(NAME, shape)?;
    check_len(NAME, "x", x.len(), &shape.input())?;
    check_len(NAME, "u", u.len(), &shape.output())?;
    append(NAME, shape.weight(), x.is_empty() || u.is_empty(), out, |out| {
        let mut sums = WeightSums::new(level, shape);
        sums.add(x, u);
        sums.finish(out);
    })
}

fn check_stride(name: &'static str, shape: &ConvShape) -> Result<()> {
    shape.check(name)?;
    if shape.stride == 1 {
        return Ok(());
    }
    Err(Error::shape(name, format!("the stride is 1, not {}", shape.stride)))
}

/// Appends a result of these sizes: zeros if its sums are `empty`, else what `write` writes, which must be all of it.
fn append(
    name: &'static str,
    sizes: [usize; 4],
    empty: bool,
    out: &mut Vec<f32>,
    write: impl FnOnce(&mut [MaybeUninit<f32>]),
) -> Result<()> {
    let len = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let len = len.filter(|&len| out.try_reserve(len).is_ok());
    let len = len.ok_or_else(|| Error::shape(name, format!("a result of sizes {sizes:?} does not fit in memory")))?;
    if empty {
        out.resize(out.len() + len, 0.0);
    } else if len > 0 {
        write(&mut out.spare_capacity_mut()[..len]);
        // SAFETY: `write` has written all of it.
        unsafe { out.set_len(out.len() + len) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ConvShape = ConvShape { images: 7, height: 5, width: 6, inputs: 19, outputs: 35, stride: 1 };

    fn numbers(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.7).sin()).collect()
    }

    fn filled(len: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
        let mut out = Vec::new();
        append("test", [1, 1, 1, len], false, &mut out, write).unwrap();
        out
    }

    #[test]
    fn packed_weights_serve_groups_of_images() {
        let (x, w) = (numbers(SHAPE.input().iter().product()), numbers(SHAPE.weight().iter().product()));
        let (image, of) = (x.len() / 7, 5 * 6 * 35);
        for level in Level::available() {
            let packed = Packed::conv(level, &SHAPE, &w);
            let whole = filled(7 * of, |out| packed.run(&x, out));
            let groups = x.chunks(3 * image).flat_map(|x| filled(x.len() / image * of, |out| packed.run(x, out)));
            assert!(groups.zip(whole).all(|(a, b)| a.to_bits() == b.to_bits()), "{}", level.name());
        }
    }

    #[test]
    fn sums_add_up_over_groups_of_images() {
        let (x, u) = (numbers(SHAPE.input().iter().product()), numbers(SHAPE.output().iter().product()));
        for level in Level::available() {
            let mut whole = Vec::new();
            conv_w(level, &x, &u, &SHAPE, &mut whole).unwrap();
            let mut sums = WeightSums::new(level, &SHAPE);
            for (x, u) in x.chunks(3 * x.len() / 7).zip(u.chunks(3 * u.len() / 7)) {
                sums.add(x, u);
            }
            let groups = filled(whole.len(), |out| sums.finish(out));
            // Sums of up to 210 products, each at most one.
            assert!(groups.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 2e-4), "{}", level.name());
        }
    }
}
