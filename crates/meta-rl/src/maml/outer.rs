//! The meta-objective, and one improvement of the start.

use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_envs::EnvFamily;
use rekindle_optim::{State, Transform, apply_updates};
use rekindle_rl::{Objective, clipped_loss, mean_kl, ratio_loss, trust_region_step};

use super::{Batch, MamlRl, Outer};
use crate::Result;

impl<F: EnvFamily> MamlRl<F> {
    /// New meta-parameters from the trajectories before each inner step and those after the last.
    pub(super) fn improve(
        &self,
        meta: &Params,
        state: &State,
        inner: &[Batch],
        after: &Batch,
    ) -> Result<(Params, State)> {
        match &self.config.outer {
            Outer::Trpo(config) => {
                let objective = |meta: &Params| self.objective(meta, inner, after);
                Ok((trust_region_step(meta, config, objective)?.params, state.clone()))
            }
            Outer::Ppo { clip, epochs, optimiser } => {
                self.clipped(meta, state, (inner, after), (*clip, *epochs), &**optimiser)
            }
        }
    }

    /// The adapted policies as functions of the meta-parameters.
    pub(super) fn adapted(&self, meta: &Params, inner: &[Batch], m: usize) -> rekindle_rl::Result<Params> {
        // Nothing is differentiated in a line search.
        let order = if meta.is_tracked() { self.config.order } else { Order::First };
        let mut theta = self.start(meta, m)?;
        for batch in inner {
            theta = self.step(meta, &theta, batch, self.config.inner_lr, order)?;
        }
        Ok(theta)
    }

    /// TRPO's loss and divergence after adaptation, means over tasks, `[1]`.
    pub(super) fn objective(&self, meta: &Params, inner: &[Batch], after: &Batch) -> rekindle_rl::Result<Objective> {
        let theta = self.adapted(meta, inner, after.experience.dims()[1])?;
        let loss = ratio_loss(&self.policy, &theta, &after.experience, &after.advantages)?;
        let kl = mean_kl(&self.policy, &theta, &after.experience)?;
        Ok(Objective { loss: loss.mean_keepdim(&[0])?, kl: kl.mean_keepdim(&[0])? })
    }

    fn clipped(
        &self,
        meta: &Params,
        state: &State,
        (inner, after): (&[Batch], &Batch),
        (clip, epochs): (f64, usize),
        optimiser: &dyn Transform,
    ) -> Result<(Params, State)> {
        let (mut meta, mut state) = (meta.detach(), state.clone());
        for _ in 0..epochs {
            let point = meta.leaf();
            let grads = point.grad(&self.clipped_objective(&point, inner, after, clip)?, Order::First)?;
            let (updates, next) = optimiser.update(&grads, &state, &meta)?;
            (meta, state) = (apply_updates(&meta, &updates)?, next);
        }
        Ok((meta, state))
    }

    /// PPO's loss after adaptation, a scalar.
    fn clipped_objective(&self, meta: &Params, inner: &[Batch], after: &Batch, clip: f64) -> Result<Tensor> {
        let experience = &after.experience;
        let theta = self.adapted(meta, inner, experience.dims()[1])?;
        let distribution = self.policy.distribution(&theta, experience.sequence(), &experience.memory)?;
        let log_probs = distribution.log_prob(&experience.actions)?;
        Ok(clipped_loss(&log_probs, experience, &after.advantages, clip)?.mean_all()?)
    }
}
