//! Every few-shot learner on one data set, in one table.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_meta::{EvalConfig, Evaluation, Runner, Setting, TrainConfig, evaluate};
use rekindle_tasks::{ClassBatches, ClassDataset, FewShotSampler, Shuffle, TaskSampler, batch_rng};

use super::few_shot::Characters;
use super::few_shot_plans::{Entry, Plan, TEST, Tasks, entries, net};
use super::in_parts::{features, growing};
use super::training::{TEST_SEED, Training, per_cent};
use super::{attention, learners};
use crate::{Bars, Context, Experiment, Table, Usage};

pub(super) struct FewShotAll;

/// Tasks that are adapted to and answered one by one, for the clock.
const TIMED: u64 = 30;

impl Experiment for FewShotAll {
    fn id(&self) -> &'static str {
        "few-shot/all"
    }

    fn title(&self) -> &'static str {
        "Every few-shot learner on one data set"
    }

    fn about(&self) -> &'static str {
        "5-way 1-shot recognition of characters never seen, by every learner of the library: accuracy, and what it costs. Omniglot \
         with the split of `maml/omniglot`; in the quick run generated characters, and half of the learners.\n\n\
         - Net: four convolutional blocks of 32 channels (16 in the quick run, 64 with `--full`), with max pooling where features \
           are compared and with strides where a head of five outputs descends.\n\
         - Each learner has its own paper's training: episodes of many ways for those that compare, batches of all classes for \
           pretrained nets, 5-way tasks for the MAML family and for networks that read (LSTM and MANN: features first, see \
           `model-based/omniglot`). Adam along a cosine (Reptile: its own rule). \
           Lengths are such that a learner takes a few minutes: the table compares learners after little training, and the papers' \
           figures, beside those of `metric/omniglot`, `family/omniglot` and `model-based/omniglot`, are of far longer ones.\n\
         - *accuracy*: 600 test tasks (quick: 100), the same for all; normalisation transductive, beside it inductive. The last \
           parameters are tested, there is no validation.\n\
         - *adaptation*, *prediction*: one task at a time, 25 queries, one thread, the median of 30. Learners that compare adapt by \
           remembering, so their work is in the prediction.\n\
         - *memory*: the largest of the process while the learner was trained, its data included."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let quick = ctx.mode().of([true, false, false]);
        let columns = [
            "learner",
            "accuracy, %",
            "inductive, %",
            "training, s",
            "adaptation, ms",
            "prediction, ms",
            "parameters",
            "memory, MiB",
        ];
        let mut table = Table::new("5-way 1-shot, best first", columns);
        let mut bars = Bars::new("5-way 1-shot accuracy", "%").caption("Chance is 20 %.");
        let mut found: Vec<(String, Outcome)> = Vec::new();
        for seed in ctx.seeds() {
            let data = if quick { Characters::glyphs(seed)? } else { Characters::omniglot(ctx, seed)? };
            let mut pretrained = HashMap::new();
            for entry in entries(ctx, data.train.n_classes())? {
                let outcome = run(ctx, &entry, &data, &mut pretrained, seed)?;
                record(ctx, entry.learner.name, &outcome, seed)?;
                if seed == 0 {
                    if entry.learner.name == "matching" {
                        let net = learners::attentive(net(ctx))?;
                        ctx.images(attention::episode(&net, &outcome.params, &data, ctx.device())?);
                    }
                    found.push((entry.learner.title.to_owned(), outcome));
                }
            }
        }
        found.sort_by(|(_, a), (_, b)| b.accuracy.mean.total_cmp(&a.accuracy.mean));
        for (title, outcome) in found {
            bars.bar(title.clone(), per_cent(&outcome.accuracy));
            table.row([vec![title], outcome.cells()].concat());
        }
        ctx.table(table)?;
        ctx.bars(bars)
    }
}

/// What was found of a learner.
struct Outcome {
    params: Params,
    accuracy: Evaluation,
    inductive: Evaluation,
    training: Usage,
    /// Milliseconds.
    adaptation: f64,
    /// Milliseconds.
    prediction: f64,
}

impl Outcome {
    fn cells(&self) -> Vec<String> {
        vec![
            per_cent(&self.accuracy).to_string(),
            per_cent(&self.inductive).to_string(),
            format!("{:.1}", self.training.wall_seconds),
            format!("{:.2}", self.adaptation),
            format!("{:.2}", self.prediction),
            self.params.count().to_string(),
            self.training.peak_memory_mib.map_or_else(|| "unknown".to_owned(), |mib| format!("{mib:.0}")),
        ]
    }
}

fn run(
    ctx: &mut Context,
    entry: &Entry,
    data: &Characters,
    done: &mut HashMap<&'static str, (Params, Usage)>,
    seed: u64,
) -> Result<Outcome> {
    let learner = &*entry.learner.learner;
    let name = entry.training.as_ref().map_or(entry.learner.name, |plan| plan.name);
    let (params, training) = match (&entry.training, done.get(name)) {
        (_, Some(shared)) => shared.clone(),
        (None, None) => (Params::new([])?, Usage::default()),
        (Some(plan), None) => {
            let trained = ctx.metered(|ctx| train(ctx, entry, plan, data, seed))?;
            done.entry(name).or_insert(trained).clone()
        }
    };
    let tasks = FewShotSampler::new(data.test.clone(), TEST)?.then(Shuffle);
    let judge = |setting| {
        let (n_tasks, runner) = (ctx.mode().of([100, 600, 600]), Runner::with_threads(ctx.threads()));
        evaluate(learner, &params, &tasks, &EvalConfig { n_tasks, seed: TEST_SEED, setting, runner })
    };
    let (accuracy, inductive) = (judge(Setting::Transductive)?, judge(Setting::Inductive)?);
    let [adaptation, prediction] = clock(ctx, learner, &params, &tasks)?;
    Ok(Outcome { params, accuracy, inductive, training, adaptation, prediction })
}

fn train(ctx: &Context, entry: &Entry, plan: &Plan, data: &Characters, seed: u64) -> Result<Params> {
    let mut start = Params::new([])?;
    let tasks: Arc<dyn TaskSampler> = match &plan.tasks {
        Tasks::Episodes(shape) => Arc::new(FewShotSampler::new(data.train.clone(), shape.clone())?.then(Shuffle)),
        Tasks::InParts(length, shape) => {
            let name = format!("{}-features", plan.name);
            start = features(ctx, data, net(ctx).channels, (&name, *length, seed))?;
            growing(data, shape, plan.iterations)?
        }
        Tasks::Classes(size) => Arc::new(ClassBatches::new(data.train.clone(), *size)?),
    };
    let training = Training {
        name: format!("{}-{}-seed{seed}", plan.name, plan.iterations),
        learner: &*entry.learner.learner,
        optimiser: &*plan.optimiser,
        config: TrainConfig {
            iterations: plan.iterations,
            meta_batch: plan.meta_batch,
            seed,
            checkpoint_every: 200,
            ..TrainConfig::default()
        },
        tasks,
        validation: None,
    };
    Ok(training.run_from(ctx, &start)?.0.params)
}

/// Milliseconds of an adaptation, and of a prediction: the medians over single tasks.
fn clock(
    ctx: &Context,
    learner: &dyn rekindle_meta::MetaLearner,
    params: &Params,
    tasks: &dyn TaskSampler,
) -> Result<[f64; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for i in 0..TIMED {
        let task = tasks.sample(&mut batch_rng(TEST_SEED, i), 1)?.to_device(ctx.device())?;
        let start = Instant::now();
        let adapted = learner.adapt(params, &task.support)?;
        ctx.device().synchronize()?;
        times[0].push(1e3 * start.elapsed().as_secs_f64());
        let start = Instant::now();
        learner.predict(&adapted, &task.support, &task.query.x, Setting::Transductive)?;
        ctx.device().synchronize()?;
        times[1].push(1e3 * start.elapsed().as_secs_f64());
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}

fn record(ctx: &mut Context, name: &str, outcome: &Outcome, seed: u64) -> Result<()> {
    ctx.seed_metric(seed, &format!("{name}/5w1s/accuracy"), per_cent(&outcome.accuracy), "%")?;
    ctx.seed_metric(seed, &format!("{name}/5w1s/accuracy-inductive"), per_cent(&outcome.inductive), "%")?;
    ctx.seed_metric(seed, &format!("{name}/training"), outcome.training.wall_seconds, "s")?;
    ctx.seed_metric(seed, &format!("{name}/adaptation"), outcome.adaptation, "ms")?;
    ctx.seed_metric(seed, &format!("{name}/prediction"), outcome.prediction, "ms")?;
    ctx.seed_metric(seed, &format!("{name}/parameters"), outcome.params.count() as f64, "numbers")?;
    match outcome.training.peak_memory_mib {
        Some(mib) => ctx.seed_metric(seed, &format!("{name}/memory"), mib, "MiB"),
        None => Ok(()),
    }
}
