//! Reverse-mode differentiation of any order.
//!
//! One walk serves all: collect the nodes between the outputs and the wanted inputs, order them by age, and pull the
//! seeds back from the youngest to the oldest. Vector-Jacobian products are themselves written in tape operations,
//! so with [`Order::Higher`] the result can be differentiated again.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::offer::{Offers, Slots};
use crate::position::Positions;
use crate::tape::{NoRecord, Node, Upstream};
use crate::{Error, Result, Tensor};

/// Whether a gradient is a constant, or can be differentiated again (PyTorch's `create_graph`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The gradient is a constant. Cheaper: nothing is recorded while it is computed.
    First,
    /// The gradient is recorded, so that it can be differentiated again.
    Higher,
}

/// Gradients of the scalar `y` with respect to `xs`: `∂y/∂x`, each of its x's shape.
///
/// The `xs` may be leaves or any tracked tensor on the way, an adapted weight for example.
///
/// ```
/// use rekindle_autodiff::{Order, Tensor, grad};
/// let x = Tensor::from_vec(vec![1f64, 2., 3.], 3)?.leaf();
/// let y = x.powf(3.0)?.sum_all()?;
/// let dy = grad(&y, &[&x], Order::Higher)?.remove(0); // 3x²
/// let d2y = grad(&dy.sum_all()?, &[&x], Order::First)?.remove(0); // 6x
/// assert_eq!(dy.to_vec_f64()?, [3., 12., 27.]);
/// assert_eq!(d2y.to_vec_f64()?, [6., 12., 18.]);
/// # Ok::<(), rekindle_autodiff::Error>(())
/// ```
///
/// # Errors
/// If `y` is not a scalar, if an x is a constant, or if `y` does not depend on an x.
pub fn grad(y: &Tensor, xs: &[&Tensor], order: Order) -> Result<Vec<Tensor>> {
    if y.elem_count() != 1 {
        return Err(Error::NotScalar { shape: y.shape().clone() });
    }
    vjp(&[(y, &y.ones_like()?)], xs, order)
}

/// Vector-Jacobian product `Σₖ vₖᵀ ∂yₖ/∂x` for every x: gradients from given seeds `(yₖ, vₖ)`.
///
/// # Errors
/// As [`grad`], or if a seed's shape is not its output's.
pub fn vjp(seeds: &[(&Tensor, &Tensor)], xs: &[&Tensor], order: Order) -> Result<Vec<Tensor>> {
    connected(partial_vjp(seeds, xs, order)?, xs)
}

fn connected(grads: Vec<Option<Tensor>>, xs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let missing = |index: usize| Error::NotConnected { index, shape: xs[index].shape().clone() };
    grads.into_iter().enumerate().map(|(index, g)| g.ok_or_else(|| missing(index))).collect()
}

/// As [`vjp`], with `None` for the inputs that no output depends on.
///
/// # Errors
/// If an x is a constant, or a seed's shape is not its output's.
pub fn partial_vjp(seeds: &[(&Tensor, &Tensor)], xs: &[&Tensor], order: Order) -> Result<Vec<Option<Tensor>>> {
    for (y, v) in seeds {
        if y.shape() != v.shape() {
            let message = format!("the output has shape {:?}, its seed {:?}", y.shape(), v.shape());
            return Err(Error::shape("vjp", message));
        }
    }
    pull(seeds, xs, None, order)
}

/// One step `xₖ + s ∂y/∂xₖ` of every x, recorded as an expression in the gradient's history and the x's own. The same
/// as taking the gradient with [`Order::Higher`] and adding it, in fewer passes: a product that makes a gradient makes
/// the step at once.
///
/// # Errors
/// As [`grad`].
pub fn grad_step(y: &Tensor, xs: &[&Tensor], s: f64) -> Result<Vec<Tensor>> {
    if y.elem_count() != 1 {
        return Err(Error::NotScalar { shape: y.shape().clone() });
    }
    let steps = pull(&[(y, &y.ones_like()?)], xs, Some(s), Order::Higher)?;
    connected(steps, xs)
}

/// Gradients at `xs`, or with a `step` the `xs` after it.
fn pull(seeds: &[(&Tensor, &Tensor)], xs: &[&Tensor], step: Option<f64>, order: Order) -> Result<Vec<Option<Tensor>>> {
    let targets = target_ids(xs)?;
    let Some(&floor) = targets.iter().min() else { return Ok(Vec::new()) };
    let _scope = (order == Order::First).then(NoRecord::new);
    let mut walk = Walk::collect(seeds, &targets, floor);
    for (x, id) in xs.iter().zip(&targets) {
        if let Some(position) = walk.positions.get(*id) {
            let ends = walk.ends_at(position);
            walk.slots.get_mut().set_target(position, step.map(|s| ((*x).clone(), s)), ends);
        }
    }
    for (y, v) in seeds {
        if let Some(position) = y.node().and_then(|node| walk.positions.get(node.id)) {
            walk.slots.get_mut().add(position, (*v).clone(), false)?;
        }
    }
    walk.pull_back()?;
    let slots = walk.slots.into_inner();
    targets.iter().map(|&id| walk.positions.get(id).map_or(Ok(None), |p| slots.result(p))).collect()
}

fn target_ids(xs: &[&Tensor]) -> Result<Vec<u64>> {
    xs.iter()
        .enumerate()
        .map(|(index, x)| match x.node() {
            Some(node) => Ok(node.id),
            None => Err(Error::NotTracked { index, shape: x.shape().clone() }),
        })
        .collect()
}

/// The part of the tape between outputs and wanted inputs, in order of age.
struct Walk<'a> {
    nodes: Vec<&'a Arc<Node>>,
    positions: Positions,
    /// Whether a wanted input lies at or below the node.
    needed: Vec<bool>,
    slots: RefCell<Slots>,
}

impl<'a> Walk<'a> {
    fn collect(seeds: &[(&'a Tensor, &'a Tensor)], targets: &[u64], floor: u64) -> Self {
        let top = seeds.iter().filter_map(|(y, _)| y.node()).map(|n| n.id).max().unwrap_or(0);
        let mut positions = Positions::new(floor, top);
        let mut nodes: Vec<&'a Arc<Node>> = Vec::new();
        let mut stack: Vec<&'a Arc<Node>> = seeds.iter().filter_map(|(y, _)| y.node()).collect();
        while let Some(node) = stack.pop() {
            // Nothing below the oldest wanted input can depend on one.
            if node.id >= floor && positions.insert(node.id, nodes.len()) {
                nodes.push(node);
                stack.extend(node.parents.iter().flatten());
            }
        }
        nodes.sort_unstable_by_key(|node| node.id);
        for (position, node) in nodes.iter().enumerate() {
            positions.set(node.id, position);
        }
        let mut needed = vec![false; nodes.len()];
        let mut is_target = vec![false; nodes.len()];
        for position in targets.iter().filter_map(|&id| positions.get(id)) {
            is_target[position] = true;
        }
        for (i, node) in nodes.iter().enumerate() {
            let below = || node.parents.iter().flatten().filter_map(|p| positions.get(p.id)).any(|p| needed[p]);
            needed[i] = is_target[i] || below();
        }
        let mut slots = Slots::new(nodes.len());
        for (node, _) in nodes.iter().zip(&needed).filter(|(node, needed)| **needed && node.vjp.is_some()) {
            for p in node.parents.iter().flatten().filter_map(|p| positions.get(p.id)).filter(|&p| needed[p]) {
                slots.expect(p);
            }
        }
        Self { nodes, positions, needed, slots: RefCell::new(slots) }
    }

    /// Whether no gradient is pulled back any further from here.
    fn ends_at(&self, position: usize) -> bool {
        let parents = self.nodes[position].parents.iter().flatten();
        !parents.filter_map(|p| self.positions.get(p.id)).any(|p| self.needed[p])
    }

    fn pull_back(&mut self) -> Result<()> {
        let (mut wanted, mut inputs) = (Vec::new(), Vec::new());
        for i in (0..self.nodes.len()).rev() {
            let node = self.nodes[i];
            let Some(vjp) = node.vjp.as_ref().filter(|_| self.needed[i]) else { continue };
            let Some((grad, masked)) = self.slots.get_mut().upstream(i) else { continue };
            let parents = node.parents.iter().map(|p| p.as_ref().and_then(|p| self.positions.get(p.id)));
            inputs.clear();
            inputs.extend(parents.map(|p| p.filter(|&p| self.needed[p])));
            wanted.clear();
            wanted.extend(inputs.iter().map(Option::is_some));
            if !wanted.contains(&true) {
                continue;
            }
            let offers = Offers { slots: &self.slots, inputs: &inputs, accepted: Cell::new(0) };
            let outgoing = vjp(&Upstream { grad: &grad, node, wanted: &wanted, masked, offers: &offers })?;
            drop(grad);
            let mut slots = self.slots.borrow_mut();
            for ((k, position), g) in inputs.iter().enumerate().zip(outgoing) {
                if let Some(position) = position {
                    slots.arrive(*position, g, offers.was_accepted(k))?;
                }
            }
        }
        Ok(())
    }
}

/// Value and gradient of a scalar function at `xs`, which are made leaves first.
///
/// # Errors
/// As [`grad`], and whatever `f` answers.
pub fn value_and_grad(
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
    xs: &[Tensor],
    order: Order,
) -> Result<(Tensor, Vec<Tensor>)> {
    let leaves: Vec<Tensor> = xs.iter().map(Tensor::leaf).collect();
    let y = f(&leaves)?;
    let grads = grad(&y, &leaves.iter().collect::<Vec<_>>(), order)?;
    Ok((y, grads))
}

/// Hessian-vector product `∇²f(x) v` of the scalar `y`, by differentiating `⟨∇y, v⟩`.
///
/// Inputs that the gradient does not depend on (where `y` is linear) have zeros.
///
/// # Errors
/// As [`grad`], or if a vector's shape is not its input's.
pub fn hvp(y: &Tensor, xs: &[&Tensor], vs: &[&Tensor], order: Order) -> Result<Vec<Tensor>> {
    let grads = grad(y, xs, Order::Higher)?;
    let seeds: Vec<_> = grads.iter().zip(vs.iter().copied()).collect();
    zeros_where_absent(partial_vjp(&seeds, xs, order)?, xs)
}

/// Jacobian-vector product `∂y/∂x v`, of `y`'s shape, by differentiating a vector-Jacobian product with respect to its
/// seed (which it is linear in).
///
/// # Errors
/// As [`vjp`].
pub fn jvp(y: &Tensor, xs: &[&Tensor], vs: &[&Tensor], order: Order) -> Result<Tensor> {
    let seed = y.zeros_like()?.leaf();
    let pulled = vjp(&[(y, &seed)], xs, Order::Higher)?;
    let seeds: Vec<_> = pulled.iter().zip(vs.iter().copied()).collect();
    Ok(zeros_where_absent(partial_vjp(&seeds, &[&seed], order)?, &[&seed])?.remove(0))
}

fn zeros_where_absent(grads: Vec<Option<Tensor>>, xs: &[&Tensor]) -> Result<Vec<Tensor>> {
    grads.into_iter().zip(xs).map(|(g, x)| g.map_or_else(|| x.zeros_like(), Ok)).collect()
}
