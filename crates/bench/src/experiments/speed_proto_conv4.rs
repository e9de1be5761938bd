//! The speed of a prototypical network's episodes: one first-order gradient through a convolutional net.

use anyhow::Result;
use candle_core::{DType, Device, Tensor as Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, NormStats, Order, Params, Tensor};
use rekindle_nn::{Conv4Body, Conv4Config, Downsampling, Model};
use rekindle_optim::{Adam, Transform, apply_updates};

use crate::{Context, Experiment, Measure, Table, Timing};

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
            let images = ways * (1 + QUERIES);
            let timing = train(ctx, ways)?;
            let rate = images as f64 * timing.per_second();
            ctx.metric(&format!("{ways}w/images-per-second"), rate, "1/s")?;
            let processor = timing.per_cpu_second().map(|calls| images as f64 * calls);
            if let Some(rate) = processor {
                ctx.metric(&format!("{ways}w/images-per-cpu-second"), rate, "1/s")?;
            }
            let cell = processor.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
            table.row([ways.to_string(), images.to_string(), format!("{rate:.0}"), cell]);
        }
        ctx.table(table)
    }
}

/// Images a processor second.
pub(super) fn rate(ctx: &Context, ways: usize) -> Result<Option<f64>> {
    let images = ways * (1 + QUERIES);
    Ok(train(ctx, ways)?.per_cpu_second().map(|rate| rate * images as f64))
}

fn train(ctx: &Context, ways: usize) -> Result<Timing> {
    let mut episodes = Episodes::new(ways, ctx.device())?;
    Measure { seconds: ctx.mode().pick(0.7, 2.0), ..Measure::default() }.run(|| episodes.step())
}

/// Training, one episode at a time.
struct Episodes {
    net: Conv4Body,
    ways: usize,
    /// Support images, then queries class by class: `[1, N (1 + Q), 28, 28, 1]`.
    images: Tensor,
    targets: Value,
    optimiser: Adam,
    params: Params,
    state: rekindle_optim::State,
}

impl Episodes {
    fn new(ways: usize, device: &Device) -> Result<Self> {
        let net = Conv4Body::new(Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() })?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let params = net.init(&mut rng, DType::F32, device)?;
        let n = ways * (1 + QUERIES);
        let pixels: Vec<f32> = (0..n * 28 * 28).map(|_| f32::from(u8::from(rng.random_bool(0.1)))).collect();
        let images = Tensor::new(Value::from_vec(pixels, (1, n, 28, 28, 1), &Device::Cpu)?.to_device(device)?);
        let classes: Vec<u32> = (0..ways as u32).flat_map(|class| [class; QUERIES]).collect();
        let targets = Value::from_vec(classes, (1, ways * QUERIES), &Device::Cpu)?.to_device(device)?;
        let optimiser = Adam::new(1e-3);
        let state = optimiser.init(&params)?;
        Ok(Self { net, ways, images, targets, optimiser, params, state })
    }

    fn step(&mut self) -> Result<()> {
        let leaves = self.params.leaf();
        let loss = self.loss(&leaves)?;
        let grads = leaves.grad(&loss, Order::First)?;
        let _scope = NoRecord::new();
        let (updates, state) = self.optimiser.update(&grads, &self.state, &self.params)?;
        self.params = apply_updates(&self.params, &updates)?;
        self.state = state;
        Ok(self.images.device().synchronize()?)
    }

    fn loss(&self, params: &Params) -> Result<Tensor> {
        let z = self.net.forward(params, &self.images, NormStats::Batch)?; // [1, N (1 + Q), F]
        let (queries, features) = (self.ways * QUERIES, self.net.features());
        let prototypes = z.narrow(1, 0, self.ways)?.reshape((1, 1, self.ways, features))?;
        let queries = z.narrow(1, self.ways, queries)?.reshape((1, queries, 1, features))?;
        let distances = queries.sub(&prototypes)?.sqr()?.sum(&[3])?; // [1, N Q, N]
        Ok(distances.neg()?.cross_entropy(&self.targets)?.sum_all()?)
    }
}
