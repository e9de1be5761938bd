//! The Gaussian distribution with independent elements.
//!
//! ```text
//! log p(a) = −Σ_i [ (a_i − μ_i)²/(2σ_i²) + log σ_i + ½ log 2π ]        H = Σ_i [ log σ_i + ½ log 2πe ]
//! KL(p‖q)  = Σ_i [ log σ_q − log σ_p + (σ_p² + (μ_p − μ_q)²)/(2σ_q²) − ½ ]
//! ```
//! The deviation does not depend on the state: one leaf of parameters, or a constant, as in Schulman et al. 2015.

use std::f64::consts::TAU;

use candle_core::Tensor as Value;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Tensor;
use rekindle_envs::random::normal;

use crate::{Error, Result};

/// A vector of A real numbers at every place of `[T, M, B]` or `[M, B]`.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// `[…, M, B, A]`
    mean: Tensor,
    /// `[M or 1, 1, A]`
    log_std: Tensor,
}

impl Gaussian {
    /// From means `[T, M, B, A]` or `[M, B, A]` and the logarithms of the deviations, `[M, A]` or `[1, A]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn new(mean: &Tensor, log_std: &Tensor) -> Result<Self> {
        let fits = match (mean.dims(), log_std.dims()) {
            ([.., m, _, a], [ms, size]) => a == size && (ms == m || *ms == 1),
            _ => false,
        };
        if !fits {
            return Err(Error::shape(
                "the log deviation",
                log_std.dims(),
                format!("[M or 1, A] of means {:?}", mean.dims()),
            ));
        }
        Ok(Self { mean: mean.clone(), log_std: log_std.unsqueeze(1)? })
    }

    pub(super) fn with_mean(&self, mean: Tensor) -> Self {
        Self { mean, log_std: self.log_std.clone() }
    }

    pub(super) fn constant(&self) -> Self {
        Self { mean: self.mean.detach(), log_std: self.log_std.detach() }
    }

    /// Means, `[…, A]`.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// Logarithms of the deviations, `[M or 1, 1, A]`.
    pub fn log_std(&self) -> &Tensor {
        &self.log_std
    }

    /// Density `log p(a)`, `[…]`, of actions `[…, A]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn log_prob(&self, actions: &Value) -> Result<Tensor> {
        if actions.dims() != self.mean.dims() {
            return Err(Error::shape("the actions", actions.dims(), format!("{:?}", self.mean.dims())));
        }
        let z = Tensor::new(actions.clone()).sub(&self.mean)?.mul(&self.log_std.neg()?.exp()?)?;
        let last = self.mean.rank() - 1;
        let size = self.mean.dims()[last] as f64;
        Ok(z.sqr()?.sum(&[last])?.scale(-0.5)?.sub(&self.log_std.sum(&[2])?)?.shift(-0.5 * size * libm::log(TAU))?)
    }

    /// Differential entropy in nats, `[…]`.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn entropy(&self) -> Result<Tensor> {
        let (size, lead) = self.mean.dims().split_last().expect("means have an axis of actions");
        let constant = 0.5 * *size as f64 * (libm::log(TAU) + 1.0);
        Ok(self.log_std.sum(&[2])?.shift(constant)?.broadcast_to(lead)?)
    }

    /// `KL(self ‖ other)` in nats, `[…]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn kl(&self, other: &Self) -> Result<Tensor> {
        let last = self.mean.rank() - 1;
        let precision = other.log_std.scale(-2.0)?.exp()?;
        let apart = self.mean.sub(&other.mean)?.sqr()?;
        let squares = apart.add(&self.log_std.scale(2.0)?.exp()?)?.mul(&precision)?.scale(0.5)?;
        Ok(squares.add(&other.log_std.sub(&self.log_std)?)?.shift(-0.5)?.sum(&[last])?)
    }

    /// The most probable action of every row: its mean.
    ///
    /// # Errors
    /// If the values cannot be brought to the host.
    pub fn mode(&self) -> Result<Vec<f32>> {
        Ok(self.mean.to_vec_f64()?.into_iter().map(|x| x as f32).collect())
    }

    /// An action for every row, each drawn with its own generator.
    pub(super) fn sample(&self, rngs: &mut [ChaCha8Rng]) -> Result<Vec<f32>> {
        let &[.., m, b, size] = self.mean.dims() else {
            return Err(Error::shape("the means", self.mean.dims(), "[…, M, B, A]"));
        };
        let mut actions = self.mean.to_vec_f64()?;
        // Once for each task, not once for each row.
        let deviations: Vec<f64> = self.log_std.to_vec_f64()?.into_iter().map(libm::exp).collect();
        let rows = actions.chunks_exact_mut(size.max(1)).zip(rngs);
        for (row, (action, rng)) in rows.enumerate() {
            let task = if self.log_std.dims()[0] == 1 { 0 } else { row / b % m };
            for (a, deviation) in action.iter_mut().zip(&deviations[task * size..]) {
                *a += deviation * normal(rng);
            }
        }
        Ok(actions.into_iter().map(|a| a as f32).collect())
    }
}
