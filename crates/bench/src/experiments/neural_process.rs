//! Neural processes on sine waves and on functions of a Gaussian process: what they expect, and how sure they are.

use std::sync::Arc;

use anyhow::Result;
use candle_core::Tensor;
use rand::{Rng, RngCore};
use rekindle_autodiff::Params;
use rekindle_meta::{BlackBoxLearner, Evaluation, MetaLearner, NeuralProcess, NeuralProcessConfig, TrainConfig};
use rekindle_tasks::{GaussianProcess, Sinusoid, TaskBatch, TaskSampler, batch_rng};

use super::few_shot::clipped;
use super::training::{TEST_SEED, Training};
use crate::{Context, Estimate, Experiment, Plot, Series};

pub(super) struct NeuralProcessSinusoid;

pub(super) struct NeuralProcessGaussian;

/// Query points of a function, in training and in the test.
const QUERIES: usize = 20;

/// Functions of the test.
const FUNCTIONS: usize = 1000;

impl Experiment for NeuralProcessSinusoid {
    fn id(&self) -> &'static str {
        "neural-process/sinusoid"
    }

    fn title(&self) -> &'static str {
        "Neural processes on sinusoids"
    }

    fn about(&self) -> &'static str {
        "A conditional neural process (`cnp`) and an attentive one (`anp`, 8 heads, no random latent) learn to predict MAML's \
         sine waves from 1 to 10 points: a mean and a standard deviation of at least 0.1 at any other point. Both are 128 wide, with \
         3 hidden layers before and 2 after the representation; 16 waves an iteration, 20 points of each to predict, Adam from \
         `2e-3` along a cosine, gradients clipped to norm 1.\n\n\
         `<net>/log-likelihood-k` is the mean over 1,000 new waves after k points, in nats for each predicted point; \
         `<net>/mse-k` the squared error of the mean. No prediction has a likelihood above 1.38, that of a deviation of 0.1 where \
         there is no error. A wave has two parameters, which a mean over examples can hold: attention has nothing to add here.\n\n\
         Source: Garnelo et al. 2018, section 4.1, and Kim et al. 2019, section 4.1, which train on functions of a Gaussian process; \
         the waves are those of Finn, Abbeel & Levine 2017, so there are no published figures."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let iterations = ctx.mode().of([3_000, 20_000, 100_000]);
        compare(ctx, Functions::Waves, &[1, 3, 5, 10], (iterations, 2e-3))
    }
}

impl Experiment for NeuralProcessGaussian {
    fn id(&self) -> &'static str {
        "neural-process/gaussian-process"
    }

    fn title(&self) -> &'static str {
        "Neural processes on functions of a Gaussian process"
    }

    fn about(&self) -> &'static str {
        "As `neural-process/sinusoid`, on functions of Gaussian processes with squared exponential kernels whose lengths lie between \
         0.1 and 0.6, from 1 to 40 points in [−2, 2]. Adam from `1e-3`.\n\n\
         Source: Kim et al. 2019, section 4.1, figure 3: with attention the error at the points that were seen goes, and the likelihood of \
         others is higher; curves only. Differs: no random latent, and far fewer iterations."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let iterations = ctx.mode().of([2_000, 10_000, 100_000]);
        compare(ctx, Functions::Gaussian, &[1, 5, 10, 20, 40], (iterations, 1e-3))
    }
}

/// What is regressed.
#[derive(Clone, Copy)]
enum Functions {
    Waves,
    Gaussian,
}

impl Functions {
    fn sample(
        self,
        rng: &mut dyn RngCore,
        n: usize,
        shots: usize,
        queries: usize,
    ) -> rekindle_tasks::Result<TaskBatch> {
        match self {
            Self::Waves => Sinusoid { queries, ..Sinusoid::maml(shots) }.sample(rng, n),
            Self::Gaussian => GaussianProcess { shots, queries, ..GaussianProcess::default() }.sample(rng, n),
        }
    }
}

/// Functions with a random number of support points, the same for all of a batch.
struct AnyShots {
    of: Functions,
    most: usize,
}

impl TaskSampler for AnyShots {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> rekindle_tasks::Result<TaskBatch> {
        let shots = rng.random_range(1..=self.most);
        self.of.sample(rng, n_tasks, shots, QUERIES)
    }
}

/// Trains both processes on functions with up to the last of `shots` points, and tests them after each number of points.
fn compare(ctx: &mut Context, of: Functions, shots: &[usize], length: (u64, f64)) -> Result<()> {
    let most = shots.iter().copied().max().unwrap_or(1);
    for seed in ctx.seeds() {
        let mut likelihoods = Plot::new("Prediction", "points seen", "log-likelihood of a point, nats");
        let mut drawn = Vec::new();
        for (name, title, config) in nets(ctx) {
            let learner = BlackBoxLearner::new(NeuralProcess::new(config)?);
            let params = train(ctx, (name, &learner), AnyShots { of, most }, length, seed)?;
            let mut curve = Vec::new();
            for &shots in shots {
                let likelihood = test(ctx, (name, &learner, &params), (of, shots), seed)?;
                curve.push((shots as f64, likelihood.mean, likelihood.ci95));
            }
            likelihoods = likelihoods.series(Series::with_ci(title, curve));
            drawn.push(draw(ctx, title, &learner, &params, of)?);
        }
        if seed == 0 {
            ctx.plot(likelihoods)?;
            drawn.into_iter().try_for_each(|plot| ctx.plot(plot))?;
        }
    }
    Ok(())
}

fn nets(ctx: &Context) -> [(&'static str, &'static str, NeuralProcessConfig); 2] {
    let width = ctx.mode().of([64, 128, 128]);
    let sized = |config| NeuralProcessConfig { width, ..config };
    [
        ("cnp", "conditional", sized(NeuralProcessConfig::conditional(1, 1))),
        ("anp", "attentive", sized(NeuralProcessConfig::attentive(1, 1))),
    ]
}

fn train(
    ctx: &Context,
    (name, learner): (&str, &BlackBoxLearner<NeuralProcess>),
    tasks: AnyShots,
    (iterations, rate): (u64, f64),
    seed: u64,
) -> Result<Params> {
    let (trained, _) = Training {
        name: format!("{name}-{iterations}-seed{seed}"),
        learner,
        // Without clipping, attention does not survive a rate as high.
        optimiser: &clipped(rate, iterations),
        config: TrainConfig { iterations, meta_batch: 16, seed, ..TrainConfig::default() },
        tasks: Arc::new(tasks),
        validation: None,
    }
    .run(ctx)?;
    Ok(trained.last)
}

fn test(
    ctx: &mut Context,
    (name, learner, params): (&str, &BlackBoxLearner<NeuralProcess>, &Params),
    (of, shots): (Functions, usize),
    seed: u64,
) -> Result<Evaluation> {
    let tasks = of.sample(&mut batch_rng(TEST_SEED, 0), FUNCTIONS, shots, QUERIES)?.to_device(ctx.device())?;
    let likelihood = Evaluation::new(learner.log_likelihood(params, &tasks)?)?;
    let adapted = learner.adapt(params, &tasks.support)?;
    let mean = learner.distribution(&adapted, &tasks.query.x)?.0;
    let error = Evaluation::new(learner.loss().scores(&mean, &tasks.query.y)?)?;
    for (what, unit, result) in [("log-likelihood", "nats", &likelihood), ("mse", "mse", &error)] {
        ctx.seed_metric(seed, &format!("{name}/{what}-{shots}"), Estimate::new(result.mean, result.ci95), unit)?;
    }
    Ok(likelihood)
}

/// One function of the test: the truth, five points of it, and the prediction with two standard deviations on both sides.
fn draw(
    ctx: &Context,
    title: &str,
    learner: &BlackBoxLearner<NeuralProcess>,
    params: &Params,
    of: Functions,
) -> Result<Plot> {
    let tasks = of.sample(&mut batch_rng(TEST_SEED, 1), 1, 5, 200)?.to_device(ctx.device())?;
    let (mean, deviation) = learner.distribution(&learner.adapt(params, &tasks.support)?, &tasks.query.x)?;
    let column = |t: &Tensor| -> Result<Vec<f64>> {
        Ok(t.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
    };
    let (x, truth) = (column(&tasks.query.x)?, column(&tasks.query.y)?);
    let mut points: Vec<(f64, f64, f64, f64)> = Vec::with_capacity(x.len());
    for (i, (mean, deviation)) in mean.to_vec_f64()?.into_iter().zip(deviation.to_vec_f64()?).enumerate() {
        points.push((x[i], truth[i], mean, 2.0 * deviation));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let support = column(&tasks.support.x)?.into_iter().zip(column(&tasks.support.y)?);
    Ok(Plot::new(title, "x", "y")
        .series(Series::with_ci("prediction ± 2 σ", points.iter().map(|p| (p.0, p.2, p.3))))
        .dashed("truth", points.iter().map(|p| (p.0, p.1)))
        .scatter("support", support))
}
