//! A prototypical network on generated characters, and a look at its embedding.

use std::sync::Arc;

use anyhow::Result;
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_meta::metric::{MetricLearner, NearestNeighbour, Prototypical};
use rekindle_meta::{MetaLearner, Setting};
use rekindle_nn::{Conv4Body, Conv4Config, Downsampling, Flatten};
use rekindle_tasks::{FewShot, FewShotSampler, TaskSampler, batch_rng};

use super::embedding;
use super::few_shot::{Characters, Protocol, adam, episode, test, train};
use super::training::{TEST_SEED, per_cent};
use crate::{Context, Experiment, Plot};

pub(super) struct MetricGlyphs;

type Learner = MetricLearner<Conv4Body, Prototypical>;

impl Experiment for MetricGlyphs {
    fn id(&self) -> &'static str {
        "metric/glyphs"
    }

    fn title(&self) -> &'static str {
        "A prototypical network on generated characters"
    }

    fn about(&self) -> &'static str {
        "5-way 1-shot recognition of generated characters never seen, by the nearest prototype in an embedding that is \
         learned (Snell, Swersky & Zemel 2017): four blocks of 64 channels with max pooling, trained on 20-way episodes.\n\n\
         - *pixels*: the nearest neighbour by the cosine of raw pixels.\n\
         - *untrained*: prototypes in the embedding of random weights.\n\
         - *accuracy*: after training.\n\n\
         The plots show the queries of one test episode around their prototypes, along the two principal components of \
         the 64 features. No data set is needed."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let iterations = ctx.mode().of([150, 2_000, 20_000]);
        let n_tasks = ctx.mode().of([200, 600, 1_000]);
        for seed in ctx.seeds() {
            let data = Characters::glyphs(seed)?;
            let config = Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() };
            let learner = MetricLearner::new(Conv4Body::new(config)?, Prototypical::default())?;
            let protocol = Protocol {
                train: FewShot { ways: 20, shots: 1, queries: 2, rotate: true },
                test: FewShot { ways: 5, shots: 1, queries: 5, rotate: true },
                optimiser: Arc::new(adam(RATE, iterations)),
                validation_tasks: 50,
                ..Protocol::new("proto", 5, 1, iterations, 1)
            };
            let untrained = learner.init(&mut ChaCha8Rng::seed_from_u64(seed), DType::F32, ctx.device())?;
            let (trained, curves) = train(ctx, &learner, &data, &protocol, seed)?;
            let mut record = |name: &str, learner: &dyn MetaLearner, params: &Params| -> Result<()> {
                let [result, _] = test(ctx, learner, params, &data, (&protocol.test, n_tasks))?;
                ctx.seed_metric(seed, name, per_cent(&result), "%")
            };
            let pixels = MetricLearner::new(Flatten, NearestNeighbour::default())?;
            record("pixels/accuracy", &pixels, &Params::new([])?)?;
            record("untrained/accuracy", &learner, &untrained)?;
            record("accuracy", &learner, &trained.params)?;
            if seed == 0 {
                ctx.plot(plane(ctx, "Before training", &learner, &untrained, &data)?)?;
                ctx.plot(plane(ctx, "After training", &learner, &trained.params, &data)?)?;
                let loss = Plot::new("Loss of 20-way episodes", "meta-iteration", "cross-entropy");
                ctx.plot(loss.log_y().series(curves.loss_series("training")))?;
                ctx.images(episode(ctx, &learner, &trained.params, &data, &protocol.test)?);
            }
        }
        Ok(())
    }
}

/// Adam's first rate.
const RATE: f64 = 2e-3;

/// The first test task with fifteen queries a class, embedded.
fn plane(ctx: &Context, title: &str, learner: &Learner, params: &Params, data: &Characters) -> Result<Plot> {
    let shape = FewShot { ways: 5, shots: 1, queries: 15, rotate: true };
    let tasks = FewShotSampler::new(data.test.clone(), shape)?.sample(&mut batch_rng(TEST_SEED, 0), 1)?;
    let tasks = tasks.to_device(ctx.device())?;
    let embedded = learner.episode(params, &tasks.support, &tasks.query.x, Setting::Transductive)?;
    embedding::plane(title, &embedded, &tasks.query.y.to_vec2::<u32>()?.concat())
}
