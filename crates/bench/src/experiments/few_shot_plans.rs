//! Every few-shot learner, and how each is trained in `few-shot/all`.

use std::sync::Arc;

use anyhow::Result;
use rekindle_optim::{Schedule, Sgd, Transform};
use rekindle_tasks::FewShot;

use super::black_boxes;
use super::few_shot::{adam, clipped};
use super::learners::{self, Named, Net};
use crate::Context;

/// Tasks of the test.
pub(super) const TEST: FewShot = FewShot { ways: 5, shots: 1, queries: 5, rotate: true };

/// A learner, and how it is trained.
pub(super) struct Entry {
    pub(super) learner: Named,
    /// `None`: not at all.
    pub(super) training: Option<Plan>,
}

pub(super) struct Plan {
    /// Learners with the same one share a training.
    pub(super) name: &'static str,
    pub(super) tasks: Tasks,
    pub(super) meta_batch: usize,
    pub(super) iterations: u64,
    pub(super) optimiser: Arc<dyn Transform>,
}

pub(super) enum Tasks {
    Episodes(FewShot),
    /// Features first, for so many iterations, then episodes of few ways before those of this shape.
    InParts(u64, FewShot),
    /// So many support and query rows of all classes.
    Classes(usize),
}

pub(super) fn net(ctx: &Context) -> Net {
    Net { channels: ctx.mode().of([16, 32, 64]), ..Net::OMNIGLOT }
}

pub(super) fn entries(ctx: &Context, classes: usize) -> Result<Vec<Entry>> {
    let (mode, net) = (ctx.mode(), net(ctx));
    let mut entries = Vec::new();
    for learner in learners::metric(net)?.into_iter().chain([learners::svm(net)?]) {
        entries.push(Entry { training: comparison(ctx, learner.name), learner });
    }
    for learner in learners::pretrained(net, classes, mode.of([10, 50, 200]))? {
        let iterations = mode.of([250, 3_000, 60_000]);
        let plan = Plan {
            name: "pretraining",
            tasks: Tasks::Classes(mode.of([16, 32, 64])),
            meta_batch: 1,
            iterations,
            optimiser: Arc::new(adam(mode.of([5e-3, 2e-3, 2e-3]), iterations)),
        };
        entries.push(Entry { training: Some(plan), learner });
    }
    let length = |name| family_iterations(ctx, name);
    let proto_maml = learners::proto_maml(net, mode.of([2, 5, 5]))?;
    for learner in learners::family(net, length("maml-plus-plus"))?.into_iter().chain([proto_maml]) {
        entries.push(Entry { training: Some(descent(ctx, learner.name)), learner });
    }
    for candidate in black_boxes::one_shot(net.channels)? {
        let iterations = mode.of([100, 1_500, 60_000]);
        let tasks = FewShot { queries: 1, ..TEST };
        let plan = Plan {
            name: candidate.name,
            tasks: if candidate.in_parts {
                Tasks::InParts(mode.of([100, 500, 10_000]), tasks)
            } else {
                Tasks::Episodes(tasks)
            },
            meta_batch: mode.of([8, 32, 32]),
            iterations,
            optimiser: Arc::new(clipped(candidate.rate, iterations)),
        };
        let learner = Named { name: candidate.name, title: candidate.title, learner: candidate.learner };
        entries.push(Entry { training: Some(plan), learner });
    }
    if mode.of([true, false, false]) {
        entries.retain(|entry| QUICK.contains(&entry.learner.name));
    }
    Ok(entries)
}

/// Learners of the quick run.
const QUICK: [&str; 11] = [
    "nearest-neighbour",
    "proto",
    "matching",
    "siamese",
    "r2d2",
    "logistic",
    "finetune",
    "maml",
    "anil",
    "fo-proto-maml",
    "in-context",
];

/// Training of a learner that compares: more ways than in the test.
fn comparison(ctx: &Context, name: &'static str) -> Option<Plan> {
    let mode = ctx.mode();
    let standard = match name {
        "nearest-neighbour" => return None,
        "relation" => 600,
        _ => 1_200,
    };
    let iterations = mode.of([200, standard, 60_000]);
    let ways = if name == "relation" { 10 } else { mode.of([10, 20, 20]) };
    Some(Plan {
        name,
        tasks: Tasks::Episodes(FewShot { ways, queries: mode.of([3, 5, 5]), ..TEST }),
        meta_batch: mode.of([1, 2, 2]),
        iterations,
        optimiser: Arc::new(adam(mode.of([5e-3, 2e-3, 2e-3]), iterations)),
    })
}

fn family_iterations(ctx: &Context, name: &str) -> u64 {
    let standard = match name {
        "imaml" => 150,
        "maml-plus-plus" => 400,
        "fo-proto-maml" => 600,
        _ => 1_200,
    };
    ctx.mode().of([60, standard, 30_000])
}

/// Training of a learner that descends: the tasks of the test, one query a class.
fn descent(ctx: &Context, name: &'static str) -> Plan {
    let (mode, iterations) = (ctx.mode(), family_iterations(ctx, name));
    let tasks = FewShot { queries: 1, ..TEST };
    let meta_batch = mode.of([8, 32, 32]);
    let optimiser: Arc<dyn Transform> = Arc::new(adam(4e-3, iterations));
    match name {
        "reptile" => Plan {
            name,
            tasks: Tasks::Episodes(FewShot { shots: 10, ..tasks }),
            meta_batch: 5,
            iterations,
            optimiser: Arc::new(Sgd::new(Schedule::Linear { start: 1.0, end: 1e-3, steps: iterations })),
        },
        "fo-proto-maml" => {
            Plan { name, tasks: Tasks::Episodes(FewShot { queries: 3, ..tasks }), meta_batch, iterations, optimiser }
        }
        _ => Plan { name, tasks: Tasks::Episodes(tasks), meta_batch, iterations, optimiser },
    }
}
