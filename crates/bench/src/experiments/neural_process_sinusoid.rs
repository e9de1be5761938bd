//! Neural processes on sine waves: what they expect, and how sure they are.

use std::sync::Arc;

use anyhow::Result;
use candle_core::Tensor;
use rand::{Rng, RngCore};
use rekindle_autodiff::Params;
use rekindle_meta::{BlackBoxLearner, Evaluation, MetaLearner, NeuralProcess, NeuralProcessConfig, TrainConfig};
use rekindle_tasks::{Sinusoid, TaskBatch, TaskSampler, batch_rng};

use super::few_shot::clipped;
use super::training::{TEST_SEED, Training};
use crate::{Context, Estimate, Experiment, Plot, Series};

pub(super) struct NeuralProcessSinusoid;

/// Support points in the test.
const SHOTS: [usize; 4] = [1, 3, 5, 10];

/// Query points of a wave, in training and in the test.
const QUERIES: usize = 20;

/// Waves of the test.
const WAVES: usize = 1000;

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
         there is no error.\n\n\
         Source: Garnelo et al. 2018, section 4.1, and Kim et al. 2019, section 4.1, which train on functions of a Gaussian process; \
         the waves are those of Finn, Abbeel & Levine 2017, so there are no published figures."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            let mut likelihoods = Plot::new("Prediction", "points seen", "log-likelihood of a point, nats");
            let mut drawn = Vec::new();
            for (name, title, config) in nets(ctx) {
                let learner = BlackBoxLearner::new(NeuralProcess::new(config)?);
                let params = train(ctx, name, &learner, seed)?;
                let mut curve = Vec::new();
                for shots in SHOTS {
                    let likelihood = test(ctx, name, &learner, &params, (shots, seed))?;
                    curve.push((shots as f64, likelihood.mean, likelihood.ci95));
                }
                likelihoods = likelihoods.series(Series::with_ci(title, curve));
                drawn.push(draw(ctx, title, &learner, &params)?);
            }
            if seed == 0 {
                ctx.plot(likelihoods)?;
                drawn.into_iter().try_for_each(|plot| ctx.plot(plot))?;
            }
        }
        Ok(())
    }
}

fn nets(ctx: &Context) -> [(&'static str, &'static str, NeuralProcessConfig); 2] {
    let width = ctx.mode().of([64, 128, 128]);
    let sized = |config| NeuralProcessConfig { width, ..config };
    [
        ("cnp", "conditional", sized(NeuralProcessConfig::conditional(1, 1))),
        ("anp", "attentive", sized(NeuralProcessConfig::attentive(1, 1))),
    ]
}

/// Sine waves with a random number of support points, the same for all waves of a batch.
struct AnyShots;

impl TaskSampler for AnyShots {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> rekindle_tasks::Result<TaskBatch> {
        let shots = rng.random_range(1..=SHOTS[SHOTS.len() - 1]);
        waves(shots).sample(rng, n_tasks)
    }
}

fn waves(shots: usize) -> Sinusoid {
    Sinusoid { queries: QUERIES, ..Sinusoid::maml(shots) }
}

fn train(ctx: &Context, name: &str, learner: &BlackBoxLearner<NeuralProcess>, seed: u64) -> Result<Params> {
    let iterations = ctx.mode().of([3_000, 20_000, 100_000]);
    let (trained, _) = Training {
        name: format!("{name}-{iterations}-seed{seed}"),
        learner,
        // Without clipping, attention does not survive a rate as high.
        optimiser: &clipped(2e-3, iterations),
        config: TrainConfig { iterations, meta_batch: 16, seed, ..TrainConfig::default() },
        tasks: Arc::new(AnyShots),
        validation: None,
    }
    .run(ctx)?;
    Ok(trained.last)
}

fn test(
    ctx: &mut Context,
    name: &str,
    learner: &BlackBoxLearner<NeuralProcess>,
    params: &Params,
    (shots, seed): (usize, u64),
) -> Result<Evaluation> {
    let tasks = waves(shots).sample(&mut batch_rng(TEST_SEED, 0), WAVES)?.to_device(ctx.device())?;
    let likelihood = Evaluation::new(learner.log_likelihood(params, &tasks)?)?;
    let adapted = learner.adapt(params, &tasks.support)?;
    let mean = learner.distribution(&adapted, &tasks.query.x)?.0;
    let error = Evaluation::new(learner.loss().scores(&mean, &tasks.query.y)?)?;
    for (what, unit, result) in [("log-likelihood", "nats", &likelihood), ("mse", "mse", &error)] {
        ctx.seed_metric(seed, &format!("{name}/{what}-{shots}"), Estimate::new(result.mean, result.ci95), unit)?;
    }
    Ok(likelihood)
}

/// One wave of the test: the truth, five points of it, and the prediction with two standard deviations on both sides.
fn draw(ctx: &Context, title: &str, learner: &BlackBoxLearner<NeuralProcess>, params: &Params) -> Result<Plot> {
    const POINTS: usize = 121;
    let (tasks, latents) = waves(5).sample_with_latents(&mut batch_rng(TEST_SEED, 1), 1)?;
    let latents = latents.to_vec2::<f32>()?.remove(0);
    let (amplitude, phase) = (f64::from(latents[0]), f64::from(latents[1]));
    let xs: Vec<f64> = (0..POINTS).map(|i| -5.0 + 10.0 * i as f64 / (POINTS - 1) as f64).collect();
    let support = tasks.support.to_device(ctx.device())?;
    let grid = Tensor::new(xs.as_slice(), ctx.device())?.to_dtype(support.x.dtype())?.reshape((1, POINTS, 1))?;
    let (mean, deviation) = learner.distribution(&learner.adapt(params, &support)?, &grid)?;
    let band = mean.to_vec_f64()?.into_iter().zip(deviation.to_vec_f64()?);
    let predicted = xs.iter().zip(band).map(|(x, (mean, deviation))| (*x, mean, 2.0 * deviation));
    let column = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.flatten_all()?.to_vec1()?) };
    let points = column(&support.x)?.into_iter().zip(column(&support.y)?);
    Ok(Plot::new(title, "x", "y")
        .series(Series::with_ci("prediction ± 2 σ", predicted))
        .dashed("truth", xs.iter().map(|x| (*x, amplitude * (x - phase).sin())))
        .scatter("support", points.map(|(x, y)| (f64::from(x), f64::from(y)))))
}
