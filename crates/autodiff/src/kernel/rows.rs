//! Layer normalisation over the last axis, row by row.

use candle_core::Tensor as Value;
use smallvec::smallvec;

use super::sum::lanes;
use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::Result;
use crate::ops::fused::FusedGrads;

/// Rows whose gradients at gamma and beta are added up before their sum goes into the total in `f64`.
const BLOCK: usize = 256;

/// Mean and `1/√(σ² + ε)` of each row.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormSaved {
    mean: Value,
    inv_std: Value,
}

/// `γ (x − μ) / √(σ² + ε) + β` for `x [M, …, C]` that is not empty, `gamma` and `beta` `[M or 1, C]`; `None` where there is
/// no kernel.
pub(crate) fn layer_norm(x: &Value, gamma: &Value, beta: &Value, eps: f64) -> Result<Option<(Value, LayerNormSaved)>> {
    dispatch!([x, gamma, beta], T => forward::<T>(x, gamma, beta, eps).map(Some), Ok(None))
}

/// Gradients at x, gamma and beta.
pub(crate) fn layer_norm_backward(u: &Value, x: &Value, gamma: &Value, saved: &LayerNormSaved) -> Result<FusedGrads> {
    // As for batch normalisation, the forward pass ran on this kernel.
    match x.dtype() {
        candle_core::DType::F64 => backward::<f64>(u, x, gamma, saved),
        _ => backward::<f32>(u, x, gamma, saved),
    }
}

fn forward<T: Real>(x: &Value, gamma: &Value, beta: &Value, eps: f64) -> Result<(Value, LayerNormSaved)> {
    let (x, gamma, beta) = (x.contiguous()?, gamma.contiguous()?, beta.contiguous()?);
    slice!(xs: T = x);
    slice!(gammas: T = gamma);
    slice!(betas: T = beta);
    let (c, task) = (gamma.dim(1)?, xs.len() / x.dim(0)?);
    let (rows, inv_c) = (xs.len() / c, T::from_f64(1.0 / c as f64));
    let (mut out, mut means, mut scales) = (vec![T::ZERO; xs.len()], vec![T::ZERO; rows], vec![T::ZERO; rows]);
    vectorise(|| {
        let of_rows = xs.chunks_exact(c).zip(out.chunks_exact_mut(c)).zip(means.iter_mut().zip(&mut scales));
        for (i, ((x, y), (mean, scale))) in of_rows.enumerate() {
            let (gamma, beta) = (of_task(gammas, c, i * c / task), of_task(betas, c, i * c / task));
            let m = lanes(x, x, |v, _| v) * inv_c;
            let var = lanes(x, x, |v, _| (v - m) * (v - m)) * inv_c;
            let s = T::from_f64(1.0 / (var.to_f64() + eps).sqrt());
            (*mean, *scale) = (m, s);
            for j in 0..c {
                y[j] = (x[j] - m) * s * gamma[j] + beta[j];
            }
        }
    });
    let saved = LayerNormSaved { mean: tensor(means, rows)?, inv_std: tensor(scales, rows)? };
    Ok((tensor(out, x.shape())?, saved))
}

/// ∂L/∂x = s (g − mean(g) − x̂ mean(g x̂)), with g = u γ and x̂ = s (x − μ).
fn backward<T: Real>(u: &Value, x: &Value, gamma: &Value, saved: &LayerNormSaved) -> Result<FusedGrads> {
    let (u, x, gamma) = (u.contiguous()?, x.contiguous()?, gamma.contiguous()?);
    slice!(us: T = u);
    slice!(xs: T = x);
    slice!(gammas: T = gamma);
    slice!(means: T = saved.mean);
    slice!(scales: T = saved.inv_std);
    let (m, c) = gamma.dims2()?;
    let (inv_c, task) = (T::from_f64(1.0 / c as f64), xs.len() / x.dim(0)?);
    let mut dx = vec![T::ZERO; xs.len()];
    let (mut dgamma, mut dbeta) = (vec![0.0; m * c], vec![0.0; m * c]);
    let (mut part_gamma, mut part_beta, mut g, mut hat) =
        (vec![T::ZERO; c], vec![T::ZERO; c], vec![T::ZERO; c], vec![T::ZERO; c]);
    let rows = task / c;
    for (t, (us, (xs, dx))) in
        us.chunks_exact(task).zip(xs.chunks_exact(task).zip(dx.chunks_exact_mut(task))).enumerate()
    {
        let (gamma, first) = (of_task(gammas, c, t), if m == 1 { 0 } else { t * c });
        for start in (0..rows).step_by(BLOCK) {
            vectorise(|| {
                let (part_gamma, part_beta) = (&mut part_gamma[..c], &mut part_beta[..c]);
                let (g, hat) = (&mut g[..c], &mut hat[..c]);
                part_gamma.fill(T::ZERO);
                part_beta.fill(T::ZERO);
                for i in start..rows.min(start + BLOCK) {
                    let (u, x, dx) = (&us[i * c..][..c], &xs[i * c..][..c], &mut dx[i * c..][..c]);
                    let (mean, s) = (means[t * rows + i], scales[t * rows + i]);
                    for j in 0..c {
                        hat[j] = (x[j] - mean) * s;
                        g[j] = u[j] * gamma[j];
                        part_gamma[j] += u[j] * hat[j];
                        part_beta[j] += u[j];
                    }
                    let (mean_g, mean_gx) = (lanes(g, g, |v, _| v) * inv_c, lanes(g, hat, |g, hat| g * hat) * inv_c);
                    for j in 0..c {
                        dx[j] = s * (g[j] - mean_g - hat[j] * mean_gx);
                    }
                }
            });
            for j in 0..c {
                dgamma[first + j] += part_gamma[j].to_f64();
                dbeta[first + j] += part_beta[j].to_f64();
            }
        }
    }
    let narrow = |sums: Vec<f64>| tensor(sums.into_iter().map(T::from_f64).collect::<Vec<T>>(), (m, c));
    Ok(smallvec![Some(tensor(dx, x.shape())?), Some(narrow(dgamma)?), Some(narrow(dbeta)?)])
}

/// The task's row of `[M or 1, C]`.
#[inline(always)]
fn of_task<T>(values: &[T], c: usize, task: usize) -> &[T] {
    if values.len() == c { &values[..c] } else { &values[task * c..][..c] }
}
