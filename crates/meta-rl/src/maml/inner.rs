//! Adaptation: one step of policy gradient in every task at once.

use rekindle_autodiff::{Order, Params};
use rekindle_meta::inner_gradient;
use rekindle_rl::instances::for_each;
use rekindle_rl::{Error, Piece, Policy};

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
            self.step(&meta, &theta, &batch.pieces(start, len)?, rate, Order::First)
        })?;
        Ok(Params::cat_tasks(&adapted)?.detach())
    }

    /// The adapted policies as functions of the meta-parameters.
    pub(super) fn adapted(&self, meta: &Params, inner: &[Vec<Piece>], m: usize) -> rekindle_rl::Result<Params> {
        // Nothing is differentiated in a line search.
        let order = if meta.is_tracked() { self.config.order } else { Order::First };
        let mut theta = self.start(meta, m)?;
        for pieces in inner {
            theta = self.step(meta, &theta, pieces, self.config.inner_lr, order)?;
        }
        Ok(theta)
    }

    /// One step of size `rate`, or of the learned rates.
    fn step(
        &self,
        meta: &Params,
        theta: &Params,
        pieces: &[Piece],
        rate: f64,
        order: Order,
    ) -> rekindle_rl::Result<Params> {
        match &self.config.adapts {
            Adapts::All => Ok(theta.add_scaled(&self.gradient(theta, pieces, order, Ok)?, -rate)?),
            Adapts::Below(prefix) => {
                let (part, rest) = theta.partition(|name| name.starts_with(prefix));
                let whole = |part: Params| Ok(part.merge(&rest)?.ordered_like(theta)?);
                let gradient = self.gradient(&part, pieces, order, whole)?;
                whole(part.add_scaled(&gradient, -rate)?)
            }
            Adapts::LearnedRates(_) => {
                let gradient = self.gradient(theta, pieces, order, Ok)?;
                let alpha = meta.sub_params(ALPHA)?;
                Ok(theta.zip3(&gradient, &alpha, |theta, g, alpha| theta.sub(&g.mul(alpha)?))?)
            }
        }
    }

    /// The gradient of the inner loss in the parameters that adapt, piece by piece; `whole` makes a policy's of them.
    fn gradient(
        &self,
        part: &Params,
        pieces: &[Piece],
        order: Order,
        whole: impl Fn(Params) -> rekindle_rl::Result<Params>,
    ) -> rekindle_rl::Result<Params> {
        let of = |piece: &Piece| {
            inner_gradient(part, order, |part| {
                piece.policy_gradient_loss(&self.policy, &whole(part.clone())?, self.config.estimator)
            })
        };
        let none = || Err(Error::Setting { name: "pieces", value: "0".into(), expected: "at least 1" });
        pieces.iter().map(of).reduce(|sum, gradient| Ok(sum?.add(&gradient?)?)).unwrap_or_else(none)
    }
}
