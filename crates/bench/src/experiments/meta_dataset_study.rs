//! What the two experiments on Meta-Dataset share: learners, their training, and their test on episodes of many sizes.

use std::sync::Arc;

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_meta::{Evaluation, MetaLearner, Setting, TrainConfig};
use rekindle_tasks::{MetaDataset, Mixture, TaskSampler, batch_rng};

use super::few_shot::adam;
use super::learners::{self, Named, Net};
use super::meta_dataset_sources::Source;
use super::ranks::ranks;
use super::training::{TEST_SEED, Training, per_cent};
use crate::{Context, Matrix, Table};

/// Lengths and sizes of a run.
pub(super) struct Study {
    net: Net,
    rule: MetaDataset,
    seed: u64,
    /// Episodes of a test; fine-tuning takes fewer.
    pub(super) n_tasks: [usize; 2],
    /// Steps of fine-tuning.
    fine_tune: usize,
    /// Iterations of learners that compare, of Proto-MAML, and of the pretraining.
    iterations: [u64; 3],
}

/// A learner with its parameters.
pub(super) struct Ready {
    pub(super) learner: Named,
    params: Params,
}

/// Text on episodes and settings for both descriptions.
macro_rules! protocol {
    () => {
        "- Images: 28×28 in three channels; conv4 of 32 channels (64 with `--full`) with max pooling.\n\
         - Episodes: Meta-Dataset's rule with 5 to 20 ways, up to 10 support images of a class and 100 in all, 5 queries a class; \
           Omniglot's of one alphabet. With `--full` the paper's: up to 50 ways, 500 support images, 10 queries.\n\
         - Learners: the nearest neighbour (cosine) on the features of a net that was pretrained as a classifier of all training \
           classes; the same net fine-tuned in all layers (Adam 0.01, 30 steps; 200 with `--full`); matching and prototypical \
           networks; fo-Proto-MAML with 5 steps (rate 0.00544).\n\
         - One episode an iteration, Adam from 2e-3 along a cosine; the last parameters are tested, there is no validation. \
           Normalisation is transductive, as in the paper's code.\n\
         - Accuracy is the mean over 100 test episodes (fine-tuning: 40), 600 with `--full`. Learners that cannot be told apart \
           share a rank.\n\n\
         Differs from the paper: images of 126×126, ResNet-18, pretraining on ImageNet and 75,000 updates there; here small parts \
         of the data sets, and minutes.\n\n\
         Source: Triantafillou et al. 2020."
    };
}
pub(super) use protocol;

impl Study {
    pub(super) fn new(ctx: &Context, seed: u64, iterations: [u64; 3]) -> Self {
        let mode = ctx.mode();
        let small = MetaDataset {
            max_ways: mode.of([8, 20, 20]),
            max_support: mode.of([24, 100, 100]),
            max_support_per_class: mode.of([3, 10, 10]),
            max_queries: mode.of([2, 5, 5]),
            ..MetaDataset::default()
        };
        Self {
            net: Net { channels: mode.of([16, 32, 64]), in_channels: 3 },
            rule: mode.of([small.clone(), small, MetaDataset::default()]),
            seed,
            n_tasks: mode.of([[5, 2], [100, 40], [600, 600]]),
            fine_tune: mode.of([2, 30, 200]),
            iterations: mode.of([[5, 5, 5], iterations, [75_000; 3]]),
        }
    }

    /// All learners, trained on the training classes of `sources`; files are named after `tag`.
    pub(super) fn train_all(&self, ctx: &Context, tag: &str, sources: &[&Source]) -> Result<Vec<Ready>> {
        let mut ready = self.pretrained(ctx, tag, sources)?;
        for learner in [learners::matching(self.net)?, learners::prototypical(self.net)?] {
            ready.push(self.trained(ctx, tag, learner, sources, self.iterations[0])?);
        }
        ready.push(self.trained(ctx, tag, learners::proto_maml(self.net, 5)?, sources, self.iterations[1])?);
        Ok(ready)
    }

    /// A prototypical network alone.
    pub(super) fn prototypical(&self, ctx: &Context, tag: &str, sources: &[&Source]) -> Result<Ready> {
        self.trained(ctx, tag, learners::prototypical(self.net)?, sources, self.iterations[0])
    }

    fn trained(&self, ctx: &Context, tag: &str, learner: Named, sources: &[&Source], iterations: u64) -> Result<Ready> {
        let episodes = sources.iter().map(|source| source.episodes(true, &self.rule)).collect::<Result<Vec<_>>>()?;
        let tasks = Arc::new(Mixture::uniform(episodes)?);
        let params = self.run(ctx, &format!("{}-{tag}", learner.name), &*learner.learner, tasks, iterations)?;
        Ok(Ready { learner, params })
    }

    /// The learners that begin with a classifier of all training classes, which is trained once.
    fn pretrained(&self, ctx: &Context, tag: &str, sources: &[&Source]) -> Result<Vec<Ready>> {
        const ROWS: usize = 64;
        let (mut batches, mut classes) = (Vec::new(), 0);
        for source in sources {
            let (sampler, n) = source.batches(ROWS, classes)?;
            batches.push(sampler);
            classes += n;
        }
        let [nearest, tuned] = learners::transferred(self.net, classes, self.fine_tune)?;
        let tasks = Arc::new(Mixture::uniform(batches)?);
        let name = format!("pretraining-{tag}");
        let params = self.run(ctx, &name, &*nearest.learner, tasks, self.iterations[2])?;
        Ok(vec![Ready { learner: nearest, params: params.clone() }, Ready { learner: tuned, params }])
    }

    fn run(
        &self,
        ctx: &Context,
        name: &str,
        learner: &dyn MetaLearner,
        tasks: Arc<dyn TaskSampler>,
        iterations: u64,
    ) -> Result<Params> {
        let seed = self.seed;
        let training = Training {
            name: format!("{name}-{iterations}-seed{seed}"),
            learner,
            optimiser: &adam(2e-3, iterations),
            // Episodes differ in shape, so that there is one in each iteration.
            config: TrainConfig { iterations, meta_batch: 1, seed, checkpoint_every: 500, ..TrainConfig::default() },
            tasks,
            validation: None,
        };
        Ok(training.run(ctx)?.0.params)
    }

    /// A learner on test episodes of a data set, the same ones for all learners.
    pub(super) fn judge(&self, ctx: &Context, ready: &Ready, source: &Source) -> Result<Evaluation> {
        let learner = &*ready.learner.learner;
        let [usual, few] = self.n_tasks;
        let n = if ready.learner.name == "finetune" { few } else { usual };
        let episodes = source.episodes(false, &self.rule)?;
        let progress = ctx.progress(&format!("{} on {}", ready.learner.name, source.name), n as u64);
        let score = |i: usize| -> Result<f64> {
            let task = episodes.sample(&mut batch_rng(TEST_SEED, i as u64), 1)?.to_device(ctx.device())?;
            let adapted = learner.adapt(&ready.params, &task.support)?;
            let outputs = learner.predict(&adapted, &task.support, &task.query.x, Setting::Transductive)?;
            progress.inc(1);
            Ok(learner.loss().scores(&outputs, &task.query.y)?[0])
        };
        let found = Evaluation::new((0..n).map(score).collect::<Result<_>>()?)?;
        ctx.say(&format!("{} on {}: {:.1} %", ready.learner.name, source.name, 100.0 * found.mean));
        Ok(found)
    }
}

/// Results of some learners on some data sets.
pub(super) struct Results {
    /// Names of the data sets.
    pub(super) columns: Vec<&'static str>,
    /// A learner's name and title, and what it reached on each data set.
    pub(super) rows: Vec<(&'static str, &'static str, Vec<Evaluation>)>,
}

impl Results {
    /// Mean ranks of the learners.
    fn mean_ranks(&self) -> Vec<f64> {
        let n = self.columns.len();
        let by_column: Vec<Vec<f64>> =
            (0..n).map(|j| ranks(&self.rows.iter().map(|row| &row.2[j]).collect::<Vec<_>>())).collect();
        (0..self.rows.len()).map(|i| by_column.iter().map(|ranks| ranks[i]).sum::<f64>() / n as f64).collect()
    }

    /// Metrics of one seed.
    pub(super) fn record(&self, ctx: &mut Context, seed: u64) -> Result<()> {
        for ((name, _, found), rank) in self.rows.iter().zip(self.mean_ranks()) {
            for (column, e) in self.columns.iter().zip(found) {
                ctx.seed_metric(seed, &format!("{name}/{column}/accuracy"), per_cent(e), "%")?;
            }
            ctx.seed_metric(seed, &format!("{name}/rank"), rank, "place")?;
        }
        Ok(())
    }

    /// The table with ranks.
    pub(super) fn table(&self, title: &str) -> Table {
        let mut table = Table::new(title, ["learner"].iter().chain(&self.columns).chain(&["mean rank"]).copied());
        for ((_, title, found), rank) in self.rows.iter().zip(self.mean_ranks()) {
            let cells = found.iter().map(|e| format!("{:.1} ± {:.1}", 100.0 * e.mean, 100.0 * e.ci95));
            table.row([(*title).to_owned()].into_iter().chain(cells).chain([format!("{rank:.1}")]));
        }
        table
    }

    /// The means in per cent as a picture; data sets are of different difficulty, so each is shaded by itself.
    pub(super) fn matrix(&self, title: &str, corner: &str) -> Matrix {
        let mut matrix = Matrix::new(title, corner, self.columns.iter().copied()).by_column();
        for (_, title, found) in &self.rows {
            matrix.row(*title, found.iter().map(|e| 100.0 * e.mean).collect());
        }
        matrix
    }
}
