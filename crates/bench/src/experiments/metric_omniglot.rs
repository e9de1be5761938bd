//! Metric-based learners side by side on Omniglot.

use std::sync::Arc;

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_tasks::FewShot;

use super::few_shot::{Characters, Protocol, adam, test, train};
use super::learners::{self, Named, Net};
use super::training::per_cent;
use crate::{Context, Experiment, Plot, Published, Series, Table};

pub(super) struct MetricOmniglot;

/// A learner, and how it is trained.
struct Entry {
    learner: Named,
    /// `None`: not at all.
    training: Option<Training>,
    /// Published accuracies in the order of [`COLUMNS`], with their intervals where there are any, and where they stand.
    published: Option<(Row, &'static str)>,
}

/// Accuracies of a table's row, with their intervals.
type Row = [(f64, Option<f64>); 4];

/// Episodes and length of a training with one shot. With five shots an episode is twice as large, so there are half as many.
#[derive(Clone, Copy)]
struct Training {
    ways: usize,
    queries: usize,
    iterations: u64,
    meta_batch: usize,
    rate: f64,
}

/// Ways and shots of the paper's tables.
const COLUMNS: [(usize, usize); 4] = [(5, 1), (5, 5), (20, 1), (20, 5)];

impl Experiment for MetricOmniglot {
    fn id(&self) -> &'static str {
        "metric/omniglot"
    }

    fn title(&self) -> &'static str {
        "Metric-based learners on Omniglot"
    }

    fn about(&self) -> &'static str {
        "Prototypical networks (Snell et al. 2017), matching networks with and without full context embeddings (Vinyals et \
         al. 2016), relation networks (Sung et al. 2018), Siamese networks (Koch et al. 2015) and R2-D2 (Bertinetto et al. \
         2019), with the nearest neighbour in pixels beside them: the same split, the same test tasks.\n\n\
         - Data: all 1623 characters at 28×28, 1100 for training, 100 for validation, 423 for the test; each class is \
           turned by a random multiple of 90° in each episode.\n\
         - Net: four blocks of 3×3 convolution with 64 channels, batch normalisation, ReLU and 2×2 max pooling; for \
           relation networks the last two blocks do not pool.\n\
         - A learner is trained once with one shot and once with five, with more ways than it is tested with, and then \
           tested with 5 and 20 ways, 15 and 5 queries a class.\n\
         - Adam, whose rate falls along a cosine; the parameters of the best of ten validations are tested.\n\
         - Differs from the papers: far fewer episodes; attention of matching networks is scaled by 10, where the paper \
           has no scale, and the outputs of R2-D2 begin at that scale; Siamese networks have the common body, where Koch's has larger kernels and images.\n\n\
         Accuracy is the mean over 600 test tasks. *Transductive*: batch normalisation sees a task's support set and \
         queries together, as in training. *Inductive*: its statistics come from the support set alone, which may be five \
         images. The papers' codes use averages from the training instead."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Transductive, %", ["learner", "5w1s", "5w5s", "20w1s", "20w5s"]);
        let mut plot = Plot::new("5-way 1-shot accuracy on validation characters", "share of the training", "%");
        for entry in entries(ctx)? {
            let title = entry.learner.title;
            let (cells, curve) = ctx.section(title, |ctx| run(ctx, &entry))?;
            table.row([vec![title.to_owned()], cells].concat());
            plot.series.extend(curve);
        }
        ctx.section("Side by side", |ctx| {
            ctx.table(table)?;
            ctx.plot(plot)
        })
    }
}

/// All columns of one learner: the cells of its row, and its validations with one shot.
fn run(ctx: &mut Context, entry: &Entry) -> Result<(Vec<String>, Option<Series>)> {
    let n_tasks = ctx.mode().of([40, 600, 1_000]);
    let Named { name, title, learner } = &entry.learner;
    let (mut cells, mut curve) = (vec![String::new(); COLUMNS.len()], None);
    // A quick run shows that all of it works.
    let shots: &[usize] = ctx.mode().of([&[1], &[1, 5], &[1, 5]]);
    for seed in ctx.seeds() {
        let data = Characters::omniglot(ctx, seed)?;
        for &shots in shots {
            let params = match &entry.training {
                None => Params::new([])?,
                Some(training) => {
                    let protocol = protocol(ctx, name, *training, shots);
                    let (trained, curves) = train(ctx, &**learner, &data, &protocol, seed)?;
                    if (seed, shots) == (0, 1) {
                        let share = |&(i, mean, _): &(f64, f64, f64)| (i / protocol.iterations as f64, 100.0 * mean);
                        curve = Some(Series::new(*title, crate::Style::Line, curves.validations.iter().map(share)));
                    }
                    trained.params
                }
            };
            for (column, &(ways, _)) in COLUMNS.iter().enumerate().filter(|(_, column)| column.1 == shots) {
                let shape = FewShot { ways, shots, queries: if ways == 5 { 15 } else { 5 }, rotate: true };
                let [transductive, inductive] = test(ctx, &**learner, &params, &data, (&shape, n_tasks))?;
                let tag = format!("{name}/{ways}w{shots}s");
                ctx.seed_metric(seed, &format!("{tag}/accuracy"), per_cent(&transductive), "%")?;
                if entry.training.is_some() {
                    ctx.seed_metric(seed, &format!("{tag}/accuracy-inductive"), per_cent(&inductive), "%")?;
                }
                if seed == 0 {
                    cells[column] = per_cent(&transductive).to_string();
                    if let Some((row, source)) = &entry.published {
                        let (accuracy, ci) = row[column];
                        let published = Published::new(accuracy, *source);
                        ctx.published(&format!("{tag}/accuracy"), Published { ci, ..published });
                    }
                }
            }
        }
    }
    Ok((cells, curve))
}

fn protocol(ctx: &Context, name: &str, training: Training, shots: usize) -> Protocol {
    let Training { ways, queries, iterations, meta_batch, rate } = training;
    let iterations = if shots == 1 { iterations } else { iterations.div_ceil(2) };
    Protocol {
        train: FewShot { ways, shots, queries, rotate: true },
        test: FewShot { ways: 5, shots, queries: 5, rotate: true },
        optimiser: Arc::new(adam(rate, iterations)),
        validation_tasks: ctx.mode().of([10, 200, 200]),
        ..Protocol::new(name, ways, shots, iterations, meta_batch)
    }
}

fn entries(ctx: &Context) -> Result<Vec<Entry>> {
    let training = |learner: &Named| match learner.name {
        "nearest-neighbour" => None,
        name => {
            let iterations = ctx.mode().of([10, 2_500, 60_000]);
            let ways = if name == "relation" { 10 } else { 20 };
            Some(Training { ways, queries: 5, iterations, meta_batch: 2, rate: 2e-3 })
        }
    };
    let entry = |learner| Entry { training: training(&learner), published: published(learner.name), learner };
    Ok(learners::metric(Net::OMNIGLOT)?.into_iter().map(entry).collect())
}

fn published(name: &str) -> Option<(Row, &'static str)> {
    let plain = |row: [f64; 4], source| Some((row.map(|accuracy| (accuracy, None)), source));
    let matching = [98.1, 98.9, 93.8, 98.5];
    match name {
        "nearest-neighbour" => plain([41.7, 63.2, 26.7, 42.6], "Vinyals et al. 2016, Table 1"),
        "proto" => plain([98.8, 99.7, 96.0, 98.9], "Snell et al. 2017, Table 1"),
        "matching" => plain(matching, "Vinyals et al. 2016, Table 1"),
        "matching-fce" => plain(matching, "Vinyals et al. 2016, Table 1, without full context"),
        "siamese" => plain([96.7, 98.4, 88.0, 96.5], "Vinyals et al. 2016, Table 1, convolutional siamese net"),
        "relation" => {
            let row = [(99.6, Some(0.2)), (99.8, Some(0.1)), (97.6, Some(0.2)), (99.1, Some(0.1))];
            Some((row, "Sung et al. 2018, Table 1"))
        }
        _ => None,
    }
}
