//! Rules about what a learner does with its tasks.

use rekindle_autodiff::{Params, Tensor};

use super::Case;
use super::compare::{broken, close};
use crate::{Result, Setting};

/// Rule 4. Compares, over all tasks, the mean loss on a support set after adaptation to it and to the next task's.
///
/// That needs no loss before adaptation, which metric and model-based learners do not have.
pub(super) fn adaptation_fits_the_support_set(case: &Case<'_>) -> Result<()> {
    const RULE: &str = "adaptation fits the support set";
    let support = &case.tasks.support;
    let m = support.n_tasks()?;
    let own = case.learner.adapt(&case.meta, support)?;
    let others = own.map(|leaf| match leaf.dims().first() {
        Some(&n) if n == m => Tensor::cat(&[&leaf.narrow(0, 1, m - 1)?, &leaf.narrow(0, 0, 1)?], 0),
        _ => Ok(leaf.clone()),
    })?;
    let loss = |adapted: &Params| -> Result<f64> {
        let outputs = case.learner.predict(adapted, support, &support.x, Setting::Transductive)?;
        let losses = case.learner.loss().per_task(&outputs, &support.y)?.to_vec_f64()?;
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    };
    let (own, others) = (loss(&own)?, loss(&others)?);
    if own < others {
        return Ok(());
    }
    let message = format!(
        "over {m} tasks the mean loss on the support set is {own} after adaptation to it, and {others} after \
         adaptation to another task's"
    );
    Err(broken(RULE, message))
}

/// Rule 5. A query is predicted alone and among all.
pub(super) fn inductive_queries_do_not_see_each_other(case: &Case<'_>) -> Result<()> {
    const RULE: &str = "inductive predictions do not depend on the other queries";
    let (support, x) = (&case.tasks.support, &case.tasks.query.x);
    let adapted = case.learner.adapt(&case.meta, support)?;
    let predict = |x: &candle_core::Tensor| case.learner.predict(&adapted, support, x, Setting::Inductive);
    let together = predict(x)?;
    for query in 0..x.dim(1)? {
        let alone = predict(&x.narrow(1, query, 1)?)?;
        close(RULE, &format!("query {query} alone and among all"), &alone, &together.narrow(1, query, 1)?)?;
    }
    Ok(())
}

/// Rule 6: `⟨∇L, v⟩ = dL(φ + hv)/dh` for each task, with central differences, along three directions v.
pub(super) fn gradients_are_those_of_the_losses(case: &Case<'_>, iteration: u64) -> Result<()> {
    const RULE: &str = "the meta-gradient is the derivative of the losses";
    // Small, since a trained layer normalisation bends sharply; rounding is still 1e-9 of a slope.
    const STEP: f64 = 2e-6;
    const TOLERANCE: f64 = 1e-6;
    let m = case.tasks.n_tasks()?;
    let grads = case.meta_grad(&case.tasks, iteration)?.grads;
    for turn in 0..3 {
        let direction = direction(&case.meta, turn)?;
        let losses = |h: f64| -> Result<Vec<f64>> {
            let moved = case.meta.add_scaled(&direction, h)?;
            Ok(case.learner.meta_grad(&moved, &case.tasks, iteration)?.losses.to_vec_f64()?)
        };
        let (above, below) = (losses(STEP)?, losses(-STEP)?);
        let slopes = grads.dot_tasks(&direction.expand_tasks(m)?)?.to_vec_f64()?;
        for (task, slope) in slopes.into_iter().enumerate() {
            let difference = (above[task] - below[task]) / (2.0 * STEP);
            let error = (slope - difference).abs() / slope.abs().max(difference.abs()).max(1.0);
            // A NaN must fail too.
            if error.is_nan() || error > TOLERANCE {
                let message =
                    format!("task {task}, direction {turn}: {slope:e}, but finite differences give {difference:e}");
                return Err(broken(RULE, message));
            }
        }
    }
    Ok(())
}

/// Elements between ½ and 3/2 of either sign: none is so small that it would hide an error. The golden ratio's multiples
/// never repeat (the Weyl sequence).
fn direction(like: &Params, turn: usize) -> Result<Params> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let mut next = turn * 1000;
    Ok(like.map(|leaf| {
        let elements = (0..leaf.elem_count()).map(|_| {
            next += 1;
            let wave = (next as f64 * GOLDEN).fract() * 2.0 - 1.0;
            wave + 0.5f64.copysign(wave)
        });
        Tensor::from_vec(elements.collect::<Vec<_>>(), leaf.shape())?.to_dtype(leaf.dtype())
    })?)
}
