//! Several objectives on one trunk, and one net that is told its task.

use std::f64::consts::PI;

use anyhow::Result;
use candle_core::{DType, Device, Tensor as Value};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NormStats, Order, Params, Tensor};
use rekindle_meta::Loss;
use rekindle_nn::{Init, Mlp, MlpConfig};
use rekindle_optim::{Adam, Chain, GroupRates, Schedule, Select, Transform, apply_updates};
use rekindle_tasks::{Glyphs, InMemory};
use rekindle_transfer::{Conditioned, GradNorm, GradNormConfig, Heads, UncertaintyWeights, examples, gradient_norms};

use super::descent::descend_once;
use crate::{Context, Experiment};

pub(super) struct Multitask;

impl Experiment for Multitask {
    fn id(&self) -> &'static str {
        "transfer/multitask"
    }

    fn title(&self) -> &'static str {
        "Several objectives, and several tasks, in one net"
    }

    fn about(&self) -> &'static str {
        "*Objectives.* One trunk, 196-64-64, with two heads on generated characters of 14×14: which of 20 it is, and where the \
         middle of its ink lies, in tenths of a pixel, a unit that makes the second loss much the larger one. \
         The losses are added up as they are (*equal*), weighted by learned uncertainty (Kendall, Gal & Cipolla 2018), or \
         balanced by GradNorm (Chen et al. 2018, α = 1.5); *single* are two nets with one head each. 20 drawings of each \
         character to learn from, 20 for the test; Adam with `0.003`, minibatches of 32, 1500 updates. `accuracy` is of the \
         class, `explained` the share of the place's variance.\n\n\
         *Tasks.* One net, ω-40-40-1, learns 20 sine waves y = A sin(x − φ) at once, and is told A and φ beside x, s' = (s, ω), \
         or is not. `told/new` is its error on 100 waves that it never saw: what a description of the task transfers."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let n_seeds = ctx.seeds().end.max(3);
        let updates = ctx.mode().of([500, 1500, 5000]);
        ctx.section("Objectives", |ctx| {
            for seed in 0..n_seeds {
                for scheme in Scheme::ALL {
                    let [accuracy, explained] = objectives(scheme, updates, seed)?;
                    ctx.seed_metric(seed, &format!("{}/accuracy", scheme.name()), accuracy, "%")?;
                    ctx.seed_metric(seed, &format!("{}/explained", scheme.name()), explained, "%")?;
                }
            }
            Ok(())
        })?;
        ctx.section("Tasks", |ctx| {
            for seed in 0..n_seeds {
                for told in [true, false] {
                    let name = if told { "told" } else { "untold" };
                    let [seen, new] = waves(told, 2 * updates, seed)?;
                    ctx.seed_metric(seed, &format!("{name}/seen"), seen, "mse")?;
                    ctx.seed_metric(seed, &format!("{name}/new"), new, "mse")?;
                }
            }
            Ok(())
        })
    }
}

/// How the losses are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Single,
    Equal,
    Uncertainty,
    GradNorm,
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Single, Self::Equal, Self::Uncertainty, Self::GradNorm];

    fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Equal => "equal",
            Self::Uncertainty => "uncertainty",
            Self::GradNorm => "gradnorm",
        }
    }
}

const SIDE: usize = 14;
const CLASSES: usize = 20;
const DRAWINGS: usize = 20;
const BATCH: usize = 32;
/// Pixels to tenths of them.
const UNIT: f32 = 10.0;
/// How much faster the uncertainties learn than the weights: Adam moves both by the rate, but a loss of hundreds asks for
/// an s of five.
const FASTER: f64 = 20.0;

/// Images `[1, B, H, W, 1]`, classes `[1, B]` and the middle of the ink `[1, B, 2]`.
struct Drawings {
    x: Value,
    class: Value,
    place: Value,
}

impl Drawings {
    fn new(first: usize) -> Result<Self> {
        let glyphs = Glyphs { n_classes: CLASSES, n_examples: 2 * DRAWINGS, size: SIDE, seed: 1 };
        let batch = examples(&InMemory::copy_of(&glyphs)?, first..first + DRAWINGS)?;
        let n = batch.n_examples()?;
        let pixels = batch.x.flatten_all()?.to_vec1::<f32>()?;
        let places: Vec<f32> = pixels.chunks(SIDE * SIDE).flat_map(middle).collect();
        Ok(Self { x: batch.x, class: batch.y, place: Value::from_vec(places, (1, n, 2), &Device::Cpu)? })
    }

    fn take(&self, ids: &[u32]) -> Result<Self> {
        let ids = Value::from_slice(ids, ids.len(), &Device::Cpu)?;
        let of = |value: &Value| value.index_select(&ids, 1);
        Ok(Self { x: of(&self.x)?, class: of(&self.class)?, place: of(&self.place)? })
    }

    /// Cross-entropy and squared error, `[1]` each.
    fn losses(&self, net: &Heads<Mlp>, params: &Params) -> Result<[Tensor; 2]> {
        let outputs = net.all(params, &Tensor::new(self.x.clone()), NormStats::Batch)?;
        Ok([outputs[0].cross_entropy(&self.class)?, outputs[1].mse(&Tensor::new(self.place.clone()))?])
    }
}

/// The middle of an image's ink, from the middle of the image, in the unit of the experiment.
fn middle(image: &[f32]) -> [f32; 2] {
    let ink: f32 = image.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    let mean = |at: &dyn Fn(usize) -> usize| image.iter().enumerate().map(|(i, v)| v * at(i) as f32).sum::<f32>() / ink;
    let half = (SIDE as f32 - 1.0) / 2.0;
    [mean(&|i| i / SIDE), mean(&|i| i % SIDE)].map(|place| (place - half) * UNIT)
}

/// Accuracy and explained variance in per cent after training.
fn objectives(scheme: Scheme, updates: u64, seed: u64) -> Result<[f64; 2]> {
    let (train, test) = (Drawings::new(0)?, Drawings::new(DRAWINGS)?);
    let config = MlpConfig { sizes: vec![SIDE * SIDE, 64, 64], weight: Init::HeNormal, ..MlpConfig::default() };
    let net = Heads::new(Mlp::new(&config)?, 64, &[("class", CLASSES), ("place", 2)])?;
    let judge = |class: &Params, place: &Params| -> Result<[f64; 2]> {
        let x = Tensor::new(test.x.clone());
        let logits = net.all(class, &x, NormStats::Batch)?.swap_remove(0);
        let accuracy = Loss::CrossEntropy.scores(&logits, &test.class)?[0];
        let error = test.losses(&net, place)?[1].to_f64()?;
        let target = Tensor::new(test.place.clone());
        let spread = target.var_keepdim(&[0, 1], 0)?.mean_all()?.to_f64()?;
        Ok([100.0 * accuracy, 100.0 * (1.0 - error / spread)])
    };
    if scheme == Scheme::Single {
        let alone = |which: usize| fit(&net, &train, updates, seed, &mut |_, losses| Ok(losses[which].clone()));
        return judge(&alone(0)?, &alone(1)?);
    }
    let weights = UncertaintyWeights::new(vec![Loss::CrossEntropy, Loss::MeanSquaredError])?;
    let mut balance = GradNorm::new(2, GradNormConfig::default())?;
    let trained = fit(&net, &train, updates, seed, &mut |params, losses| {
        Ok(match scheme {
            Scheme::Single | Scheme::Equal => losses[0].add(&losses[1])?,
            Scheme::Uncertainty => weights.total(params, losses)?,
            Scheme::GradNorm => {
                let norms = gradient_norms(losses, &[params.get("trunk.fc2.weight")?])?;
                let values = [losses[0].to_f64()?, losses[1].to_f64()?];
                balance = balance.step(&values, &norms)?;
                balance.total(losses)?
            }
        })
    })?;
    judge(&trained, &trained)
}

/// From the tracked parameters (with those of the weights) and the losses to the loss of a step.
type Total<'a> = &'a mut dyn FnMut(&Params, &[Tensor; 2]) -> Result<Tensor>;

/// Trains the net on both objectives, put together by `total`.
fn fit(net: &Heads<Mlp>, data: &Drawings, updates: u64, seed: u64, total: Total<'_>) -> Result<Params> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let weights = UncertaintyWeights::new(vec![Loss::CrossEntropy, Loss::MeanSquaredError])?;
    let own = net.init(&mut rng, DType::F32, &Device::Cpu)?;
    let mut params = own.merge(&weights.init(DType::F32, &Device::Cpu)?)?;
    let faster = GroupRates::new().with(Select::names(["log_variance"]), FASTER);
    let optimiser = Chain::new().then(Adam::new(Schedule::cosine(3e-3, updates))).then(faster);
    let mut state = optimiser.init(&params)?;
    let mut ids: Vec<u32> = (0..(CLASSES * DRAWINGS) as u32).collect();
    for _ in 0..updates {
        ids.shuffle(&mut rng);
        let leaf = params.leaf();
        let losses = data.take(&ids[..BATCH])?.losses(net, &leaf)?;
        let loss = total(&leaf, &losses)?.sum_all()?;
        let leaves: Vec<&Tensor> = leaf.leaves().iter().collect();
        let grads = rekindle_autodiff::partial_vjp(&[(&loss, &loss.ones_like()?)], &leaves, Order::First)?;
        // What a scheme does not use has no gradient: the other head, or the uncertainties.
        let filled = grads.into_iter().zip(&leaves).map(|(g, leaf)| g.map_or_else(|| leaf.zeros_like(), Ok));
        let grads = params.with_leaves(filled.collect::<rekindle_autodiff::Result<_>>()?)?;
        let (step, next) = optimiser.update(&grads, &state, &params)?;
        (params, state) = (apply_updates(&params, &step)?, next);
    }
    Ok(params)
}

/// Sine waves `[M, B, 1]` with their amplitudes and phases `[M, 2]`.
fn sines(n: usize, rng: &mut ChaCha8Rng) -> Result<[Tensor; 3]> {
    const POINTS: usize = 20;
    let (mut x, mut y, mut context) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let (amplitude, phase) = (rng.random_range(0.1..5.0), rng.random_range(0.0..PI));
        context.extend([amplitude as f32, phase as f32]);
        for _ in 0..POINTS {
            let at: f64 = rng.random_range(-5.0..5.0);
            x.push(at as f32);
            y.push((amplitude * (at - phase).sin()) as f32);
        }
    }
    let shape = (n, POINTS, 1);
    Ok([Tensor::from_vec(x, shape)?, Tensor::from_vec(y, shape)?, Tensor::from_vec(context, (n, 2))?])
}

/// The mean squared error on the waves that were learned, and on new ones.
fn waves(told: bool, updates: u64, seed: u64) -> Result<[f64; 2]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sizes = vec![3, 40, 40, 1];
    let net = Conditioned::new(Mlp::new(&MlpConfig { sizes, weight: Init::HeNormal, ..MlpConfig::default() })?);
    // A net that is not told the task is told zeros, and so has as many weights.
    let tell = |context: &Tensor| if told { Ok(context.clone()) } else { context.zeros_like() };
    let [x, y, context] = sines(20, &mut rng)?;
    let error = |params: &Params, x: &Tensor, y: &Tensor, context: &Tensor| -> Result<Tensor> {
        Ok(net.forward(params, x, &tell(context)?)?.mse(y)?.mean_all()?)
    };
    let mut params = net.init(&mut rng, DType::F32, &Device::Cpu)?;
    let optimiser = Adam::new(Schedule::cosine(5e-3, updates));
    let mut state = optimiser.init(&params)?;
    for _ in 0..updates {
        (params, state, _) = descend_once(&optimiser, &params, &state, |leaf| error(leaf, &x, &y, &context))?;
    }
    let seen = error(&params, &x, &y, &context)?.to_f64()?;
    let [x, y, context] = sines(100, &mut rng)?;
    Ok([seen, error(&params, &x, &y, &context)?.to_f64()?])
}
