//! The speed of a prototypical network's episodes: one first-order gradient through a convolutional net.

use anyhow::Result;
use candle_core::{DType, Device, Tensor as Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Params};
use rekindle_meta::MetaLearner;
use rekindle_meta::metric::{MetricLearner, Prototypical};
use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
use rekindle_optim::{Adam, Transform, apply_updates};
use rekindle_tasks::{Batch, TaskBatch};

use crate::{Context, Experiment, Measure, Table, Work};

pub(super) struct SpeedProtoConv4;

/// Queries a class.
const QUERIES: usize = 5;

impl Experiment for SpeedProtoConv4 {
    fn id(&self) -> &'static str {
        "speed/proto-conv4"
    }

    fn title(&self) -> &'static str {
        "Speed of prototypical networks with Conv4"
    }

    fn about(&self) -> &'static str {
        "Episodes of a prototypical network on images of 28×28 random black and white pixels, 1 shot, 5 queries a class, \
         on one thread: four blocks of 64 channels with max pooling embed all images together; the logits are minus the \
         squared distances to the classes' embeddings; the gradient of the cross-entropy goes into Adam, rate `0.001`.\n\n\
         Source of the workload: Snell, Swersky & Zemel 2017, which trains with 60 ways."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Images a second", ["ways", "images an episode", "wall", "processor"]);
        for ways in [5, 60] {
            let Work { units: images, call } = training(ctx, ways)?;
            let timing = Measure { seconds: ctx.mode().pick(0.7, 2.0), ..Measure::default() }.run(call)?;
            let rate = images * timing.per_second();
            ctx.metric(&format!("{ways}w/images-per-second"), rate, "1/s")?;
            let processor = timing.per_cpu_second().map(|calls| images * calls);
            if let Some(rate) = processor {
                ctx.metric(&format!("{ways}w/images-per-cpu-second"), rate, "1/s")?;
            }
            let cell = processor.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
            table.row([ways.to_string(), images.to_string(), format!("{rate:.0}"), cell]);
        }
        ctx.table(table)
    }
}

/// Episodes, in units of images.
pub(super) fn training(ctx: &Context, ways: usize) -> Result<Work> {
    let mut episodes = Episodes::new(ways, ctx.device())?;
    Ok(Work::new(ways * (1 + QUERIES), move || episodes.step()))
}

/// Training, one episode at a time.
struct Episodes {
    learner: MetricLearner<Conv4Body, Prototypical>,
    tasks: TaskBatch,
    optimiser: Adam,
    params: Params,
    state: rekindle_optim::State,
}

impl Episodes {
    fn new(ways: usize, device: &Device) -> Result<Self> {
        let net = Conv4Body::new(Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() })?;
        let learner = MetricLearner::new(net, Prototypical::default())?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let params = learner.init(&mut rng, DType::F32, device)?;
        let mut batch = |per_class: usize| -> Result<Batch> {
            let n = ways * per_class;
            let pixels: Vec<f32> = (0..n * 28 * 28).map(|_| f32::from(u8::from(rng.random_bool(0.1)))).collect();
            let classes: Vec<u32> = (0..n).map(|row| (row / per_class) as u32).collect();
            let x = Value::from_vec(pixels, (1, n, 28, 28, 1), &Device::Cpu)?;
            Ok(Batch { x, y: Value::from_vec(classes, (1, n), &Device::Cpu)? })
        };
        let tasks = TaskBatch { support: batch(1)?, query: batch(QUERIES)? }.to_device(device)?;
        let optimiser = Adam::new(1e-3);
        let state = optimiser.init(&params)?;
        Ok(Self { learner, tasks, optimiser, params, state })
    }

    fn step(&mut self) -> Result<()> {
        let grads = self.learner.meta_grad_sum(&self.params, &self.tasks, 0)?.grads;
        let _scope = NoRecord::new();
        let (updates, state) = self.optimiser.update(&grads, &self.state, &self.params)?;
        self.params = apply_updates(&self.params, &updates)?;
        self.state = state;
        Ok(self.tasks.query.x.device().synchronize()?)
    }
}
