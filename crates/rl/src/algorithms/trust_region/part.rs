//! What a trust-region step is made for: a sum of parts, each of which knows itself near a point.

use rekindle_autodiff::{Order, Params, Tensor, partial_vjp};

use super::linearised::{or_zeros, refs};
use super::{HessianProduct, Objective};
use crate::Result;

/// One summand of loss and divergence. Parts are independent of each other, so they may be worked on side by side.
pub(super) trait Part: Sync {
    /// Loss and divergence, with their history where the parameters are tracked.
    fn objective(&self, params: &Params) -> Result<Objective>;

    /// Loss, its gradient, and products with the exact Hessian of the divergence, at constants.
    fn near(&self, params: &Params) -> Result<Local<'_>>;
}

type Curvature<'a> = Box<dyn Fn(&Params) -> Result<Params> + Send + Sync + 'a>;

/// A part near a point.
pub(super) struct Local<'a> {
    /// `[P]`
    pub(super) loss: Vec<f64>,
    pub(super) gradient: Params,
    /// `v ↦ F v`
    pub(super) curvature: Curvature<'a>,
}

/// Any objective: the gradient of the divergence is recorded once and differentiated for each product.
pub(super) struct Whole<F>(pub(super) F);

impl<F: Fn(&Params) -> Result<Objective> + Sync> Part for Whole<F> {
    fn objective(&self, params: &Params) -> Result<Objective> {
        (self.0)(params)
    }

    fn near(&self, params: &Params) -> Result<Local<'_>> {
        let theta = params.leaf();
        let Objective { loss, kl } = (self.0)(&theta)?;
        super::check_problems(params, &loss, &kl)?;
        let slope = theta.grad(&kl.sum_all()?, Order::Higher)?;
        let gradient = theta.grad(&loss.sum_all()?, Order::First)?;
        let curvature = move |v: &Params| {
            let pairs: Vec<_> = slope.leaves().iter().zip(v.leaves()).collect();
            let rows = partial_vjp(&pairs, &refs(theta.leaves()), Order::First)?;
            Ok(theta.with_leaves(or_zeros(rows, theta.leaves())?)?)
        };
        Ok(Local { loss: loss.to_vec_f64()?, gradient, curvature: Box::new(curvature) })
    }
}

/// A part as it is used: with exact products, or with differences of its gradients.
pub(super) fn near<'a, P: Part>(part: &'a P, params: &Params, hessian: HessianProduct) -> Result<Local<'a>> {
    let HessianProduct::Differences { step } = hessian else { return part.near(params) };
    let theta = params.leaf();
    let Objective { loss, kl } = part.objective(&theta)?;
    super::check_problems(params, &loss, &kl)?;
    let gradient = theta.grad(&loss.sum_all()?, Order::First)?;
    let start = params.detach();
    let curvature = move |v: &Params| differences(part, &start, v, step);
    Ok(Local { loss: loss.to_vec_f64()?, gradient, curvature: Box::new(curvature) })
}

/// `F v` from the gradients of the divergence on either side.
fn differences<P: Part>(part: &P, start: &Params, v: &Params, step: f64) -> Result<Params> {
    let norm = v.dot(v)?.to_f64()?.sqrt();
    if norm == 0.0 {
        return Ok(v.zeros_like()?);
    }
    let h = step / norm;
    let gradient_at = |s: f64| -> Result<Params> {
        let point = start.add_scaled(v, s)?.leaf();
        let kl: Tensor = part.objective(&point)?.kl.sum_all()?;
        Ok(point.grad(&kl, Order::First)?)
    };
    Ok(gradient_at(h)?.sub(&gradient_at(-h)?)?.scale(0.5 / h)?)
}
