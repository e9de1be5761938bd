//! A prototypical network on CIFAR-FS, beside the nearest neighbour in pixels.

use std::sync::Arc;

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_meta::MetaLearner;
use rekindle_meta::metric::{MetricLearner, NearestNeighbour, Prototypical};
use rekindle_nn::{Conv4Body, Conv4Config, Downsampling, Flatten};
use rekindle_tasks::{Augment, ClassDataset, FewShot, sets};

use super::few_shot::{Characters, Protocol, adam, test, train};
use super::training::per_cent;
use crate::{Context, Experiment, Plot, Published};

pub(super) struct CifarFsProto;

/// Shots, and the published accuracy in per cent.
const COLUMNS: [(usize, f64); 2] = [(1, 55.5), (5, 72.0)];

impl Experiment for CifarFsProto {
    fn id(&self) -> &'static str {
        "cifar-fs/proto"
    }

    fn title(&self) -> &'static str {
        "A prototypical network on CIFAR-FS"
    }

    fn about(&self) -> &'static str {
        "5-way recognition of CIFAR-100's classes in the split CIFAR-FS (Bertinetto et al. 2019): 64 classes for training, 16 for \
         validation, 20 for the test, 32×32 colour images. Four blocks of 64 channels with max pooling, 256 features; 20-way \
         episodes with 5 queries a class in training, whose images are shifted by up to 4 pixels and flipped; 15 queries in the \
         test.\n\n\
         Differs from the published runs: 60 images of each class, not 600, and far fewer episodes, so the published figures are \
         out of reach. Beside it the nearest neighbour in pixels."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let data = data(ctx)?;
        for (shots, published) in COLUMNS {
            ctx.section(&format!("5-way {shots}-shot"), |ctx| {
                for seed in ctx.seeds() {
                    run(ctx, &data, shots, seed)?;
                }
                let source = "Bertinetto et al. 2019, Table 1, prototypical networks";
                ctx.published(&format!("5w{shots}s/accuracy"), Published::new(published, source));
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn data(ctx: &Context) -> Result<Characters> {
    let cifar = sets::cifar100(ctx.data_set("cifar100")?)?;
    let images: Arc<dyn ClassDataset> = Arc::new(cifar.images.merged()?);
    let [train, validation, test] = cifar.cifar_fs.subsets(&images)?;
    Ok(Characters { train, validation, test })
}

fn run(ctx: &mut Context, data: &Characters, shots: usize, seed: u64) -> Result<()> {
    let iterations = ctx.mode().of([10, 4_000, 20_000]);
    let protocol = Protocol {
        train: FewShot { ways: 20, shots, queries: 5, rotate: false },
        test: FewShot { ways: 5, shots, queries: 15, rotate: false },
        optimiser: Arc::new(adam(2e-3, iterations)),
        validation_tasks: ctx.mode().of([10, 200, 200]),
        augment: Some(Augment::default()),
        ..Protocol::new("proto", 20, shots, iterations, 2)
    };
    let config =
        Conv4Config { downsampling: Downsampling::MaxPool, image: (32, 32), in_channels: 3, ..Conv4Config::omniglot() };
    let learner = MetricLearner::new(Conv4Body::new(config)?, Prototypical::default())?;
    let (trained, curves) = train(ctx, &learner, data, &protocol, seed)?;
    judge(ctx, &learner, &trained.params, data, &protocol.test, &format!("5w{shots}s"), seed)?;

    let pixels = MetricLearner::new(Flatten, NearestNeighbour::default())?;
    judge(ctx, &pixels, &Params::new([])?, data, &protocol.test, &format!("pixels/5w{shots}s"), seed)?;
    if seed == 0 {
        let loss = Plot::new("Loss of 20-way episodes", "meta-iteration", "cross-entropy");
        ctx.plot(loss.series(curves.loss_series("training")))?;
    }
    Ok(())
}

fn judge(
    ctx: &mut Context,
    learner: &dyn MetaLearner,
    params: &Params,
    data: &Characters,
    shape: &FewShot,
    name: &str,
    seed: u64,
) -> Result<()> {
    let n_tasks = ctx.mode().of([40, 600, 1_000]);
    let [transductive, inductive] = test(ctx, learner, params, data, (shape, n_tasks))?;
    for (kind, result) in [("accuracy", transductive), ("accuracy-inductive", inductive)] {
        ctx.seed_metric(seed, &format!("{name}/{kind}"), per_cent(&result), "%")?;
    }
    Ok(())
}
