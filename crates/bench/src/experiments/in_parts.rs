//! Learning in parts, for networks that must store what they have seen in a state: first what characters look like, then
//! to remember two of them, and more later. All at once, they do not get beyond the last two examples.

use std::sync::Arc;

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_meta::TrainConfig;
use rekindle_meta::metric::{MetricLearner, Prototypical};
use rekindle_tasks::{FewShot, FewShotSampler, Relabel, Shuffle, Stages, TaskSampler};

use super::black_boxes::body;
use super::few_shot::{Characters, adam};
use super::training::Training;
use crate::Context;

/// The body of a prototypical network, trained for so many iterations, under the names that a black box has for it.
pub(super) fn features(
    ctx: &Context,
    data: &Characters,
    channels: usize,
    (name, iterations, seed): (&str, u64, u64),
) -> Result<Params> {
    let shape = FewShot { ways: 20, shots: 1, queries: 5, rotate: true };
    let (trained, _) = Training {
        name: format!("{name}-{iterations}-seed{seed}"),
        learner: &MetricLearner::new(body(channels)?, Prototypical::default())?,
        optimiser: &adam(2e-3, iterations),
        config: TrainConfig { iterations, meta_batch: 2, seed, checkpoint_every: 200, ..TrainConfig::default() },
        tasks: Arc::new(FewShotSampler::new(data.train.clone(), shape)?),
        validation: None,
    }
    .run(ctx)?;
    Ok(trained.params.sub_params("body")?.prefixed("embed")?)
}

/// Training tasks with examples in random order: of two ways first, of one more each sixth of the training, and of all
/// from its middle on, under labels of all ways throughout.
pub(super) fn growing(data: &Characters, shape: &FewShot, iterations: u64) -> Result<Arc<dyn TaskSampler>> {
    let stage = (iterations / 2 / (shape.ways as u64 - 2)).max(1);
    let of = |ways| FewShotSampler::new(data.train.clone(), FewShot { ways, ..shape.clone() });
    let stages = (2..=shape.ways).zip(0..).map(|(ways, n)| Ok((n * stage, of(ways)?)));
    let labels = Relabel { of: shape.ways };
    Ok(Arc::new(Stages::new(stages.collect::<Result<_>>()?)?.then(labels).then(Shuffle)))
}
