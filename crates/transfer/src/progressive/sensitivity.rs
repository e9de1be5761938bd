//! Which columns an output rests on: two measures.
//!
//! ```text
//! F̂_i⁽ʲ⁾(m, m) = E_x Σ_a π(a|x) (∂ log π(a|x) / ∂ĥ_i⁽ʲ⁾(m))²        ĥ = h / standard deviation of h
//! AFS(i, j) = mean_m F̂_i⁽ʲ⁾(m, m) / Σ_l F̂_i⁽ˡ⁾(m, m)        APS(i, j) = Λ_i⁽ʲ⁾ / Σ_l Λ_i⁽ˡ⁾
//! ```
//! Λ is the precision 1/σ² of Gaussian noise on a layer's activations at which the score falls by half: the more noise a
//! column bears, the less rests on it. Rusu et al. 2016, §3. The sum over actions is exact here, and features whose Fisher
//! information is zero in all columns are left out of the mean. Features of a convolution are its maps.

use rand::RngCore;
use rekindle_autodiff::{Order, Params, Tensor, partial_vjp};
use rekindle_nn::{Builder, Fans, Init};

use super::column::Progressive;
use crate::{Error, Result};

/// The share of each column in each hidden layer: `shares[i][j]` for layer i and column j, both from 0; each layer's sum
/// to 1 (or are all 0, where nothing rests on the layer).
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Layers from the bottom, and columns from the first.
    pub shares: Vec<Vec<f64>>,
}

/// The average Fisher sensitivity of a column's policy, or classification, `softmax` of its outputs, to every column up to
/// it, over inputs `x [1, B, …]`.
///
/// # Errors
/// Those of the network.
pub fn fisher_sensitivity(net: &Progressive, params: &Params, index: usize, x: &Tensor) -> Result<Sensitivity> {
    let params = params.detach();
    let n_layers = net.config().layers.len();
    let mut taps: Vec<Vec<Tensor>> = vec![Vec::new(); n_layers];
    let logits = net.tapped(&params, x, index, &mut |layer, _, h| {
        // An alias sees the uses of this activation alone, whichever other ways lead from those below to the outputs.
        let tap = if h.is_tracked() { h.alias() } else { h.leaf() };
        taps[layer - 1].push(tap.clone());
        Ok(tap)
    })?;
    let log_pi = logits.log_softmax()?; // [1, B, N]
    let flat: Vec<&Tensor> = taps.iter().flatten().collect();
    let mut information = vec![Vec::new(); flat.len()];
    let (b, n) = (log_pi.dim(1)?, log_pi.dim(2)?);
    for action in 0..n {
        let log_p = log_pi.narrow(2, action, 1)?; // [1, B, 1]
        // Examples do not mix, so the gradient of the sum holds every example's own. The root of the probability goes
        // into the seed, and so is squared with the gradient.
        let seed = log_p.detach().scale(0.5)?.exp()?;
        for (sum, g) in information.iter_mut().zip(partial_vjp(&[(&log_p, &seed)], &flat, Order::First)?) {
            if let Some(g) = g {
                add(sum, &per_feature(&g.sqr()?)?, 1.0 / b as f64);
            }
        }
    }
    for (sum, h) in information.iter_mut().zip(&flat) {
        let axes: Vec<usize> = (0..h.rank() - 1).collect();
        let variance = h.detach().var_keepdim(&axes, 0)?.to_vec_f64()?;
        sum.resize(variance.len(), 0.0);
        sum.iter_mut().zip(variance).for_each(|(f, v)| *f *= v);
    }
    Ok(Sensitivity { shares: information.chunks(index).map(mean_shares).collect() })
}

/// Gaussian noise in one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The hidden layer, counted from 1.
    pub layer: usize,
    /// The column, counted from 1.
    pub column: usize,
    /// Standard deviation σ, `≥ 0`.
    pub std: f64,
}

impl Progressive {
    /// Outputs `[M, B, O]` of column `index` for `x [M, B, …]`, with noise on the activations in one place.
    ///
    /// # Errors
    /// As the column's own forward pass.
    pub fn forward_noisy(
        &self,
        params: &Params,
        x: &Tensor,
        index: usize,
        noise: Noise,
        rng: &mut dyn RngCore,
    ) -> Result<Tensor> {
        self.tapped(params, x, index, &mut |layer, column, h| {
            if (layer, column) == (noise.layer, noise.column) { add_noise(&h, noise.std, &mut *rng) } else { Ok(h) }
        })
    }
}

/// The average perturbation sensitivity of column `index` to every column up to it. `score` judges the column with noise
/// in one place ([`Progressive::forward_noisy`]), and once without; scores are from 0 upwards, more is better.
///
/// # Errors
/// Those of the score, and if it is not above 0 without noise.
pub fn perturbation_sensitivity(
    net: &Progressive,
    index: usize,
    score: &mut dyn FnMut(Option<Noise>) -> Result<f64>,
) -> Result<Sensitivity> {
    let base = score(None)?;
    let mut shares = Vec::with_capacity(net.config().layers.len());
    for layer in 1..=net.config().layers.len() {
        let mut precisions = Vec::with_capacity(index);
        for column in 1..=index {
            precisions.push(half_precision(base, |std| score(Some(Noise { layer, column, std })))?);
        }
        shares.push(normalised(&precisions));
    }
    Ok(Sensitivity { shares })
}

/// The precision 1/σ² of noise at which a score falls to half of what it is without, by bisection of log σ between 10⁻³ and
/// 10³; `score(σ)` falls with σ but for chance. Where it never falls so far, the precision at 10³.
///
/// # Errors
/// Those of the score, and if `base`, the score without noise, is not above 0.
pub fn half_precision(base: f64, mut score: impl FnMut(f64) -> Result<f64>) -> Result<f64> {
    if !(base.is_finite() && base > 0.0) {
        return Err(Error::setting("base", base, "a score above 0: there is no half of nothing"));
    }
    let (mut low, mut high) = (-3f64, 3f64);
    // A precision within 1 % takes a σ within half of that: 6/2¹² decades are 0.3 %.
    for _ in 0..12 {
        let middle = 0.5 * (low + high);
        if score(10f64.powf(middle))? > 0.5 * base { low = middle } else { high = middle }
    }
    Ok(10f64.powf(-(low + high)))
}

fn add_noise(h: &Tensor, std: f64, rng: &mut dyn RngCore) -> Result<Tensor> {
    let mut builder = Builder::new(rng, h.dtype(), h.device());
    let count = [h.elem_count()];
    builder.draw("noise", &count, Init::Normal { std }, Fans::of(&count))?;
    Ok(h.add(&builder.finish()?.get("noise")?.reshape(h.dims().to_vec())?)?)
}

/// `[…, F]` to sums over all but the last axis.
fn per_feature(x: &Tensor) -> Result<Vec<f64>> {
    let axes: Vec<usize> = (0..x.rank() - 1).collect();
    Ok(x.sum(&axes)?.to_vec_f64()?)
}

fn add(sum: &mut Vec<f64>, more: &[f64], scale: f64) {
    sum.resize(more.len(), 0.0);
    sum.iter_mut().zip(more).for_each(|(s, m)| *s += scale * m);
}

/// The mean over features of each column's share.
fn mean_shares(columns: &[Vec<f64>]) -> Vec<f64> {
    let mut means = vec![0.0; columns.len()];
    let mut counted = 0.0;
    for m in 0..columns[0].len() {
        let all: Vec<f64> = columns.iter().map(|column| column[m]).collect();
        if all.iter().sum::<f64>() > 0.0 {
            counted += 1.0;
            add(&mut means, &normalised(&all), 1.0);
        }
    }
    if counted > 0.0 {
        means.iter_mut().for_each(|mean| *mean /= counted);
    }
    means
}

fn normalised(values: &[f64]) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.iter().map(|v| if sum > 0.0 { v / sum } else { 0.0 }).collect()
}
