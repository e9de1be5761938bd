//! One step of adaptation at a time, backwards.
//!
//! ```text
//! v_K = w_K ∇L(θ_K)        v_k = (∂θ_{k+1}/∂θ_k)ᵀ v_{k+1} + w_k ∇L(θ_k)
//! ∇φ  = Σ_k (∂θ_{k+1}/∂φ)ᵀ v_{k+1} + (∂θ_0/∂φ)ᵀ v_0 + direct terms of L
//! ```
//! Only θ at the beginning of each of about √K segments is kept; a segment's other θ are computed again when the sweep
//! reaches it, so that memory holds one step's graph and 2√K sets of parameters.

use rekindle_autodiff::{Order, Params, Tensor, partial_vjp};
use rekindle_tasks::TaskBatch;

use super::{InnerLoop, add_partial, filled, step_forward};
use crate::{MetaGrad, Result};

pub(super) fn grad(
    inner: &(impl InnerLoop + ?Sized),
    phi: &Params,
    tasks: &TaskBatch,
    weights: &[f64],
) -> Result<MetaGrad> {
    let n_steps = inner.n_steps();
    let segment = (n_steps as f64).sqrt().ceil().max(1.0) as usize;
    let (mut anchors, mut theta) = (Vec::new(), inner.start(phi, &tasks.support)?.detach());
    for k in 0..n_steps {
        if k % segment == 0 {
            anchors.push(theta.clone());
        }
        theta = step_forward(inner, phi, &theta, &tasks.support, k)?;
    }
    let mut sweep = Sweep { inner, phi, tasks, weights, by_phi: vec![None; phi.len()], losses: None };
    let mut v = sweep.loss_at(&theta, n_steps)?;
    for (i, anchor) in anchors.iter().enumerate().rev() {
        let first = i * segment;
        let mut thetas = vec![anchor.clone()];
        for k in first + 1..(first + segment).min(n_steps) {
            let next = step_forward(inner, phi, &thetas[k - 1 - first], &tasks.support, k - 1)?;
            thetas.push(next);
        }
        for (offset, theta) in thetas.iter().enumerate().rev() {
            v = sweep.pull_back(theta, first + offset, &v)?;
        }
    }
    sweep.finish(&v)
}

/// A gradient at θ, leaf by leaf; absent where zero.
type Cotangent = Vec<Option<Tensor>>;

struct Sweep<'a, I: ?Sized> {
    inner: &'a I,
    phi: &'a Params,
    tasks: &'a TaskBatch,
    weights: &'a [f64],
    by_phi: Cotangent,
    losses: Option<Tensor>,
}

impl<I: InnerLoop + ?Sized> Sweep<'_, I> {
    /// The gradient of `w_k L(θ_k)` at θ_k; what reaches φ directly is added up.
    fn loss_at(&mut self, theta: &Params, k: usize) -> Result<Cotangent> {
        let weight = self.weights[k];
        if weight == 0.0 {
            return Ok(vec![None; theta.len()]);
        }
        let theta = theta.leaf();
        let loss = self.inner.outer_loss(self.phi, &theta, &self.tasks.query, k)?.scale(weight)?;
        let v = self.split(&[(&loss, &loss.ones_like()?)], &theta)?;
        let loss = loss.detach();
        self.losses = Some(match self.losses.take() {
            None => loss,
            Some(sum) => sum.add(&loss)?,
        });
        Ok(v)
    }

    /// From the gradient at θ_{k+1} to that at θ_k.
    fn pull_back(&mut self, theta: &Params, k: usize, v: &[Option<Tensor>]) -> Result<Cotangent> {
        let leaf = theta.leaf();
        let next = self.inner.step(self.phi, &leaf, &self.tasks.support, k, Order::Higher)?;
        let mut pulled = self.split(&seeds(&next, v), &leaf)?;
        add_partial(&mut pulled, self.loss_at(theta, k)?)?;
        Ok(pulled)
    }

    /// The gradients at θ; those at φ are added up.
    fn split(&mut self, seeds: &[(&Tensor, &Tensor)], theta: &Params) -> Result<Cotangent> {
        let targets: Vec<&Tensor> = theta.leaves().iter().chain(self.phi.leaves()).collect();
        let mut grads = partial_vjp(seeds, &targets, Order::First)?;
        let by_phi = grads.split_off(theta.len());
        add_partial(&mut self.by_phi, by_phi)?;
        Ok(grads)
    }

    fn finish(mut self, v: &[Option<Tensor>]) -> Result<MetaGrad> {
        let start = self.inner.start(self.phi, &self.tasks.support)?;
        let targets: Vec<&Tensor> = self.phi.leaves().iter().collect();
        add_partial(&mut self.by_phi, partial_vjp(&seeds(&start, v), &targets, Order::First)?)?;
        let Some(losses) = self.losses else {
            return Err(crate::Error::setting("outer_weights", &"all zero", "not zero for at least one step"));
        };
        Ok(MetaGrad { losses, grads: filled(self.phi, self.by_phi)? })
    }
}

/// The outputs that have a gradient, each with it.
fn seeds<'a>(outputs: &'a Params, v: &'a [Option<Tensor>]) -> Vec<(&'a Tensor, &'a Tensor)> {
    outputs.leaves().iter().zip(v).filter_map(|(y, v)| Some((y, v.as_ref()?))).collect()
}
