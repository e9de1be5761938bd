//! GradNorm: weights that keep the gradients of several losses balanced.
//!
//! ```text
//! G_t = w_t ‖∇_W L_t‖     r_t = (L_t/L_t⁰) / mean_u (L_u/L_u⁰)     L_grad = Σ_t |G_t − mean_u G_u · r_t^α|
//! w_t ← w_t − η ∂L_grad/∂w_t, with the targets held fixed; then scaled so that Σ w = T
//! ```
//! Chen, Badrinarayanan, Lee & Rabinovich, *GradNorm*, 2018, Algorithm 1. W is the last layer that all objectives share.
//! Since G_t is linear in w_t, `∂L_grad/∂w_t = sign(G_t − target_t) ‖∇_W L_t‖` exactly, and no second derivative is needed.
//! Two things are added: a weight never falls below a floor, so that none turns negative, and the step is relative to the
//! mean of the norms, so that η does not depend on the scale of the losses.

use rekindle_autodiff::{Order, Tensor, grad};

use crate::error::{not_negative, positive};
use crate::{Error, Result};

/// Settings of [`GradNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradNormConfig {
    /// Strength α of the pull towards equal rates of training, `≥ 0`; 0 makes all gradients equally long. Default 1.5, the
    /// paper's for NYUv2.
    pub alpha: f64,
    /// Rate η of the weights, `> 0`. Default 0.025, the paper's.
    pub rate: f64,
    /// The least that a weight may become before all are scaled, in `(0, 1)`. Default 0.001.
    pub floor: f64,
}

impl Default for GradNormConfig {
    fn default() -> Self {
        Self { alpha: 1.5, rate: 0.025, floor: 1e-3 }
    }
}

impl GradNormConfig {
    /// Checks the fields.
    ///
    /// # Errors
    /// With the field and its value.
    pub fn validate(&self) -> Result<()> {
        not_negative("alpha", self.alpha)?;
        positive("rate", self.rate)?;
        if !(self.floor > 0.0 && self.floor < 1.0) {
            return Err(Error::setting("floor", self.floor, "between 0 and 1"));
        }
        Ok(())
    }
}

/// The weights of T losses, and what the losses were at first.
///
/// ```
/// use rekindle_transfer::{GradNorm, GradNormConfig};
/// // The second loss has a gradient a hundred times longer: its weight falls.
/// let balance = GradNorm::new(2, GradNormConfig::default())?.step(&[1.0, 1.0], &[1.0, 100.0])?;
/// assert!(balance.weights()[0] > 1.0 && balance.weights()[1] < 1.0);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GradNorm {
    config: GradNormConfig,
    weights: Vec<f64>,
    first: Option<Vec<f64>>,
}

impl GradNorm {
    /// Weights 1 for `n` losses.
    ///
    /// # Errors
    /// If there are none, or if a setting is out of range.
    pub fn new(n: usize, config: GradNormConfig) -> Result<Self> {
        config.validate()?;
        if n == 0 {
            return Err(Error::setting("n", 0, "at least one loss"));
        }
        Ok(Self { config, weights: vec![1.0; n], first: None })
    }

    /// The weights w, which sum to T.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The weights after a step in which the objectives have these losses, each above 0, and these norms `‖∇_W L_t‖` of
    /// their unweighted gradients ([`gradient_norms`]).
    ///
    /// # Errors
    /// If there are not T of each, or if one is not a number in its range.
    pub fn step(&self, losses: &[f64], norms: &[f64]) -> Result<Self> {
        let n = self.weights.len();
        let fit = losses.len() == n && norms.len() == n;
        if !fit
            || losses.iter().any(|l| !(l.is_finite() && *l > 0.0))
            || norms.iter().any(|g| !(g.is_finite() && *g >= 0.0))
        {
            let value = format!("losses {losses:?}, norms {norms:?}");
            return Err(Error::setting("step", value, "a positive loss and a norm of at least 0 for each weight"));
        }
        let first = self.first.clone().unwrap_or_else(|| losses.to_vec());
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
        let ratios: Vec<f64> = losses.iter().zip(&first).map(|(loss, first)| loss / first).collect();
        let lengths: Vec<f64> = self.weights.iter().zip(norms).map(|(w, norm)| w * norm).collect();
        let (mean_ratio, mean_length, mean_norm) = (mean(&ratios), mean(&lengths), mean(norms));
        let mut weights = self.weights.clone();
        for t in 0..n {
            let target = mean_length * (ratios[t] / mean_ratio).powf(self.config.alpha);
            let excess = lengths[t] - target;
            let sign = if excess == 0.0 { 0.0 } else { excess.signum() };
            // All norms zero: every objective is at its optimum, and nothing is out of balance.
            let slope = if mean_norm > 0.0 { sign * norms[t] / mean_norm } else { 0.0 };
            weights[t] = (weights[t] - self.config.rate * slope).max(self.config.floor);
        }
        let scale = 1.0 / mean(&weights);
        weights.iter_mut().for_each(|w| *w *= scale);
        Ok(Self { config: self.config, weights, first: Some(first) })
    }

    /// `Σ_t w_t L_t`, `[M]`, of losses `[M]`: what the model is trained on.
    ///
    /// # Errors
    /// If there are not T losses.
    pub fn total(&self, losses: &[Tensor]) -> Result<Tensor> {
        let [first, rest @ ..] = losses else { return Err(Error::setting("losses", "[]", "at least one loss")) };
        if losses.len() != self.weights.len() {
            return Err(Error::setting("losses", format!("{} losses", losses.len()), "as many as there are weights"));
        }
        let start = first.scale(self.weights[0])?;
        Ok(rest.iter().zip(&self.weights[1..]).try_fold(start, |sum, (loss, w)| sum.add_scaled(loss, *w))?)
    }
}

/// `‖∇_W L_t‖` over all of the `shared` tensors together, for each of the losses `[M]`, summed over M.
///
/// # Errors
/// If a loss does not depend on one of them, or if one is a constant.
pub fn gradient_norms(losses: &[Tensor], shared: &[&Tensor]) -> Result<Vec<f64>> {
    let norm = |loss: &Tensor| {
        let grads = grad(&loss.sum_all()?, shared, Order::First)?;
        let squares =
            grads.iter().map(|g| g.sqr()?.sum_all()?.to_f64()).collect::<rekindle_autodiff::Result<Vec<_>>>()?;
        Ok(squares.iter().sum::<f64>().sqrt())
    };
    losses.iter().map(norm).collect()
}
