//! The whole adaptation as one expression.

use rekindle_autodiff::{Order, Params, Tensor, partial_vjp};
use rekindle_tasks::TaskBatch;

use super::{InnerLoop, filled};
use crate::{MetaGrad, Result};

/// Differentiates through the last `exact` steps; the inner gradients before those are constants. The gradients are
/// those at `leaves`, which `phi` is or comes from.
pub(super) fn grad(
    inner: &(impl InnerLoop + ?Sized),
    exact: usize,
    (phi, leaves): (&Params, &Params),
    tasks: &TaskBatch,
    weights: &[f64],
) -> Result<MetaGrad> {
    let n_steps = inner.n_steps();
    let mut theta = inner.start(phi, &tasks.support)?;
    let mut losses: Option<Tensor> = None;
    for (k, &weight) in weights.iter().enumerate() {
        if weight != 0.0 {
            let loss = inner.outer_loss(phi, &theta, &tasks.query, k)?.scale(weight)?;
            losses = Some(match losses {
                None => loss,
                Some(sum) => sum.add(&loss)?,
            });
        }
        if k < n_steps {
            let order = if k + exact >= n_steps { Order::Higher } else { Order::First };
            theta = inner.step(phi, &theta, &tasks.support, k, order)?;
        }
    }
    let Some(losses) = losses else {
        return Err(crate::Error::setting("outer_weights", &"all zero", "not zero for at least one step"));
    };
    // Where the tasks' losses do not share a leaf, the gradient of their sum is each task's own.
    let targets: Vec<&Tensor> = leaves.leaves().iter().collect();
    let grads = partial_vjp(&[(&losses, &losses.ones_like()?)], &targets, Order::First)?;
    Ok(MetaGrad { losses: losses.detach(), grads: filled(leaves, grads)? })
}
