//! Meta-Dataset's episodes: each data set by itself.

use anyhow::Result;

use super::meta_dataset_sources::{Source, sources};
use super::meta_dataset_study::{Results, Study, protocol};
use crate::{Context, Experiment, Table};

pub(super) struct MetaDatasetWithin;

/// Iterations on each data set: of learners that compare, of Proto-MAML, and of the pretraining.
const ITERATIONS: [u64; 3] = [500, 200, 500];

impl Experiment for MetaDatasetWithin {
    fn id(&self) -> &'static str {
        "meta-dataset/within"
    }

    fn title(&self) -> &'static str {
        "Meta-Dataset's episodes, each data set by itself"
    }

    fn about(&self) -> &'static str {
        concat!(
            "Five learners, trained on some classes of a data set and tested on others of the same one: Omniglot, Quick, Draw!, \
             flowers and CIFAR-100, those that are there.\n\n",
            protocol!()
        )
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let all = sources(ctx)?;
        ctx.table(sizes(&all))?;
        let trained: Vec<&Source> = all.iter().filter(|source| source.trains()).collect();
        for seed in ctx.seeds() {
            let study = Study::new(ctx, seed, ITERATIONS);
            let mut results = Results { columns: trained.iter().map(|source| source.name).collect(), rows: Vec::new() };
            for source in &trained {
                for (i, ready) in study.train_all(ctx, source.name, &[source])?.iter().enumerate() {
                    if i == results.rows.len() {
                        results.rows.push((ready.learner.name, ready.learner.title, Vec::new()));
                    }
                    results.rows[i].2.push(study.judge(ctx, ready, source)?);
                }
            }
            results.record(ctx, seed)?;
            if seed == 0 {
                ctx.table(results.table("Trained and tested on one data set, %"))?;
                ctx.matrix(results.matrix("Accuracy, %", "learner"))?;
            }
        }
        Ok(())
    }
}

/// What the data sets hold.
pub(super) fn sizes(sources: &[Source]) -> Table {
    let mut table = Table::new("Data sets", ["", "training classes", "test classes", "images"]);
    for source in sources {
        table.row([vec![source.name.to_owned()], source.sizes().map(|n| n.to_string()).to_vec()].concat());
    }
    table
}
