//! Meta-Dataset's episodes: trained on several data sets, tested on each and on some that were held out.

use anyhow::Result;

use super::meta_dataset_sources::{Source, sources};
use super::meta_dataset_study::{Results, Study, protocol};
use super::meta_dataset_within::sizes;
use super::training::per_cent;
use crate::{Context, Experiment, Published};

pub(super) struct MetaDatasetAcross;

/// Iterations: of learners that compare, of Proto-MAML, and of the pretraining.
const ITERATIONS: [u64; 3] = [900, 350, 900];

/// What Meta-Dataset's authors have for training on all of their data sets, on those that we share with them: a learner, then
/// Omniglot, Quick, Draw!, flowers and traffic signs.
const PUBLISHED: [(&str, [f64; 4]); 5] = [
    ("knn", [74.60, 44.88, 83.47, 40.11]),
    ("finetune", [71.11, 47.05, 85.28, 66.74]),
    ("matching", [78.25, 60.81, 81.90, 55.57]),
    ("proto", [79.56, 64.88, 86.85, 46.48]),
    ("fo-proto-maml", [82.69, 66.84, 88.72, 52.42]),
];
const SHARED: [&str; 4] = ["omniglot", "quickdraw", "flowers", "gtsrb"];

impl Experiment for MetaDatasetAcross {
    fn id(&self) -> &'static str {
        "meta-dataset/across"
    }

    fn title(&self) -> &'static str {
        "Meta-Dataset's episodes across data sets"
    }

    fn about(&self) -> &'static str {
        concat!(
            "Five learners, trained on the training classes of Omniglot, Quick, Draw!, flowers and CIFAR-100 together (the data \
             set of each episode is drawn, all equally often), and tested on the test classes of each, and on traffic signs and \
             Fashion-MNIST, which no learner has seen. The second matrix shows what one training set is good for elsewhere: a \
             prototypical network, trained on each data set alone and on all. Published figures are those of the authors' README, \
             trained on all ten data sets: nets, images and lengths are far larger there.\n\n",
            protocol!()
        )
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let all = sources(ctx)?;
        ctx.table(sizes(&all))?;
        let names: Vec<&'static str> = all.iter().map(|source| source.name).collect();
        let trained: Vec<&Source> = all.iter().filter(|source| source.trains()).collect();
        for seed in ctx.seeds() {
            let study = Study::new(ctx, seed, ITERATIONS);
            let mut results = Results { columns: names.clone(), rows: Vec::new() };
            for ready in study.train_all(ctx, "all", &trained)? {
                let found = all.iter().map(|source| study.judge(ctx, &ready, source)).collect::<Result<_>>()?;
                results.rows.push((ready.learner.name, ready.learner.title, found));
            }
            results.record(ctx, seed)?;
            let transfer = transfer(ctx, &study, &all, &trained, seed)?;
            if seed == 0 {
                ctx.table(results.table("Trained on all, %"))?;
                ctx.matrix(results.matrix("Accuracy after training on all, %", "learner"))?;
                let mut matrix = transfer.matrix("From data set to data set, %", "trained on");
                if let Some((_, _, found)) = results.rows.iter().find(|row| row.0 == "proto") {
                    matrix.row("all", found.iter().map(|e| 100.0 * e.mean).collect());
                }
                ctx.matrix(
                    matrix.caption("A prototypical network. Columns: data sets of the test, each shaded by itself."),
                )?;
            }
        }
        for (learner, row) in PUBLISHED {
            for (data_set, accuracy) in SHARED.iter().zip(row).filter(|(data_set, _)| names.contains(data_set)) {
                let source = "Triantafillou et al. 2020, README, trained on all data sets";
                ctx.published(&format!("{learner}/{data_set}/accuracy"), Published::new(accuracy, source));
            }
        }
        Ok(())
    }
}

/// A prototypical network of each training set on each data set.
fn transfer(ctx: &mut Context, study: &Study, all: &[Source], trained: &[&Source], seed: u64) -> Result<Results> {
    let mut results = Results { columns: all.iter().map(|source| source.name).collect(), rows: Vec::new() };
    for source in trained {
        let ready = study.prototypical(ctx, source.name, &[source])?;
        let found = all.iter().map(|test| study.judge(ctx, &ready, test)).collect::<Result<Vec<_>>>()?;
        for (test, e) in all.iter().zip(&found) {
            ctx.seed_metric(seed, &format!("from-{}/{}/accuracy", source.name, test.name), per_cent(e), "%")?;
        }
        results.rows.push((source.name, source.name, found));
    }
    Ok(results)
}
