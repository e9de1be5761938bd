//! Trust region policy optimisation of a policy on its own experience.
//!
//! Schulman et al. 2015: the step of [`policy_step`] on [`ratio_loss`](crate::ratio_loss) with the limit on
//! [`mean_kl`](crate::mean_kl). Works with recurrent policies as with others: the products with the Hessian go through
//! the whole sequence.

use rekindle_autodiff::Params;

use super::piece::Piece;
use super::step::actor_part;
use super::trust_region::{PolicyPart, TrustRegionConfig, TrustRegionStep, policy_step};
use crate::{Error, Experience, Policy, Result};

/// One update of the acting network. Advantages, `[T, M, B]`, are of any kind; usually [`gae`](crate::returns::gae) with
/// mean 0 and deviation 1. The critic, if there is one, stays: [`CriticFit`](crate::CriticFit) trains it.
///
/// With shared parameters the loss is the mean over tasks; with leaves `[M, …]` each task takes its own step.
///
/// # Errors
/// [`Error::Unsupported`] for a policy whose value is an output of the acting network; as [`policy_step`]
/// otherwise.
pub fn trpo(
    policy: &Policy,
    params: &Params,
    experience: &Experience,
    advantages: &[f32],
    config: &TrustRegionConfig,
) -> Result<TrustRegionStep> {
    if policy.shares_value() {
        let message = "TRPO moves the acting network alone, which here has the value as an output: use \
                       `Policy::with_critic`, or a linear baseline";
        return Err(Error::Unsupported { message: message.into() });
    }
    let (actor, rest) = actor_part(params);
    let pieces = [Piece::whole(experience, &experience.tensor(advantages)?)?];
    let part = PolicyPart { policy, pieces: &pieces, adaptation: None, share: 1.0 };
    let step = policy_step(&actor, config, &[part], 1)?;
    Ok(TrustRegionStep { params: step.params.merge(&rest.detach())?, ..step })
}
