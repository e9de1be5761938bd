//! What may be done to a gradient in the pass that makes it.
//!
//! A gradient is seldom wanted as it is: it is added to others, masked by a ReLU, summed over the tasks that share a
//! parameter, or scaled and added to that parameter as a step. The walk *offers* these to a vector-Jacobian product,
//! input by input. A product that has an epilogue accepts and saves a pass over memory each; every other one ignores the
//! offer, and the walk does the rest in passes of its own. Neither changes the result.

use std::cell::RefCell;
use std::sync::Arc;

use candle_core::Tensor as Value;

use crate::tape::{Node, Takes, is_recording};
use crate::{Result, Tensor};

/// What the gradient `g` of one input is to become: `Σ_m mask ∘ (base + α g)`, with or without each part.
#[derive(Debug)]
pub(crate) struct Offer {
    /// What it is added to: the gradients that arrived before, or the parameter that takes a step. May repeat along an
    /// axis as a view.
    pub(crate) base: Option<Tensor>,
    pub(crate) alpha: f64,
    /// Elements where this is not positive are zero.
    pub(crate) mask: Option<Value>,
    /// Whether the tasks are added up, to `[1, …]`.
    pub(crate) sum_tasks: bool,
}

impl Offer {
    /// Nothing but the gradient.
    pub(crate) fn nothing() -> Self {
        Self { base: None, alpha: 1.0, mask: None, sum_tasks: false }
    }
}

/// The gradients of a walk, by the positions of its nodes.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    grad: Option<Tensor>,
    /// Whether every part of it has been masked already.
    masked: bool,
    /// Gradients that may still arrive.
    pending: u32,
    is_target: bool,
    /// The tensor that takes a step, and the factor of its gradient; and whether it has.
    step: Option<(Tensor, f64)>,
    stepped: bool,
    ends: bool,
}

impl Slots {
    pub(crate) fn new(len: usize) -> Self {
        Self { slots: (0..len).map(|_| Slot::default()).collect() }
    }

    pub(crate) fn expect(&mut self, position: usize) {
        self.slots[position].pending += 1;
    }

    /// `ends`: no gradient is pulled back further from there, so the slot may hold something else in the end.
    pub(crate) fn set_target(&mut self, position: usize, step: Option<(Tensor, f64)>, ends: bool) {
        let slot = &mut self.slots[position];
        (slot.is_target, slot.step, slot.ends) = (true, step, ends);
    }

    /// The gradient that a node pulls back, and whether it is masked. A target keeps its gradient for the caller; every
    /// other node is done with it.
    pub(crate) fn upstream(&mut self, position: usize) -> Option<(Tensor, bool)> {
        let slot = &mut self.slots[position];
        let grad = if slot.is_target { slot.grad.clone() } else { slot.grad.take() };
        grad.map(|grad| (grad, slot.masked && !slot.is_target))
    }

    /// The result at a target: its gradient, or the target after its step.
    pub(crate) fn result(&self, position: usize) -> Result<Option<Tensor>> {
        let slot = &self.slots[position];
        match (&slot.grad, &slot.step) {
            (Some(g), Some((p, alpha))) if !slot.stepped => Ok(Some(p.add_scaled(g, *alpha)?)),
            (grad, _) => Ok(grad.clone()),
        }
    }

    /// A gradient arrives from above; `accepted` says whether it is what was offered.
    pub(crate) fn arrive(&mut self, position: usize, g: Option<Tensor>, accepted: bool) -> Result<()> {
        self.slots[position].pending -= 1;
        g.map_or(Ok(()), |g| self.add(position, g, accepted))
    }

    /// Adds to a gradient.
    pub(crate) fn add(&mut self, position: usize, g: Tensor, masked: bool) -> Result<()> {
        let slot = &mut self.slots[position];
        (slot.masked, slot.grad) = match slot.grad.take() {
            // The first one; or all of them, since an accepted base has left its slot.
            None => (masked, Some(g)),
            Some(sum) => (slot.masked && masked, Some(sum.add(&g)?)),
        };
        Ok(())
    }

    fn offer(&mut self, position: usize, parent: &Arc<Node>) -> Offer {
        let slot = &mut self.slots[position];
        let last = slot.pending == 1;
        let mut offer = Offer::nothing();
        if let Takes::Masked(mask) = &parent.takes
            && !slot.is_target
        {
            offer.mask = Some(mask.clone());
        }
        if !is_recording() {
            // While recording, sums stay on the tape as operations of their own.
            offer.base = slot.grad.take();
            offer.sum_tasks = last && !slot.is_target && matches!(parent.takes, Takes::TaskSum);
        }
        if let Some((p, alpha)) = &slot.step
            && last
            && slot.ends
            && offer.base.is_none()
            && slot.grad.is_none()
        {
            offer.base = Some(p.clone());
            offer.alpha = *alpha;
            slot.stepped = true;
        }
        offer
    }
}

/// The offers to one vector-Jacobian product.
#[derive(Debug)]
pub(crate) struct Offers<'a> {
    pub(crate) slots: &'a RefCell<Slots>,
    /// Where each input stands in the walk; `None` where no gradient is wanted.
    pub(crate) inputs: &'a [Option<usize>],
    /// A bit for each input whose offer was accepted.
    pub(crate) accepted: std::cell::Cell<u64>,
}

impl Offers<'_> {
    /// Takes the offer for input `i`: the gradient answered for it must be what the offer says.
    pub(crate) fn accept(&self, node: &Node, i: usize) -> Offer {
        let (Some(Some(position)), Some(Some(parent))) = (self.inputs.get(i), node.parents.get(i)) else {
            return Offer::nothing();
        };
        if i >= 64 {
            return Offer::nothing();
        }
        self.accepted.set(self.accepted.get() | 1 << i);
        self.slots.borrow_mut().offer(*position, parent)
    }

    pub(crate) fn was_accepted(&self, i: usize) -> bool {
        i < 64 && self.accepted.get() >> i & 1 == 1
    }
}
