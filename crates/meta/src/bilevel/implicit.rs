//! The meta-gradient at a fixed point of adaptation.
//!
//! If `θ* = step(φ, θ*)`, the implicit function theorem gives
//!
//! ```text
//! ∇φ = (∂step/∂φ)ᵀ w + direct term,   (I − ∂step/∂θ)ᵀ w = ∇L(θ*)
//! ```
//! For gradient descent with rate α on the proximal objective `L_s(θ) + λ/2 ‖θ − φ‖²` this is
//! `∇φ = (I + ∇²L_s/λ)⁻¹ ∇L(θ*)`, the formula of Rajeswaran, Finn, Kakade & Levine, *Meta-Learning with Implicit
//! Gradients*, 2019. The matrix `I − ∂step/∂θ = α(∇²L_s + λI)` is symmetric and, for λ large enough, positive definite,
//! so conjugate gradients solve for w.

use rekindle_autodiff::{CgConfig, Order, Params, Tensor, conjugate_gradient, partial_vjp};
use rekindle_tasks::TaskBatch;

use super::{InnerLoop, add_partial, filled, step_forward};
use crate::{MetaGrad, Result};

pub(super) fn grad(
    inner: &(impl InnerLoop + ?Sized),
    config: CgConfig,
    phi: &Params,
    tasks: &TaskBatch,
) -> Result<MetaGrad> {
    let n_steps = inner.n_steps();
    let mut theta = inner.start(phi, &tasks.support)?.detach();
    for k in 0..n_steps {
        theta = step_forward(inner, phi, &theta, &tasks.support, k)?;
    }
    let theta = theta.leaf();
    let targets: Vec<&Tensor> = theta.leaves().iter().chain(phi.leaves()).collect();
    let losses = inner.outer_loss(phi, &theta, &tasks.query, n_steps)?;
    let mut at_theta = partial_vjp(&[(&losses, &losses.ones_like()?)], &targets, Order::First)?;
    let mut by_phi = at_theta.split_off(theta.len());
    let b = filled(&theta, at_theta)?;

    let next = inner.step(phi, &theta, &tasks.support, n_steps.saturating_sub(1), Order::Higher)?;
    let pull = |v: &Params, xs: &[&Tensor]| {
        let seeds: Vec<_> = next.leaves().iter().zip(v.leaves()).collect();
        partial_vjp(&seeds, xs, Order::First)
    };
    let at: Vec<&Tensor> = theta.leaves().iter().collect();
    let residual = |v: &Params| {
        let jv = pull(v, &at)?;
        let leaves = v.leaves().iter().zip(jv).map(|(v, jv)| jv.map_or_else(|| Ok(v.clone()), |jv| v.sub(&jv)));
        v.with_leaves(leaves.collect::<rekindle_autodiff::Result<_>>()?)
    };
    let w = conjugate_gradient(residual, &b, config)?;
    add_partial(&mut by_phi, pull(&w, &phi.leaves().iter().collect::<Vec<_>>())?)?;
    Ok(MetaGrad { losses: losses.detach(), grads: filled(phi, by_phi)? })
}
