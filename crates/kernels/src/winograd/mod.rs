//! 3×3 convolution with zero padding 1 and stride 1 by Winograd's F(2×2, 3×3), and its two adjoints.
//!
//! Four by four products make two by two pixels, 16 multiplications instead of 36. Images are `[B, H, W, C]`, weights
//! `[3, 3, C, O]`. A group of tiles is transformed into scratch that stays in the second cache, 16 small dense products
//! follow, and a transform back ([`transform`]). The register tile of the products is in [`product`]. The portable form
//! is direct convolution.

#![allow(unsafe_code, reason = "results are written into memory that is not initialised before")]

mod packed;
mod portable;
mod product;
mod scratch;
mod shape;
mod tiles;
mod transform;
mod weight_grad;

pub use shape::ConvShape;

pub(crate) use packed::{Direction, Packed};

use weight_grad::WeightGrad;

use crate::error::{Error, Result, check_len};
use crate::level::Level;

/// Appends the convolution `[B, H, W, O]` of `x` `[B, H, W, C]` with `w` `[3, 3, C, O]` to `out`.
///
/// # Errors
/// If a slice does not have its size, the stride is not 1, or the result does not fit in memory.
pub fn conv(level: Level, shape: &ConvShape, x: &[f32], w: &[f32], out: &mut Vec<f32>) -> Result<()> {
    check_len("winograd::conv", "x", x.len(), &shape.pixels(shape.inputs))?;
    images("winograd::conv", Direction::Forward, level, shape, (x, w), out)
}

/// Appends the adjoint of [`conv`] in the images, `[B, H, W, C]`, at `u` `[B, H, W, O]`, to `out`.
///
/// # Errors
/// As [`conv`].
pub fn conv_t(level: Level, shape: &ConvShape, u: &[f32], w: &[f32], out: &mut Vec<f32>) -> Result<()> {
    check_len("winograd::conv_t", "u", u.len(), &shape.pixels(shape.outputs))?;
    images("winograd::conv_t", Direction::Adjoint, level, shape, (u, w), out)
}

/// Appends the adjoint of [`conv`] in the weights, `[3, 3, C, O]`, at `x` `[B, H, W, C]` and `u` `[B, H, W, O]`, to `out`.
///
/// # Errors
/// As [`conv`].
pub fn conv_w(level: Level, shape: &ConvShape, x: &[f32], u: &[f32], out: &mut Vec<f32>) -> Result<()> {
    const NAME: &str = "winograd::conv_w";
    shape.check_stride(NAME)?;
    check_len(NAME, "x", x.len(), &shape.pixels(shape.inputs))?;
    check_len(NAME, "u", u.len(), &shape.pixels(shape.outputs))?;
    let ConvShape { images, height, width, inputs, outputs, .. } = *shape;
    let empty = images == 0 || height == 0 || width == 0;
    append(NAME, &shape.weights(), empty, out, |out| {
        level.run(WeightGrad { x, u, sizes: [images, height, width], inputs, outputs, out });
    })
}

fn images(
    name: &'static str,
    direction: Direction,
    level: Level,
    shape: &ConvShape,
    (x, w): (&[f32], &[f32]),
    out: &mut Vec<f32>,
) -> Result<()> {
    shape.check_stride(name)?;
    check_len(name, "w", w.len(), &shape.weights())?;
    let ConvShape { images, height, width, inputs, outputs, .. } = *shape;
    let (from, to) = match direction {
        Direction::Forward => (inputs, outputs),
        Direction::Adjoint => (outputs, inputs),
    };
    append(name, &shape.pixels(to), from == 0, out, |out| {
        let packed = Packed::new(level, w, [inputs, outputs], direction);
        // SAFETY: `x` has been checked, and `out` has room.
        unsafe { packed.write(x, [images, height, width], out) };
    })
}

/// Appends a result of these sizes: zeros if its sums are `empty`, else what `write` writes, which must be all of it.
fn append(
    name: &'static str,
    sizes: &[usize; 4],
    empty: bool,
    out: &mut Vec<f32>,
    write: impl FnOnce(*mut f32),
) -> Result<()> {
    let len = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let len = len.filter(|&len| out.try_reserve(len).is_ok());
    let len = len.ok_or_else(|| Error::shape(name, format!("a result of sizes {sizes:?} does not fit in memory")))?;
    if empty {
        out.resize(out.len() + len, 0.0);
    } else if len > 0 {
        // SAFETY: the room is reserved, and `write` fills it.
        unsafe {
            write(out.as_mut_ptr().add(out.len()));
            out.set_len(out.len() + len);
        }
    }
    Ok(())
}
