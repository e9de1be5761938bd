//! Rules for learners that compare: what a class is called, and in which order its examples come, changes nothing.

use candle_core::{Device, Tensor as Value};
use rekindle_autodiff::Tensor;
use rekindle_tasks::{Batch, TaskBatch};

use super::Case;
use super::compare::{close, close_together};
use super::values::SETTINGS;
use crate::Result;

/// Rule 7, for predictions, losses and meta-gradients.
pub(super) fn support_order_does_not_matter(case: &Case<'_>, iteration: u64) -> Result<()> {
    const RULE: &str = "the order of the support set does not matter";
    let TaskBatch { support, query } = &case.tasks;
    let rows = support.n_examples()?;
    // Backwards, beginning in the middle.
    let order: Vec<u32> = (0..rows).map(|i| ((2 * rows - 1 - i + rows / 2) % rows) as u32).collect();
    let rearranged = TaskBatch {
        support: Batch { x: taken(&support.x, 1, &order)?, y: taken(&support.y, 1, &order)? },
        query: query.clone(),
    };
    for setting in SETTINGS {
        let (ours, theirs) = (case.outputs(&case.tasks, setting)?, case.outputs(&rearranged, setting)?);
        close(RULE, &format!("{setting:?}, outputs"), &ours, &theirs)?;
    }
    let (ours, theirs) = (case.meta_grad(&case.tasks, iteration)?, case.meta_grad(&rearranged, iteration)?);
    close(RULE, "losses", &ours.losses, &theirs.losses)?;
    close_together(RULE, "gradient of", &ours.grads, &theirs.grads)
}

/// Rule 8, for predictions, losses and meta-gradients.
pub(super) fn classes_are_only_names(case: &Case<'_>, iteration: u64) -> Result<()> {
    const RULE: &str = "renamed classes rename the outputs";
    let outputs = |tasks| SETTINGS.map(|setting| case.outputs(tasks, setting));
    let ours = outputs(&case.tasks);
    let ways = ours[0].as_ref().map_or(1, |logits| logits.dims().last().copied().unwrap_or(1)).max(1);
    // Class n is now called n + 1, and the last one 0.
    let renamed = |batch: &Batch| -> Result<Batch> {
        let rows = batch.y.to_vec2::<u32>()?;
        let labels: Vec<u32> = rows.concat().into_iter().map(|label| (label + 1) % ways as u32).collect();
        Ok(Batch { x: batch.x.clone(), y: Value::from_vec(labels, batch.y.dims2()?, &Device::Cpu)? })
    };
    let tasks = TaskBatch { support: renamed(&case.tasks.support)?, query: renamed(&case.tasks.query)? };
    let back: Vec<u32> = (1..ways as u32).chain([0]).collect();
    for ((ours, theirs), setting) in ours.into_iter().zip(outputs(&tasks)).zip(SETTINGS) {
        let back = Tensor::new(taken(theirs?.value(), 2, &back)?);
        close(RULE, &format!("{setting:?}, outputs"), &ours?, &back)?;
    }
    let (ours, theirs) = (case.meta_grad(&case.tasks, iteration)?, case.meta_grad(&tasks, iteration)?);
    close(RULE, "losses", &ours.losses, &theirs.losses)?;
    close_together(RULE, "gradient of", &ours.grads, &theirs.grads)
}

fn taken(t: &Value, axis: usize, ids: &[u32]) -> Result<Value> {
    Ok(t.contiguous()?.index_select(&Value::new(ids, t.device())?, axis)?)
}
