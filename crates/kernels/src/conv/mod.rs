//! 3×3 convolution with one pixel of zeros around the image, stride 1 or 2, in the three forms that are closed under
//! differentiation: [`conv()`], its adjoint in the image [`conv_t`], its adjoint in the weights [`conv_w`].
//!
//! Images are `[images, height, width, channels]`, weights `[3, 3, inputs, outputs]`. There are three ways to compute
//! each, of which the sizes choose the fastest: [`Form`]. A call is one task, so how a task is computed does not depend
//! on the tasks beside it.

mod direct;
mod form;
mod shape;
mod windows;
mod winograd;

pub use form::Form;
pub(crate) use form::{Images, WeightSums};
pub use shape::ConvShape;

use crate::error::check_len;
use crate::memory::append;
use crate::{Error, Level, Result};

/// `y = x ∗ w`: from `x [images, height, width, inputs]` and `w [3, 3, inputs, outputs]` appends
/// `[images, out_height, out_width, outputs]`.
///
/// # Errors
/// If a slice does not have the length that the shape says, or the shape is not possible.
pub fn conv(level: Level, x: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    conv_by(Form::fastest(level, shape), level, x, w, shape, out)
}

/// The adjoint of [`conv()`] in `x`: from `u [images, out_height, out_width, outputs]` and `w` appends
/// `[images, height, width, inputs]`.
///
/// # Errors
/// As [`conv()`].
pub fn conv_t(level: Level, u: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    conv_t_by(Form::fastest(level, shape), level, u, w, shape, out)
}

/// The adjoint of [`conv()`] in `w`: from `x [images, height, width, inputs]` and
/// `u [images, out_height, out_width, outputs]` appends `[3, 3, inputs, outputs]`.
///
/// # Errors
/// As [`conv()`].
pub fn conv_w(level: Level, x: &[f32], u: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    conv_w_by(Form::fastest(level, shape), level, x, u, shape, out)
}

/// [`conv()`] in a form of the caller's choice, to compare them.
///
/// # Errors
/// As [`conv()`], and if the form does not fit.
pub fn conv_by(form: Form, level: Level, x: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    check("conv", form, shape, [("x", x, shape.input()), ("w", w, shape.weight())])?;
    each_group(Images::conv(form, level, shape, w), form.group(shape), (x, shape.input()), (out, shape.output()));
    Ok(())
}

/// [`conv_t()`] in a form of the caller's choice.
///
/// # Errors
/// As [`conv_by`].
pub fn conv_t_by(form: Form, level: Level, u: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    check("conv_t", form, shape, [("u", u, shape.output()), ("w", w, shape.weight())])?;
    each_group(Images::conv_t(form, level, shape, w), form.group(shape), (u, shape.output()), (out, shape.input()));
    Ok(())
}

/// [`conv_w()`] in a form of the caller's choice.
///
/// # Errors
/// As [`conv_by`].
pub fn conv_w_by(form: Form, level: Level, x: &[f32], u: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    check("conv_w", form, shape, [("x", x, shape.input()), ("u", u, shape.output())])?;
    if x.is_empty() || u.is_empty() {
        out.resize(out.len() + shape.weight().iter().product::<usize>(), 0.0);
        return Ok(());
    }
    let (image, of) = (x.len() / shape.images, u.len() / shape.images);
    let group = form.group(shape);
    let mut sums = WeightSums::new(form, level, shape);
    for (x, u) in x.chunks(group * image).zip(u.chunks(group * of)) {
        sums.add(x, u);
    }
    out.append(&mut sums.finish());
    Ok(())
}

/// A slice with its name, and the sizes that it should have.
type Named<'a> = (&'static str, &'a [f32], [usize; 4]);

fn check(kernel: &'static str, form: Form, shape: &ConvShape, slices: [Named<'_>; 2]) -> Result<()> {
    shape.check(kernel)?;
    if !form.fits(shape) {
        return Err(Error::shape(kernel, format!("the form {form:?} does not fit {shape:?}")));
    }
    slices.into_iter().try_for_each(|(name, slice, sizes)| check_len(kernel, name, slice.len(), &sizes))
}

/// Runs one of the two image-to-image forms over all images, a group at a time.
fn each_group(
    mut images: Images<'_>,
    group: usize,
    (x, from): (&[f32], [usize; 4]),
    (out, to): (&mut Vec<f32>, [usize; 4]),
) {
    let len = to.iter().product::<usize>();
    if len == 0 || x.is_empty() {
        out.resize(out.len() + len, 0.0);
        return;
    }
    let (image, of) = (from[1..].iter().product::<usize>(), to[1..].iter().product::<usize>());
    let write = |out: &mut [_]| {
        for (x, out) in x.chunks(group * image).zip(out.chunks_mut(group * of)) {
            images.run(x, out);
        }
    };
    #[allow(unsafe_code, reason = "results are written into reserved memory")]
    // SAFETY: there are as many images on both sides, and each form writes all its pixels and channels.
    unsafe {
        append(out, len, write);
    }
}
