//! Objectives whose gradients are policy gradients, task by task, as losses to be minimised.
//!
//! All are `[M]`: a mean over the steps of each task that count. They are differentiable to any order, with leaves
//! `[M, …]` for tasks with parameters of their own, so that an inner loop can run through them.

use candle_core::Tensor as Value;
use rekindle_autodiff::{Params, Tensor};

use crate::{Distribution, Error, Experience, Policy, Result};

/// What to differentiate, so that the first derivative is the policy gradient `E[Σ_t ∇log π(a_t) A_t]`. The forms differ
/// in their second derivatives, which matter where an inner loop is differentiated through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Estimator {
    /// `log π(a_t) A_t`. The second derivative is `E[Σ ∇²log π A]`, which is *not* that of the objective: it lacks how
    /// the distribution of the samples changes. What MAML's published code differentiates (Finn et al. 2017).
    #[default]
    ScoreFunction,
    /// `π(a_t)/⊥π(a_t) A_t`, with ⊥ a constant: the low-variance curvature of Rothfuss, Lee, Clavera, Asfour & Abbeel,
    /// *ProMP*, 2019, eq. 10. The second derivative adds `∇log π ∇log πᵀ A` of each step; cross terms between steps are
    /// left out, a bias that vanishes towards an optimum, for much less variance.
    LowVarianceCurvature,
    /// `(□_{≤t} − □_{<t}) A_t` with `□_{≤t} = exp Σ_{t' ≤ t} (log π − ⊥ log π)`: all derivatives are those of the
    /// objective. Foerster et al., *DiCE*, 2018, with advantages in the place of rewards by Farquhar, Whiteson &
    /// Foerster, *Loaded DiCE*, 2019, eq. 14. The sum runs over the steps of one decision process.
    Dice,
}

impl Estimator {
    /// The terms, `[T, M, B]`, of log probabilities and advantages `[T, M, B]`. `starts` marks where decision processes
    /// begin.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn terms(self, log_probs: &Tensor, advantages: &Tensor, starts: &[bool]) -> Result<Tensor> {
        let change = log_probs.sub(&log_probs.detach())?;
        match self {
            Self::ScoreFunction => Ok(log_probs.mul(advantages)?),
            Self::LowVarianceCurvature => Ok(change.exp()?.mul(advantages)?),
            Self::Dice => {
                let with = running_sum(&change, starts)?;
                let without = with.sub(&change)?;
                // One more keeps the value that of the advantage; its derivative is zero.
                Ok(with.exp()?.sub(&without.exp()?)?.shift(1.0)?.mul(advantages)?)
            }
        }
    }
}

/// Sums over the steps of a decision process up to and with each one, `[T, M, B]`.
fn running_sum(x: &Tensor, starts: &[bool]) -> Result<Tensor> {
    let &[t, m, b] = x.dims() else { return Err(Error::shape("the steps", x.dims(), "[T, M, B]")) };
    let rows = m * b;
    if starts.len() != t * rows {
        return Err(Error::shape("the marks of starts", &[starts.len()], format!("[{t}, {m}, {b}]")));
    }
    let mut begun = vec![0u32; rows];
    let mut ids = Vec::with_capacity(starts.len());
    for (step, starts) in starts.chunks_exact(rows.max(1)).enumerate() {
        begun.iter_mut().zip(starts).filter(|(_, start)| **start).for_each(|(begun, _)| *begun = step as u32);
        ids.extend_from_slice(&begun);
    }
    let ids = Value::from_vec(ids, (t, m, b), x.device())?;
    let sums = x.cumsum(0)?;
    // What had been summed up before the process began.
    let before = sums.sub(x)?.gather(0, &ids)?;
    Ok(sums.sub(&before)?)
}

/// `−mean` of an [`Estimator`]'s terms, `[M]`: the loss of REINFORCE and of MAML's inner loop, on experience of the
/// same policy.
///
/// # Errors
/// If the shapes do not fit.
pub fn policy_gradient_loss(
    policy: &Policy,
    params: &Params,
    experience: &Experience,
    advantages: &Tensor,
    estimator: Estimator,
) -> Result<Tensor> {
    let log_probs = log_probs(policy, params, experience)?;
    let terms = estimator.terms(&log_probs, advantages, &experience.starts)?;
    Ok(experience.mean(&terms)?.neg()?)
}

/// `−mean π(a)/π_old(a) A`, `[M]`: TRPO's loss, by importance weights against the policy that acted. At that policy its
/// gradient is the policy gradient.
///
/// # Errors
/// If the shapes do not fit.
pub fn ratio_loss(policy: &Policy, params: &Params, experience: &Experience, advantages: &Tensor) -> Result<Tensor> {
    let now = distribution(policy, params, experience)?;
    Ok(experience.mean(&ratio_terms(&now, experience, advantages)?)?.neg()?)
}

/// `π(a)/π_old(a) A`, `[T, M, B]`.
pub(super) fn ratio_terms(now: &Distribution, experience: &Experience, advantages: &Tensor) -> Result<Tensor> {
    let ratio = now.log_prob(&experience.actions)?.sub(&experience.log_probs)?.exp()?;
    Ok(ratio.mul(advantages)?)
}

/// `−mean min(ρ A, clip(ρ, 1 − ε, 1 + ε) A)`, `[M]`, of log probabilities `[T, M, B]`: PPO's loss. Schulman, Wolski,
/// Dhariwal, Radford & Klimov, *Proximal Policy Optimization Algorithms*, 2017, eq. 7.
///
/// # Errors
/// If the shapes do not fit.
pub fn clipped_loss(log_probs: &Tensor, experience: &Experience, advantages: &Tensor, clip: f64) -> Result<Tensor> {
    let ratio = log_probs.sub(&experience.log_probs)?.exp()?;
    let (free, held) = (ratio.mul(advantages)?, ratio.clamp(1.0 - clip, 1.0 + clip)?.mul(advantages)?);
    Ok(experience.mean(&free.minimum(&held)?)?.neg()?)
}

/// Mean divergence `KL(π_old ‖ π)`, `[M]`, from the policy that acted.
///
/// # Errors
/// If the shapes do not fit.
pub fn mean_kl(policy: &Policy, params: &Params, experience: &Experience) -> Result<Tensor> {
    experience.mean(&kl_terms(&distribution(policy, params, experience)?, experience)?)
}

/// `KL(π_old ‖ π)`, `[T, M, B]`.
pub(super) fn kl_terms(now: &Distribution, experience: &Experience) -> Result<Tensor> {
    experience.distribution.kl(now)
}

pub(super) fn log_probs(policy: &Policy, params: &Params, experience: &Experience) -> Result<Tensor> {
    distribution(policy, params, experience)?.log_prob(&experience.actions)
}

fn distribution(policy: &Policy, params: &Params, experience: &Experience) -> Result<Distribution> {
    policy.distribution(params, experience.sequence(), &experience.memory)
}
