//! Reptile on sine waves, as in its first author's demonstration.

use std::sync::Arc;

use anyhow::Result;
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_meta::{EvalConfig, Evaluation, MetaLearner, Reptile, ReptileConfig, Runner, TrainConfig, evaluate_steps};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig};
use rekindle_optim::{Schedule, Sgd};
use rekindle_tasks::Sinusoid;

use super::sine_plot::adaptation;
use super::training::{TEST_SEED, Training};
use crate::{Context, Estimate, Experiment, Plot, Published, Series};

pub(super) struct ReptileSinusoid;

const ITERATIONS: u64 = 30_000;

/// Support points in the test.
const SHOTS: usize = 10;

/// Inner steps whose error is printed.
const PRINTED: [usize; 4] = [0, 8, 16, 32];

/// MSE of zero: E[A²]/2.
const ZERO: f64 = 4.252;

impl Experiment for ReptileSinusoid {
    fn id(&self) -> &'static str {
        "reptile/sinusoid"
    }

    fn title(&self) -> &'static str {
        "Reptile on sinusoids"
    }

    fn about(&self) -> &'static str {
        "Each task is a sine wave, *y = A sin(x − φ)* with *A* from 0.1 to 5 and *φ* from 0 to 2π, on 50 even points from −5 to 5. \
         A net 1-64-64-1 with tanh passes once over the points of a wave in minibatches of 10, by gradient descent with \
         rate `0.02`; then the initial weights move towards where it went, by a share that falls from `0.1` to 0 over 30,000 waves.\n\n\
         In the test it sees 10 points of a new wave and takes up to 32 steps on them; the error is that on all 50 points: \
         mean ± 95 % interval over 600 waves. *Untrained* does the same from random weights.\n\n\
         Source: J. Schulman's demonstration for Nichol, Achiam & Schulman 2018, which shows curves and no figures."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            run(ctx, seed)?;
        }
        let anchor = || Published::new(ZERO, "closed form: predicting zero");
        ctx.published("mse-0", anchor());
        ctx.published("untrained-mse-0", anchor());
        Ok(())
    }
}

fn run(ctx: &mut Context, seed: u64) -> Result<()> {
    let learner = Reptile::new(net()?, ReptileConfig::sinusoid())?;
    let (trained, curves) = Training {
        name: format!("reptile-seed{seed}"),
        learner: &learner,
        optimiser: &Sgd::new(Schedule::Linear { start: 0.1, end: 0.0, steps: ITERATIONS }),
        config: TrainConfig { iterations: ITERATIONS, meta_batch: 1, seed, ..TrainConfig::default() },
        tasks: Arc::new(Sinusoid::reptile(50)),
        validation: None,
    }
    .run(ctx)?;
    let meta = trained.last;
    let fresh = learner.init(&mut ChaCha8Rng::seed_from_u64(seed), DType::F32, ctx.device())?;

    let tasks = Sinusoid::reptile(SHOTS);
    let config = EvalConfig { seed: TEST_SEED, runner: Runner::with_threads(ctx.threads()), ..EvalConfig::default() };
    let last = PRINTED[PRINTED.len() - 1];
    let fits = evaluate_steps(&learner, &meta, &tasks, last, &config)?;
    let untrained = evaluate_steps(&learner, &fresh, &tasks, last, &config)?;
    for step in PRINTED {
        ctx.seed_metric(seed, &format!("mse-{step}"), estimate(&fits[step]), "mse")?;
        ctx.seed_metric(seed, &format!("untrained-mse-{step}"), estimate(&untrained[step]), "mse")?;
    }
    if seed > 0 {
        return Ok(());
    }
    let errors = Plot::new("Adaptation", "gradient steps", "MSE")
        .log_y()
        .series(Series::with_ci("Reptile", path(&fits)))
        .series(Series::with_ci("untrained", path(&untrained)))
        .dashed("predicting zero", [(0.0, ZERO), (last as f64, ZERO)]);
    ctx.plot(errors.caption("Mean over 600 waves with its 95 % interval."))?;
    ctx.plot(
        Plot::new("Meta-training", "iteration", "MSE").log_y().series(curves.loss_series("during the inner steps")),
    )?;
    let device = ctx.device().clone();
    for (title, params) in [("Reptile, K = 10", &meta), ("Untrained, K = 10", &fresh)] {
        ctx.plot(adaptation(title, &learner, params, (&tasks, 0), &PRINTED, &device)?)?;
    }
    Ok(())
}

/// PyTorch's initial distribution, as in the demonstration.
fn net() -> Result<Mlp> {
    Ok(Mlp::new(&MlpConfig {
        sizes: vec![1, 64, 64, 1],
        activation: Activation::Tanh,
        weight: Init::FanInUniform,
        bias: Init::FanInUniform,
        ..MlpConfig::default()
    })?)
}

fn path(fits: &[Evaluation]) -> Vec<(f64, f64, f64)> {
    fits.iter().enumerate().map(|(step, fit)| (step as f64, fit.mean, fit.ci95)).collect()
}

fn estimate(fit: &Evaluation) -> Estimate {
    Estimate::new(fit.mean, fit.ci95)
}
