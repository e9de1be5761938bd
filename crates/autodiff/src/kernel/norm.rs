//! Batch normalisation over every axis but the task's and the channel's, forward and backward.

use candle_core::Tensor as Value;
use smallvec::smallvec;

use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::Result;
use crate::ops::fused::FusedGrads;

/// Rows whose statistics are taken while they are in the cache, before they are merged in `f64`.
const BLOCK: usize = 256;

/// Mean and `1/√(σ² + ε)` of each task and channel, `[M, C]`: what the backward pass needs besides its input.
#[derive(Clone, Debug)]
pub(crate) struct NormSaved {
    mean: Value,
    inv_std: Value,
}

/// `γ (x − μ) / √(σ² + ε) + β` for `x [M, …, C]`, `gamma` and `beta [M, C]`; `None` where there is no kernel.
pub(crate) fn batch_norm(x: &Value, gamma: &Value, beta: &Value, eps: f64) -> Result<Option<(Value, NormSaved)>> {
    dispatch!([x, gamma, beta], T => forward::<T>(x, gamma, beta, eps).map(Some), Ok(None))
}

/// Gradients at x, gamma and beta.
pub(crate) fn batch_norm_backward(u: &Value, x: &Value, gamma: &Value, saved: &NormSaved) -> Result<FusedGrads> {
    // The forward pass ran on this kernel, so its element type has one; a composed scope that was opened since then
    // must not change that.
    match x.dtype() {
        candle_core::DType::F64 => backward::<f64>(u, x, gamma, saved),
        _ => backward::<f32>(u, x, gamma, saved),
    }
}

fn forward<T: Real>(x: &Value, gamma: &Value, beta: &Value, eps: f64) -> Result<(Value, NormSaved)> {
    let (x, gamma, beta) = (x.contiguous()?, gamma.contiguous()?, beta.contiguous()?);
    slice!(xs: T = x);
    slice!(gammas: T = gamma);
    slice!(betas: T = beta);
    let (m, c) = gamma.dims2()?;
    let mut out = Vec::with_capacity(xs.len());
    let (mut mean, mut inv_std) = (Vec::with_capacity(m * c), Vec::with_capacity(m * c));
    let task_len = (xs.len() / m.max(1)).max(1);
    for (task, xs) in xs.chunks_exact(task_len).enumerate() {
        let (means, vars) = statistics(xs, c);
        let scales: Vec<T> = vars.iter().map(|v| T::from_f64(1.0 / (v + eps).sqrt())).collect();
        let means: Vec<T> = means.iter().map(|&v| T::from_f64(v)).collect();
        let k: Vec<T> = scales.iter().zip(&gammas[task * c..]).map(|(&s, &g)| s * g).collect();
        let betas = &betas[task * c..][..c];
        vectorise(|| {
            for row in xs.chunks_exact(c) {
                out.extend((0..c).map(|j| (row[j] - means[j]) * k[j] + betas[j]));
            }
        });
        mean.extend(means);
        inv_std.extend(scales);
    }
    let saved = NormSaved { mean: tensor(mean, (m, c))?, inv_std: tensor(inv_std, (m, c))? };
    Ok((tensor(out, x.shape())?, saved))
}

/// Mean and variance of each column of `[rows, c]`, block by block and merged in `f64` (Chan, Golub & LeVeque 1983):
/// one pass over memory, without the cancellation of `E[x²] − E[x]²`.
fn statistics<T: Real>(xs: &[T], c: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut mean, mut squares, mut seen) = (vec![0.0; c], vec![0.0; c], 0.0);
    let (mut sum, mut centred) = (vec![T::ZERO; c], vec![T::ZERO; c]);
    for block in xs.chunks(BLOCK * c) {
        let n = (block.len() / c) as f64;
        let inv = T::from_f64(1.0 / n);
        vectorise(|| {
            sum.fill(T::ZERO);
            centred.fill(T::ZERO);
            for row in block.chunks_exact(c) {
                sum.iter_mut().zip(row).for_each(|(s, &v)| *s += v);
            }
            sum.iter_mut().for_each(|s| *s *= inv);
            for row in block.chunks_exact(c) {
                for ((q, &m), &v) in centred.iter_mut().zip(&sum).zip(row) {
                    *q += (v - m) * (v - m);
                }
            }
        });
        for j in 0..c {
            let delta = sum[j].to_f64() - mean[j];
            mean[j] += delta * n / (seen + n);
            squares[j] += centred[j].to_f64() + delta * delta * seen * n / (seen + n);
        }
        seen += n;
    }
    squares.iter_mut().for_each(|q| *q /= seen);
    (mean, squares)
}

fn backward<T: Real>(u: &Value, x: &Value, gamma: &Value, saved: &NormSaved) -> Result<FusedGrads> {
    let (u, x, gamma) = (u.contiguous()?, x.contiguous()?, gamma.contiguous()?);
    slice!(us: T = u);
    slice!(xs: T = x);
    slice!(gammas: T = gamma);
    slice!(means: T = saved.mean);
    slice!(scales: T = saved.inv_std);
    let (m, c) = gamma.dims2()?;
    let mut dx = Vec::with_capacity(xs.len());
    let (mut dgamma, mut dbeta) = (Vec::with_capacity(m * c), Vec::with_capacity(m * c));
    let task_len = (xs.len() / m.max(1)).max(1);
    for (task, (us, xs)) in us.chunks_exact(task_len).zip(xs.chunks_exact(task_len)).enumerate() {
        let of = |v: &[T]| -> Vec<T> { v[task * c..][..c].to_vec() };
        let (mean, scale, gamma) = (of(means), of(scales), of(gammas));
        let n = (task_len / c) as f64;
        let (su, sux) = products(us, xs, &mean);
        // ∂L/∂x = γ s (u − mean(u) − x̂ mean(u x̂)), with x̂ = s (x − μ), as p u + q (x − μ) + r.
        let (mut p, mut q, mut r) = (mean.clone(), mean.clone(), mean.clone());
        for j in 0..c {
            let (s, k) = (scale[j].to_f64(), scale[j].to_f64() * gamma[j].to_f64());
            p[j] = T::from_f64(k);
            q[j] = T::from_f64(-k * s * s * sux[j] / n);
            r[j] = T::from_f64(-k * su[j] / n);
            dgamma.push(T::from_f64(s * sux[j]));
            dbeta.push(T::from_f64(su[j]));
        }
        vectorise(|| {
            for (u, x) in us.chunks_exact(c).zip(xs.chunks_exact(c)) {
                dx.extend((0..c).map(|j| p[j] * u[j] + q[j] * (x[j] - mean[j]) + r[j]));
            }
        });
    }
    let shape = (m, c);
    Ok(smallvec![Some(tensor(dx, x.shape())?), Some(tensor(dgamma, shape)?), Some(tensor(dbeta, shape)?)])
}

/// `Σ u` and `Σ u (x − μ)` of each column.
fn products<T: Real>(us: &[T], xs: &[T], mean: &[T]) -> (Vec<f64>, Vec<f64>) {
    let c = mean.len();
    let (mut su, mut sux) = (vec![0.0; c], vec![0.0; c]);
    let (mut part_u, mut part_ux) = (vec![T::ZERO; c], vec![T::ZERO; c]);
    for (us, xs) in us.chunks(BLOCK * c).zip(xs.chunks(BLOCK * c)) {
        vectorise(|| {
            part_u.fill(T::ZERO);
            part_ux.fill(T::ZERO);
            for (u, x) in us.chunks_exact(c).zip(xs.chunks_exact(c)) {
                for j in 0..c {
                    part_u[j] += u[j];
                    part_ux[j] += u[j] * (x[j] - mean[j]);
                }
            }
        });
        for j in 0..c {
            su[j] += part_u[j].to_f64();
            sux[j] += part_ux[j].to_f64();
        }
    }
    (su, sux)
}
