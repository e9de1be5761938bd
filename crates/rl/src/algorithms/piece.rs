//! Experience in pieces that fit into a cache.
//!
//! A loss that is a mean over steps is a sum over pieces, and so are its derivatives of every order. What one piece is
//! multiplied with stays in the cache while the next derivative of the same piece is made, which is worth more than the
//! longer products of the whole: a sixth of an iteration of MAML with TRPO, measured with pieces of 400 steps, 100 wide.

use rekindle_autodiff::{Params, Tensor};

use super::surrogate::{Estimator, kl_terms, log_probs, ratio_terms};
use crate::policy::Distribution;
use crate::{Experience, Policy, Result};

/// Some of the copies of every task, with their whole sequences, as summands of means over all copies.
#[derive(Clone, Debug)]
pub struct Piece {
    experience: Experience,
    /// `[T, M, B]`
    advantages: Tensor,
    /// Steps that count in all pieces together, or the sum of their weights, `[M]`.
    total: Tensor,
}

impl Piece {
    /// Experience as a single piece.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn whole(experience: &Experience, advantages: &Tensor) -> Result<Self> {
        let [t, m, b] = experience.dims();
        let total = match &experience.weights {
            Some(weights) => weights.sum(&[0, 2])?,
            None => Tensor::ones(m, advantages.dtype(), advantages.device())?.scale((t * b) as f64)?,
        };
        Ok(Self { experience: experience.clone(), advantages: advantages.clone(), total })
    }

    /// Pieces of about `steps` steps, but for sequences that are longer; all at once on other devices than the CPU.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn split(experience: &Experience, advantages: &Tensor, steps: usize) -> Result<Vec<Self>> {
        let [t, m, b] = experience.dims();
        let whole = Self::whole(experience, advantages)?;
        let copies = (steps / (t * m).max(1)).max(1);
        if copies >= b || !advantages.device().is_cpu() {
            return Ok(vec![whole]);
        }
        let all: Vec<u32> = (0..b as u32).collect();
        all.chunks(copies).map(|copies| whole.select(copies)).collect()
    }

    fn select(&self, copies: &[u32]) -> Result<Self> {
        let ids = candle_core::Tensor::new(copies, self.advantages.device())?;
        let advantages = self.advantages.index_select(2, &ids)?;
        Ok(Self { experience: self.experience.select(copies)?, advantages, total: self.total.clone() })
    }

    /// Tasks M.
    pub fn n_tasks(&self) -> usize {
        self.experience.dims()[1]
    }

    /// This piece's part of [`policy_gradient_loss`](crate::policy_gradient_loss), `[M]`.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn policy_gradient_loss(&self, policy: &Policy, params: &Params, estimator: Estimator) -> Result<Tensor> {
        let log_probs = log_probs(policy, params, &self.experience)?;
        self.part(&estimator.terms(&log_probs, &self.advantages, &self.experience.starts)?)?.neg().map_err(Into::into)
    }

    pub(super) fn distribution(&self, policy: &Policy, params: &Params) -> Result<Distribution> {
        policy.distribution(params, self.experience.sequence(), &self.experience.memory)
    }

    /// This piece's part of [`ratio_loss`](crate::ratio_loss), `[M]`.
    pub(super) fn ratio_loss(&self, now: &Distribution) -> Result<Tensor> {
        Ok(self.part(&ratio_terms(now, &self.experience, &self.advantages)?)?.neg()?)
    }

    /// This piece's part of [`mean_kl`](crate::mean_kl), `[M]`.
    pub(super) fn kl(&self, now: &Distribution) -> Result<Tensor> {
        self.part(&kl_terms(now, &self.experience)?)
    }

    /// The sum of `x [T, M, B]` over the steps that count, as a part of the mean over all pieces.
    fn part(&self, x: &Tensor) -> Result<Tensor> {
        let counted = match &self.experience.weights {
            Some(weights) => x.mul(weights)?,
            None => x.clone(),
        };
        Ok(counted.sum(&[0, 2])?.div(&self.total)?)
    }
}
