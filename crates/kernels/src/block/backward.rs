//! Backward: two sums of each channel, then the gradient at the convolution's result for a group of images at a time.

#![allow(unsafe_code, reason = "results are written into reserved memory")]

use super::forward::Saved;
use super::grad_sums::GradSums;
use super::spread::{Factors, Spread};
use super::{BlockShape, Operands, image, images};
use crate::conv::{Form, Images, WeightSums};
use crate::error::check_len;
use crate::memory::as_uninit;
use crate::{Level, Result};

/// The gradients of a block.
#[derive(Clone, Debug)]
pub struct BlockGrads {
    /// `[images, height, width, inputs]`; empty unless it was wanted.
    pub x: Vec<f32>,
    /// `[3, 3, inputs, outputs]`.
    pub w: Vec<f32>,
    /// Of each output channel.
    pub gamma: Vec<f32>,
    /// Of each output channel.
    pub beta: Vec<f32>,
}

/// The gradients for the seed `u` at the block's result `out`, which [`forward`](super::forward) made of the same
/// operands.
///
/// # Errors
/// If a slice does not have the length that the shape says, or the shape is not possible.
pub fn backward(
    level: Level,
    shape: &BlockShape,
    operands: &Operands<'_>,
    saved: &Saved,
    out: &[f32],
    u: &[f32],
    want_x: bool,
) -> Result<BlockGrads> {
    check(shape, operands, saved, out, u)?;
    let (gamma, beta) = scale_and_shift(level, shape, saved, out, u);
    if shape.conv.output().contains(&0) {
        let x = vec![0.0; if want_x { operands.x.len() } else { 0 }];
        return Ok(BlockGrads { x, w: vec![0.0; operands.w.len()], gamma, beta });
    }
    let factors = factors(shape, operands.gamma, saved, &gamma, &beta);
    let [_, height, width, _] = shape.conv.output();
    let (pooled, whole, given) = (image(shape.output()), image(shape.conv.output()), image(shape.conv.input()));

    let form = Form::fastest(level, &shape.conv);
    let mut x = Vec::with_capacity(if want_x { operands.x.len() } else { 0 });
    let mut again = saved.convolved(shape).is_none().then(|| Images::conv(form, level, &shape.conv, operands.w));
    let mut adjoint = want_x.then(|| Images::conv_t(form, level, &shape.conv, operands.w));
    let mut weights = WeightSums::new(form, level, &shape.conv);
    let mut scratch = vec![0.0; form.group(&shape.conv) * whole];
    for group in shape.groups(form) {
        let inputs = &operands.x[images(&group, given)];
        let dy = &mut scratch[..group.len() * whole];
        if let Some(again) = &mut again {
            again.run(inputs, as_uninit(dy));
        }
        for (n, dy) in group.clone().zip(dy.chunks_exact_mut(whole)) {
            let of = images(&(n..n + 1), pooled);
            let place = shape.pool.then(|| &saved.place[of.clone()]);
            let y = saved.convolved(shape).map(|y| &y[images(&(n..n + 1), whole)]);
            level.run(Spread { factors: &factors, height, width, u: &u[of.clone()], out: &out[of], place, y, dy });
        }
        weights.add(inputs, dy);
        if let Some(adjoint) = &mut adjoint {
            let (start, len) = (x.len(), group.len() * given);
            adjoint.run(dy, &mut x.spare_capacity_mut()[..len]);
            // SAFETY: the memory is reserved above, and the adjoint has written it.
            unsafe { x.set_len(start + len) };
        }
    }
    Ok(BlockGrads { x, w: weights.finish(), gamma, beta })
}

fn check(shape: &BlockShape, operands: &Operands<'_>, saved: &Saved, out: &[f32], u: &[f32]) -> Result<()> {
    const KERNEL: &str = "block";
    shape.check(KERNEL, operands)?;
    check_len(KERNEL, "out", out.len(), &shape.output())?;
    check_len(KERNEL, "u", u.len(), &shape.output())?;
    check_len(KERNEL, "saved raw numbers", saved.raw.len(), &shape.output())?;
    check_len(KERNEL, "saved mean", saved.mean.len(), &[shape.conv.outputs])?;
    let places = if shape.pool { shape.output() } else { [0; 4] };
    check_len(KERNEL, "saved places", saved.place.len(), &places)?;
    let whole = if shape.keeps_result() { shape.conv.output() } else { [0; 4] };
    check_len(KERNEL, "saved result", saved.whole.len(), &whole)
}

/// The gradients of γ and β.
fn scale_and_shift(level: Level, shape: &BlockShape, saved: &Saved, out: &[f32], u: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let channels = shape.conv.outputs;
    let (mut plain, mut moment) = (vec![0f32; channels], vec![0f32; channels]);
    let mut sums = vec![(0f64, 0f64); channels];
    let pooled = image(shape.output()).max(1);
    for ((u, out), raw) in u.chunks_exact(pooled).zip(out.chunks_exact(pooled)).zip(saved.raw.chunks_exact(pooled)) {
        let (mean, plain, moment) = (saved.mean.as_slice(), plain.as_mut_slice(), moment.as_mut_slice());
        level.run(GradSums { u, out, raw, mean, plain, moment });
        for (sums, (plain, moment)) in sums.iter_mut().zip(plain.iter().zip(moment)) {
            sums.0 += f64::from(*plain);
            sums.1 += f64::from(*moment);
        }
    }
    let gamma = sums.iter().zip(&saved.rstd).map(|(sums, rstd)| (sums.1 * f64::from(*rstd)) as f32);
    (gamma.collect(), sums.iter().map(|sums| sums.0 as f32).collect())
}

/// The gradient at the convolution's result is `γ / σ · (g − Σg / N − z · Σgz / N)` with `z = (y − μ) / σ`.
fn factors(shape: &BlockShape, scale: &[f32], saved: &Saved, gamma: &[f32], beta: &[f32]) -> Factors {
    let [images, height, width, _] = shape.conv.output();
    let pixels = (images * height * width) as f32;
    let s: Vec<f32> = scale.iter().zip(&saved.rstd).map(|(scale, rstd)| scale * rstd).collect();
    let p = s.iter().zip(&saved.rstd).zip(gamma).map(|((s, rstd), gamma)| -s * rstd * gamma / pixels).collect();
    let q = s.iter().zip(beta).map(|(s, beta)| -s * beta / pixels).collect();
    Factors { mean: saved.mean.clone(), s, p, q }
}
