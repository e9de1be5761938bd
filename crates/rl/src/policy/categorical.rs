//! The categorical distribution over a number of actions.
//!
//! ```text
//! p_a = exp z_a / Σ_b exp z_b        H = −Σ p log p        KL(p‖q) = Σ p (log p − log q)
//! ```

use candle_core::Tensor as Value;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Tensor;
use rekindle_envs::random::unit_f64;

use crate::{Error, Result};

/// One of A actions at every place of `[…]`, by normalised logarithms of their probabilities, `[…, A]`.
#[derive(Clone, Debug)]
pub struct Categorical {
    log_probs: Tensor,
}

impl Categorical {
    /// From logits `[…, A]`.
    ///
    /// # Errors
    /// If there is no last axis.
    pub fn new(logits: &Tensor) -> Result<Self> {
        Ok(Self { log_probs: logits.log_softmax()? })
    }

    pub(super) fn from_log_probs(log_probs: Tensor) -> Self {
        Self { log_probs }
    }

    /// Logarithms of the probabilities of all actions, `[…, A]`.
    pub fn log_probs(&self) -> &Tensor {
        &self.log_probs
    }

    /// `log p(a)`, `[…]`, of action numbers `[…]` (`u32`).
    ///
    /// # Errors
    /// If the shapes do not fit, or an action is out of range.
    pub fn log_prob(&self, actions: &Value) -> Result<Tensor> {
        let (last, lead) = (self.log_probs.rank() - 1, &self.log_probs.dims()[..self.log_probs.rank() - 1]);
        if actions.dims() != lead {
            return Err(Error::shape("the actions", actions.dims(), format!("{lead:?}")));
        }
        Ok(self.log_probs.gather(last, &actions.unsqueeze(last)?)?.squeeze(last)?)
    }

    /// Entropy in nats, `[…]`.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn entropy(&self) -> Result<Tensor> {
        let last = self.log_probs.rank() - 1;
        Ok(self.log_probs.exp()?.mul(&self.log_probs)?.sum(&[last])?.neg()?)
    }

    /// `KL(self ‖ other)` in nats, `[…]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn kl(&self, other: &Self) -> Result<Tensor> {
        let last = self.log_probs.rank() - 1;
        Ok(self.log_probs.exp()?.mul(&self.log_probs.sub(&other.log_probs)?)?.sum(&[last])?)
    }

    /// The most probable action of every row, the first among equals.
    ///
    /// # Errors
    /// If the values cannot be brought to the host.
    pub fn mode(&self) -> Result<Vec<u32>> {
        self.rows(|_, row| {
            let better = |best: usize, a: usize| if row[a] > row[best] { a } else { best };
            (0..row.len()).fold(0, better)
        })
    }

    /// An action for every row, each drawn with its own generator.
    pub(super) fn sample(&self, rngs: &mut [ChaCha8Rng]) -> Result<Vec<u32>> {
        self.rows(|i, row| {
            let u = unit_f64(&mut rngs[i]);
            let mut sum = 0.0;
            let drawn = row.iter().position(|log_p| {
                sum += libm::exp(*log_p);
                u < sum
            });
            // Rounding may leave the sum a little below one.
            drawn.unwrap_or(row.len() - 1)
        })
    }

    fn rows(&self, mut choose: impl FnMut(usize, &[f64]) -> usize) -> Result<Vec<u32>> {
        let n = self.log_probs.dims().last().copied().unwrap_or(1);
        let values = self.log_probs.to_vec_f64()?;
        Ok(values.chunks_exact(n).enumerate().map(|(i, row)| choose(i, row) as u32).collect())
    }
}
