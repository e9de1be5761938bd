//! Rules about derivatives through updates.

use candle_core::DType;
use rekindle_autodiff::{Check, NoRecord, Order, Params, Tensor, check_gradients};

use super::problem::{N_TASKS, Problem};
use super::rules::broken;
use crate::{Error, Result, Transform};

const STEPS: usize = 3;

/// An inner loop gives the same values whether it is recorded or not, up to rounding.
pub(super) fn recording_changes_no_value(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    const RULE: &str = "recording changes no value";
    let recorded = problem.unroll(transform, &problem.start.leaf(), STEPS, false)?;
    let plain = {
        let _scope = NoRecord::new();
        problem.train(transform, STEPS)?.0
    };
    for ((name, a), b) in recorded.iter().zip(plain.leaves()) {
        for (i, (a, b)) in a.to_vec_f64()?.into_iter().zip(b.to_vec_f64()?).enumerate() {
            // Written so that a NaN fails.
            let close = (a - b).abs() <= 1e-10 * b.abs().max(1.0);
            if !close {
                return Err(broken(RULE, format!("`{name}`, element {i}: {a:e} recorded, {b:e} otherwise")));
            }
        }
    }
    Ok(())
}

/// Rule 4: the loss after three steps, differentiated once and twice with respect to where they began.
pub(super) fn agree_with_finite_differences(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    // Two tasks show whether they mix; each further element costs two more runs.
    let problem = problem.part(0, 2, DType::F64)?;
    let loss = |start: &[Tensor]| {
        let start = problem.start.with_leaves(start.to_vec())?;
        let end = problem.unroll(transform, &start, STEPS, true).map_err(into_autodiff)?;
        problem.loss(&end, true)
    };
    Ok(check_gradients(loss, problem.start.leaves(), Check::default())?)
}

// The gradient check knows one kind of error only.
fn into_autodiff(error: Error) -> rekindle_autodiff::Error {
    match error {
        Error::Autodiff(error) => error,
        other => rekindle_autodiff::Error::Argument { op: "transform", message: other.to_string() },
    }
}

/// Rule 4, where an element of the gradient is exactly zero at every step: first and second derivatives are finite.
pub(super) fn are_finite_at_zero_gradients(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let problem = problem.part(0, N_TASKS, dtype)?.at_rest()?;
        let start = problem.start.leaf();
        let end = problem.unroll(transform, &start, STEPS, false)?;
        let first = start.grad(&problem.loss(&end, false)?, Order::Higher)?;
        finite("first", dtype, &first)?;
        let norm = first.dot(&first)?;
        if norm.is_tracked() {
            finite("second", dtype, &start.grad(&norm, Order::First)?)?;
        }
    }
    Ok(())
}

fn finite(order: &str, dtype: DType, grads: &Params) -> Result<()> {
    for (name, leaf) in grads.iter() {
        if let Some(value) = leaf.to_vec_f64()?.into_iter().find(|v| !v.is_finite()) {
            let message = format!("the {order} derivative by `{name}` in {dtype:?} is {value}");
            return Err(broken("derivatives are finite at zero gradients", message));
        }
    }
    Ok(())
}
