//! Forward: convolve, measure and pool a group of images at a time, then normalise what is left.

#![allow(unsafe_code, reason = "results are written into reserved memory")]

use super::moments::{Moments, Statistics};
use super::normalise::Normalise;
use super::pool::Pool;
use super::{BlockShape, Operands, image, images};
use crate::conv::{Form, Images};
use crate::{Level, Result};

/// What [`backward`](super::backward) needs of the forward pass.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The convolution's result, pooled if the block pools.
    pub(super) raw: Vec<f32>,
    /// Where in its window a pooled number stood: 0 to 3, in row-major order.
    pub(super) place: Vec<u8>,
    /// The whole result of the convolution, unless it is cheap to make again.
    pub(super) whole: Vec<f32>,
    pub(super) mean: Vec<f32>,
    /// One over the standard deviation.
    pub(super) rstd: Vec<f32>,
}

impl Saved {
    /// The result of the convolution, `[images, rows, columns, outputs]` of the shape that this was saved for, where it
    /// was kept: not where the block pools and the convolution is cheap.
    #[must_use]
    pub fn convolved(&self, shape: &BlockShape) -> Option<&[f32]> {
        if !shape.pool {
            return Some(&self.raw);
        }
        shape.keeps_result().then_some(&self.whole)
    }

    /// Where in its window each pooled number stood: 0 to 3, in row-major order. Empty if the block does not pool.
    #[must_use]
    pub fn places(&self) -> &[u8] {
        &self.place
    }
}

/// Appends the block's result, `[images, rows, columns, outputs]` as [`BlockShape::output`] says.
///
/// # Errors
/// If a slice does not have the length that the shape says, or the shape is not possible.
pub fn forward(level: Level, shape: &BlockShape, operands: &Operands<'_>, out: &mut Vec<f32>) -> Result<Saved> {
    shape.check("block", operands)?;
    let (whole, whole_image) = (shape.conv.output(), image(shape.conv.output()));
    let (channels, pooled) = (shape.conv.outputs, shape.output().iter().product::<usize>());
    let mut statistics = Statistics::new(channels);
    if whole.contains(&0) {
        let (mean, rstd) = statistics.finish(shape.eps);
        return Ok(Saved { raw: Vec::new(), place: Vec::new(), whole: Vec::new(), mean, rstd });
    }
    let keep = !shape.pool || shape.keeps_result();
    let form = Form::fastest(level, &shape.conv);
    let mut y = Vec::with_capacity(whole_image * if keep { shape.conv.images } else { form.group(&shape.conv) });
    let (mut raw, mut place) = (Vec::new(), Vec::new());
    if shape.pool {
        raw.reserve_exact(pooled);
        place.reserve_exact(pooled);
    }
    let sign: Vec<f32> = operands.gamma.iter().map(|&gamma| if gamma < 0.0 { -1.0 } else { 1.0 }).collect();
    let mut convolution = Images::conv(form, level, &shape.conv, operands.w);
    for group in shape.groups(form) {
        if !keep {
            y.clear();
        }
        let (start, len) = (y.len(), group.len() * whole_image);
        convolution.run(&operands.x[images(&group, image(shape.conv.input()))], &mut y.spare_capacity_mut()[..len]);
        // SAFETY: the memory is reserved above, and the convolution has written it.
        unsafe { y.set_len(start + len) };
        for y in y[start..].chunks_exact(whole_image) {
            statistics.add(whole[1] * whole[2], |into| level.run(Moments { y, into }));
            if shape.pool {
                let [height, width] = [whole[1], whole[2]];
                level.run(Pool { y, height, width, sign: &sign, raw: &mut raw, place: &mut place });
            }
        }
    }
    let (mean, rstd) = statistics.finish(shape.eps);
    let (raw, whole) = if shape.pool { (raw, if keep { y } else { Vec::new() }) } else { (y, Vec::new()) };
    let scale = operands.gamma.iter().zip(&rstd).map(|(gamma, rstd)| gamma * rstd).collect::<Vec<_>>();
    level.run(Normalise { raw: &raw, mean: &mean, scale: &scale, shift: operands.beta, out });
    Ok(Saved { raw, place, whole, mean, rstd })
}
