//! A training as experiments run it: with a progress bar, a checkpoint to resume from, and the curves for the report.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_meta::{
    Evaluation, EveryN, Iteration, JsonLines, MetaLearner, Observer, Runner, TrainConfig, Trained, Trainer, Validation,
};
use rekindle_optim::Transform;
use rekindle_tasks::TaskSampler;
use serde::Deserialize;

use crate::{Context, Estimate, Progress, Series};

/// Seed of the test tasks: equal for all learners that are compared, and out of reach of the seeds of trainings.
pub(super) const TEST_SEED: u64 = u64::MAX;

/// Seed of the tasks that settings are chosen on.
pub(super) const VALIDATION_SEED: u64 = u64::MAX - 1;

/// Points of a loss curve before they are put into bins.
const CURVE: u64 = 2000;

/// Bins of a loss curve in the report.
const BINS: usize = 100;

/// A training to run or to resume.
pub(super) struct Training<'a> {
    /// Name of its bar and of its files in the work folder: another one for other settings, or resuming is refused.
    pub(super) name: String,
    /// The learner; its fresh parameters come from the seed in `config`.
    pub(super) learner: &'a dyn MetaLearner,
    /// The optimiser of the meta-parameters.
    pub(super) optimiser: &'a dyn Transform,
    /// How long; the checkpoint and the threads are set here.
    pub(super) config: TrainConfig,
    /// Tasks to learn from.
    pub(super) tasks: Arc<dyn TaskSampler>,
    /// Tasks to validate on, if any.
    pub(super) validation: Option<&'a dyn TaskSampler>,
}

impl Training<'_> {
    /// Trains on the context's device and threads. A run that was killed goes on where its checkpoint stands.
    ///
    /// # Errors
    /// Those of the trainer, or if the files in the work folder cannot be written or read.
    pub(super) fn run(self, ctx: &Context) -> Result<(Trained, Curves)> {
        self.run_from(ctx, &Params::new([])?)
    }

    /// The same from `start`: parameters in place of fresh ones of their names.
    ///
    /// # Errors
    /// As [`run`](Self::run); if a parameter of `start` is none of the learner's.
    pub(super) fn run_from(self, ctx: &Context, start: &Params) -> Result<(Trained, Curves)> {
        let runner = Runner::with_threads(ctx.threads());
        let mut config = self.config;
        config.checkpoint = Some(ctx.work_dir().join(format!("{}.safetensors", self.name)));
        config.runner = runner;
        config.validation.runner = runner;
        let log = ctx.work_dir().join(format!("{}.jsonl", self.name));
        let mut watch: Vec<Box<dyn Observer>> = vec![
            Box::new(Bar(ctx.progress(&self.name, config.iterations))),
            Box::new(EveryN::new(config.iterations.div_ceil(CURVE).max(1), JsonLines::open(&log)?)?),
        ];
        let fresh = self.learner.init(&mut ChaCha8Rng::seed_from_u64(config.seed), DType::F32, ctx.device())?;
        let (_, rest) = fresh.partition(|name| start.contains(name));
        let initial = start.merge(&rest)?.ordered_like(&fresh)?;
        let trainer = Trainer { learner: self.learner, optimiser: self.optimiser, config: &config };
        let trained = trainer.run(&initial, self.tasks, self.validation, &mut watch)?;
        Ok((trained, Curves::read(&log)?))
    }
}

/// Moves a bar, with the last loss or score behind it.
struct Bar(Progress);

impl Observer for Bar {
    fn iteration(&mut self, at: &Iteration) -> rekindle_meta::Result<bool> {
        // A bar that is redrawn thousands of times a second would cost as much as a small learner.
        if at.iteration.is_multiple_of(64) || at.iteration == at.total || at.seconds > 0.01 {
            self.0.message(format!("loss {:.3}", at.loss));
            self.0.set(at.iteration);
        }
        Ok(true)
    }

    fn validation(&mut self, at: &Validation<'_>) -> rekindle_meta::Result<()> {
        self.0.message(format!("validation {:.4}", at.evaluation.mean));
        Ok(())
    }
}

/// What was seen on the way, earlier parts of a resumed run included.
#[derive(Debug, Default)]
pub(super) struct Curves {
    /// Iteration and loss.
    pub(super) losses: Vec<(f64, f64)>,
    /// Iteration, mean score and its 95 % interval.
    pub(super) validations: Vec<(f64, f64, f64)>,
}

/// A line of the log; the two kinds have one of the first two numbers each.
#[derive(Deserialize)]
struct Line {
    iteration: f64,
    loss: Option<f64>,
    mean: Option<f64>,
    #[serde(default)]
    ci95: f64,
}

impl Curves {
    fn read(log: &Path) -> Result<Self> {
        let context = || format!("reading the log {}", log.display());
        let mut curves = Self::default();
        for line in fs::read_to_string(log).with_context(context)?.lines() {
            let Line { iteration, loss, mean, ci95 } = serde_json::from_str(line).with_context(context)?;
            curves.losses.extend(loss.map(|loss| (iteration, loss)));
            curves.validations.extend(mean.map(|mean| (iteration, mean, ci95)));
        }
        Ok(curves)
    }

    /// The losses, smoothed for a plot.
    pub(super) fn loss_series(&self, name: &str) -> Series {
        Series::binned(name, &self.losses, BINS)
    }
}

/// An accuracy in per cent, with its interval.
pub(super) fn per_cent(result: &Evaluation) -> Estimate {
    Estimate::new(100.0 * result.mean, 100.0 * result.ci95)
}
