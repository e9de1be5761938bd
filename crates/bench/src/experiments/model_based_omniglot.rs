//! Networks that learn by reading examples, on characters never seen.

use std::sync::Arc;

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_meta::{
    BlackBoxLearner, EvalConfig, Evaluation, MetaLearner, Prequential, Runner, Setting, TrainConfig, evaluate,
};
use rekindle_tasks::{FewShot, FewShotSampler, Shuffle, TaskSampler, batch_rng};

use super::black_boxes::{CHANNELS, Candidate, WAYS, at_sights, one_shot, recurrent};
use super::few_shot::{Characters, clipped};
use super::in_parts::{features, growing};
use super::training::{Curves, TEST_SEED, Training, VALIDATION_SEED, per_cent};
use crate::{Context, Experiment, Plot, Published, Series};

pub(super) struct ModelBasedOmniglot;

/// Presentations of a class in a sequence.
const SIGHTS: usize = 10;

/// Those that are printed, and what Santoro et al. 2016 have for an LSTM and for their MANN.
const PUBLISHED: [(usize, f64, f64); 4] = [(1, 24.4, 36.4), (2, 49.5, 82.8), (5, 63.6, 94.9), (10, 62.5, 98.1)];

/// Tasks of a test.
const TASKS: usize = 600;

impl Experiment for ModelBasedOmniglot {
    fn id(&self) -> &'static str {
        "model-based/omniglot"
    }

    fn title(&self) -> &'static str {
        "Black-box learners on Omniglot"
    }

    fn about(&self) -> &'static str {
        "An LSTM, a memory-augmented network, SNAIL, a transformer and Meta Networks, each behind MAML's convolutional body, which is \
         trained with it, but for LSTM and MANN. The split, the rotations and the test tasks are those of `maml/omniglot`; the support set comes in random \
         order, and no query sees another but through batch normalisation.\n\n\
         - `<learner>/5w1s/accuracy`: one support image of each of five classes, then a query of each. As in `maml/omniglot`, queries \
           are normalised together; `accuracy-inductive` has the statistics of the support set alone. 32 tasks an iteration.\n\
         - `<learner>/presentation-k/accuracy`: 50 images of five classes one after another, each with the label of the one before, as \
           in Santoro et al. 2016; accuracy at the k-th sight of a class. 16 sequences an iteration.\n\n\
         Adam from `2e-3` along a cosine, gradients clipped to norm 1; of ten validations the best is tested. The quick run shows that all of it runs, not that anything is learned. Differs from the papers: \
         far fewer iterations; an LSTM of 256 units in place of 200; narrower networks (MANN: a controller of 100 units and a memory of 64 places of 20; \
         SNAIL: half of the widths; Meta Networks: 32 units); the body of LSTM and MANN was trained as that of a \
         prototypical network, for 1,000 iterations, and stays as it is; they begin with episodes of two ways, one more every sixth of \
         the training, and read labels times four; the body in place of raw pixels (MANN, LSTM) or a larger one (SNAIL); images of 28×28 throughout.\n\n\
         Sources: Santoro et al. 2016, Mishra et al. 2018, Munkhdalai & Yu 2017."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for candidate in one_shot(CHANNELS)? {
            ctx.section(&format!("{}, 5-way 1-shot", candidate.title), |ctx| {
                for seed in ctx.seeds() {
                    run_one_shot(ctx, &candidate, seed)?;
                }
                if let Some((accuracy, ci, source)) = candidate.published {
                    let published = Published::new(accuracy, source);
                    let published = if let Some(ci) = ci { published.with_ci(ci) } else { published };
                    ctx.published(&format!("{}/5w1s/accuracy", candidate.name), published);
                }
                Ok(())
            })?;
        }
        let (lstm, mann) = recurrent()?;
        ctx.section("Presentations, LSTM", |ctx| presentations(ctx, "lstm", &lstm))?;
        ctx.section("Presentations, MANN", |ctx| presentations(ctx, "mann", &mann))?;
        for (k, of_lstm, of_mann) in PUBLISHED {
            for (name, accuracy) in [("lstm", of_lstm), ("mann", of_mann)] {
                let source = "Santoro et al. 2016, Table 1";
                ctx.published(&format!("{name}/presentation-{k}/accuracy"), Published::new(accuracy, source));
            }
        }
        Ok(())
    }
}

fn episode(shots: usize) -> FewShot {
    FewShot { ways: WAYS, shots, queries: 1, rotate: true }
}

/// Trained on episodes of `shots`; the parameters of the best of ten validations.
fn train(
    ctx: &Context,
    (name, learner, rate): (&str, &dyn MetaLearner, f64),
    (data, in_parts): (&Characters, bool),
    (shots, iterations, meta_batch): (usize, u64, usize),
    seed: u64,
) -> Result<(Params, Curves)> {
    let (start, tasks): (_, Arc<dyn TaskSampler>) = if in_parts {
        let length = ctx.mode().of([10, 1_000, 10_000]);
        (features(ctx, data, CHANNELS, ("features", length, seed))?, growing(data, &episode(shots), iterations)?)
    } else {
        let episodes = FewShotSampler::new(data.train.clone(), episode(shots))?;
        (Params::new([])?, Arc::new(episodes.then(Shuffle)))
    };
    let validation = FewShotSampler::new(data.validation.clone(), episode(shots))?.then(Shuffle);
    let (checks, n_tasks) = ctx.mode().of([(2u64, 50), (10, 300), (10, 300)]);
    let (trained, curves) = Training {
        name: format!("{name}-{shots}s-{iterations}-seed{seed}"),
        learner,
        optimiser: &clipped(rate, iterations),
        config: TrainConfig {
            iterations,
            meta_batch,
            seed,
            validate_every: (iterations / checks).max(1),
            validation: EvalConfig { n_tasks, seed: VALIDATION_SEED, ..EvalConfig::default() },
            checkpoint_every: 200,
            ..TrainConfig::default()
        },
        tasks,
        validation: Some(&validation),
    }
    .run_from(ctx, &start)?;
    Ok((trained.params, curves))
}

fn run_one_shot(ctx: &mut Context, of: &Candidate, seed: u64) -> Result<()> {
    let data = Characters::omniglot(ctx, seed)?;
    let iterations = ctx.mode().of([30, if of.in_parts { 12_000 } else { 6_000 }, 60_000]);
    let learner = (of.name, &*of.learner, of.rate);
    let (params, curves) = train(ctx, learner, (&data, of.in_parts), (1, iterations, 32), seed)?;
    let test = FewShotSampler::new(data.test.clone(), episode(1))?.then(Shuffle);
    for (name, setting) in [("accuracy", Setting::Transductive), ("accuracy-inductive", Setting::Inductive)] {
        let runner = Runner::with_threads(ctx.threads());
        let n_tasks = ctx.mode().of([100, TASKS, TASKS]);
        let config = EvalConfig { n_tasks, seed: TEST_SEED, setting, runner };
        let result = evaluate(&*of.learner, &params, &test, &config)?;
        ctx.seed_metric(seed, &format!("{}/5w1s/{name}", of.name), per_cent(&result), "%")?;
    }
    if seed == 0 {
        let points = curves.validations.iter().map(|&(i, mean, ci)| (i, 100.0 * mean, 100.0 * ci));
        ctx.plot(
            Plot::new("Accuracy on validation characters", "meta-iteration", "%")
                .series(Series::with_ci("validation", points)),
        )?;
    }
    Ok(())
}

fn presentations<B: Prequential>(ctx: &mut Context, name: &str, learner: &BlackBoxLearner<B>) -> Result<()> {
    const AT_ONCE: usize = 50;
    for seed in ctx.seeds() {
        let data = Characters::omniglot(ctx, seed)?;
        let iterations = ctx.mode().of([5, 2_000, 100_000]);
        let (params, _) = train(ctx, (name, learner, 2e-3), (&data, true), (SIGHTS, iterations, 16), seed)?;
        let test = FewShotSampler::new(data.test.clone(), episode(SIGHTS))?.then(Shuffle);
        let mut accuracies = vec![Vec::new(); SIGHTS];
        let n_tasks = ctx.mode().of([100, TASKS, TASKS]);
        for batch in 0..n_tasks / AT_ONCE {
            let tasks = test.sample(&mut batch_rng(TEST_SEED, batch as u64), AT_ONCE)?.to_device(ctx.device())?;
            for (all, new) in accuracies.iter_mut().zip(at_sights(learner, &params, &tasks.support, SIGHTS)?) {
                all.extend(new);
            }
        }
        let results = accuracies.into_iter().map(Evaluation::new).collect::<rekindle_meta::Result<Vec<_>>>()?;
        for (k, ..) in PUBLISHED {
            ctx.seed_metric(seed, &format!("{name}/presentation-{k}/accuracy"), per_cent(&results[k - 1]), "%")?;
        }
        if seed == 0 {
            let points = results.iter().enumerate().map(|(k, r)| ((k + 1) as f64, 100.0 * r.mean, 100.0 * r.ci95));
            ctx.plot(Plot::new(name, "sight of a class", "accuracy, %").series(Series::with_ci("test", points)))?;
        }
    }
    Ok(())
}
