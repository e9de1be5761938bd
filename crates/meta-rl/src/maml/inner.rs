//! Adaptation: one step of policy gradient in every task at once.

use rekindle_autodiff::{Order, Params};
use rekindle_meta::{inner_gradient, inner_step};
use rekindle_rl::instances::for_each;
use rekindle_rl::{Policy, policy_gradient_loss};

use super::{Adapts, Batch, MamlRlConfig};
use crate::Result;

const THETA: &str = "theta";
const ALPHA: &str = "alpha";

/// How a policy adapts: all of MAML that knows nothing of the tasks.
#[derive(Clone, Debug)]
pub(super) struct Adapter {
    pub(super) policy: Policy,
    pub(super) config: MamlRlConfig,
    /// Their number changes no bit.
    pub(super) threads: usize,
}

impl Adapter {
    /// Meta-parameters from a policy's: with rates beside them where these are learned.
    pub(super) fn with_rates(&self, policy: Params) -> Result<Params> {
        let Adapts::LearnedRates(rate) = self.config.adapts else { return Ok(policy) };
        let alpha = policy.map(|leaf| leaf.ones_like()?.scale(rate))?;
        Ok(policy.prefixed(THETA)?.merge(&alpha.prefixed(ALPHA)?)?)
    }

    /// The policy of every task before adaptation, leaves `[M, …]`.
    pub(super) fn start(&self, meta: &Params, m: usize) -> rekindle_rl::Result<Params> {
        match self.config.adapts {
            Adapts::LearnedRates(_) => Ok(meta.sub_params(THETA)?.expand_tasks(m)?),
            Adapts::All | Adapts::Below(_) => Ok(meta.expand_tasks(m)?),
        }
    }

    /// One step outside of any graph.
    pub(super) fn adapt(&self, meta: &Params, theta: &Params, batch: &Batch, rate: f64) -> Result<Params> {
        let (meta, chunks) = (meta.detach(), batch.chunks());
        let adapted = for_each(chunks.len(), self.threads, |i| {
            let (start, len) = chunks[i];
            let theta = theta.narrow_tasks(start, len)?;
            self.step(&meta, &theta, &batch.tasks(start, len)?, rate, Order::First)
        })?;
        Ok(Params::cat_tasks(&adapted)?.detach())
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

    /// One step of size `rate`, or of the learned rates.
    pub(super) fn step(
        &self,
        meta: &Params,
        theta: &Params,
        batch: &Batch,
        rate: f64,
        order: Order,
    ) -> rekindle_rl::Result<Params> {
        let (experience, advantages, estimator) = (&batch.experience, &batch.advantages, self.config.estimator);
        let loss = |theta: &Params| policy_gradient_loss(&self.policy, theta, experience, advantages, estimator);
        match &self.config.adapts {
            Adapts::All => inner_step(theta, order, -rate, loss),
            Adapts::Below(prefix) => {
                let (part, rest) = theta.partition(|name| name.starts_with(prefix));
                let whole = |part: &Params| part.merge(&rest)?.ordered_like(theta);
                let part = inner_step(&part, order, -rate, |part| loss(&whole(part)?))?;
                Ok(whole(&part)?)
            }
            Adapts::LearnedRates(_) => {
                let gradient = inner_gradient(theta, order, loss)?;
                let alpha = meta.sub_params(ALPHA)?;
                Ok(theta.zip3(&gradient, &alpha, |theta, g, alpha| theta.sub(&g.mul(alpha)?))?)
            }
        }
    }
}
