//! A map near a point, from the tape: products with its Jacobian and with the transpose.
//!
//! A vector-Jacobian product `Jᵀ u` is linear in its seed u, so the gradient in that seed, with v behind it, is `J v`. One
//! backward pass that is recorded therefore gives products of both kinds, as often as they are asked for, and what is
//! already known as a seed (the gradient of the loss) makes that pass useful in itself.

use rekindle_autodiff::{Order, Tensor, partial_vjp};

use crate::Result;

/// A recorded map from tracked tensors to others.
#[derive(Debug)]
pub(super) struct Linearised {
    from: Vec<Tensor>,
    to: Vec<Tensor>,
    /// Leaves u of the shapes of `to`.
    seeds: Vec<Tensor>,
    /// `Jᵀ u`, recorded as a function of the seeds; `None` where the map does not depend on an input.
    pulled: Vec<Option<Tensor>>,
}

impl Linearised {
    /// The map between two sets of tracked tensors, with seeds to pull back at once.
    pub(super) fn new(from: &[Tensor], to: &[Tensor], seeds: &[Tensor]) -> Result<Self> {
        let seeds: Vec<Tensor> = seeds.iter().map(Tensor::leaf).collect();
        let pairs: Vec<_> = to.iter().zip(&seeds).collect();
        let pulled = partial_vjp(&pairs, &refs(from), Order::Higher)?;
        Ok(Self { from: from.to_vec(), to: to.to_vec(), seeds, pulled })
    }

    /// `Jᵀ` times the seeds, constants.
    pub(super) fn pulled(&self) -> Result<Vec<Tensor>> {
        let pulled = self.pulled.iter().map(|x| x.as_ref().map(Tensor::detach)).collect();
        or_zeros(pulled, &self.from)
    }

    /// `J v`.
    pub(super) fn forward(&self, v: &[Tensor]) -> Result<Vec<Tensor>> {
        let pairs: Vec<_> = self.pulled.iter().zip(v).filter_map(|(x, v)| Some((x.as_ref()?, v))).collect();
        or_zeros(partial_vjp(&pairs, &refs(&self.seeds), Order::First)?, &self.to)
    }

    /// `Jᵀ u`.
    pub(super) fn back(&self, u: &[Tensor]) -> Result<Vec<Tensor>> {
        let pairs: Vec<_> = self.to.iter().zip(u).collect();
        or_zeros(partial_vjp(&pairs, &refs(&self.from), Order::First)?, &self.from)
    }
}

pub(super) fn refs(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

/// What nothing depends on has a product of zero.
pub(super) fn or_zeros(found: Vec<Option<Tensor>>, like: &[Tensor]) -> Result<Vec<Tensor>> {
    let fill = |(x, like): (Option<Tensor>, &Tensor)| Ok(x.map_or_else(|| like.zeros_like(), Ok)?);
    found.into_iter().zip(like).map(fill).collect()
}
