//! Progressive networks on one game in many looks, against the four baselines.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use candle_core::{DType, Device};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_envs::{Env, VecEnv};
use rekindle_nn::{Activation, Model};
use rekindle_rl::{ActionHead, Collector, Deviation, FeedForward, Policy, Ppo, PpoConfig};
use rekindle_transfer::{
    Column, ColumnLayer, Progressive, ProgressiveConfig, Regime, Start, fisher_sensitivity, transfer_score,
};

use super::catch_soup::{COLUMNS, EPISODE, Look, LookingCatch, ROWS};
use crate::{Context, Experiment, Matrix, Plot, Published, Series};

pub(super) struct ProgressiveNets;

/// Feature maps of the first hidden layer of a column, and units of the second; the critic's hidden layers have as many.
const MAPS: usize = 12;
const UNITS: usize = 32;
/// An observation, as a picture.
const PICTURE: [usize; 3] = [ROWS, COLUMNS, 1];
/// Environments at once, and steps of a rollout: whole episodes.
const COPIES: usize = 16;
const STEPS: usize = 4 * EPISODE;
const ACTIONS: usize = 3;

type Curve = Vec<(f64, f64)>;

impl Experiment for ProgressiveNets {
    fn id(&self) -> &'static str {
        "transfer/progressive"
    }

    fn title(&self) -> &'static str {
        "Progressive networks on one game in many looks"
    }

    fn about(&self) -> &'static str {
        "Catch on a board of 8×8 as Rusu et al. 2016 vary Pong: on grey (*plain*), on *black*, on *white*, with frozen Gaussian \
         noise (*noisy*), mirrored (*h-flip*), upside down (*v-flip*). A net learns one look, and then another one: as a second \
         column of a progressive network, or by one of the paper's baselines: 1, a column from scratch; 2, the source's column \
         with its output layer alone trained; 3, the source's column trained throughout; 4, two columns, of which the first is \
         random and stays.\n\n\
         The transfer score is the area under the learning curve over that of baseline 1, in per cent; returns from −1 to 1 are \
         counted from −1. A column is a 3×3 convolution with stride 2 to 12 maps, 32 units, and the output; ReLU, α at first 0.1. PPO \
         (the paper: A3C), 16 environments, 100 rollouts of 28 steps (200 on the source), 4 passes in 4 batches with a rate of \
         `0.003`; a critic of its own from scratch in all regimes. No choice \
         among hyper-parameters is made for a curve (the paper: the best 3 of 25 draws), but this set-up was chosen from four that \
         were tried: `docs/benchmarks.md`.\n\n\
         - Sources *plain*, *noisy*, *h-flip* as in the paper; targets all other looks.\n\
         - `afs/layer<i>`: the share of the source's column in the average Fisher sensitivity of the progressive network."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let sources = ctx.mode().of([&[Look::Plain][..], &SOURCES, &SOURCES]);
        let iterations = ctx.mode().of([60, 100, 200]);
        let n_seeds = ctx.seeds().end.max(3);
        let total = n_seeds * (sources.len() * (1 + Look::ALL.len() * 5 - 5)) as u64;
        let progress = ctx.progress("trainings", total);
        let mut all = Outcome::default();
        for seed in 0..n_seeds {
            for &source in sources {
                let net = Progressive::new(columns(vec![ACTIONS])?)?;
                let start = scratch(&net, seed)?;
                let (trained, _) = train(source, &start, 2 * iterations, seed)?;
                progress.inc(1);
                for target in Look::ALL.into_iter().filter(|&look| look != source) {
                    all.transfer(&net, &trained, source, target, iterations, seed)?;
                    progress.inc(5);
                }
            }
        }
        all.report(ctx, n_seeds)
    }
}

const SOURCES: [Look; 3] = [Look::Plain, Look::Noisy, Look::HFlip];

fn columns(outputs: Vec<usize>) -> Result<ProgressiveConfig> {
    let conv = ColumnLayer::Conv { kernel: 3, stride: 2, padding: 1, channels: MAPS };
    let layers = vec![conv, ColumnLayer::Dense { units: UNITS }];
    Ok(ProgressiveConfig { input: PICTURE.to_vec(), layers, outputs, ..ProgressiveConfig::default() })
}

fn scratch(net: &Progressive, seed: u64) -> Result<Start> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let params = net.column(1)?.init(&mut rng, DType::F32, &Device::Cpu)?;
    Ok(Start { net: net.clone(), column: 1, params, frozen: None })
}

/// Key: regime's name, then target and source.
#[derive(Default)]
struct Outcome {
    /// Transfer scores in per cent, one a seed.
    scores: BTreeMap<(&'static str, &'static str, &'static str), Vec<f64>>,
    /// Learning curves of the first seed and source, a plot for each target.
    curves: BTreeMap<&'static str, Vec<(&'static str, Curve)>>,
    /// Shares of the source's column in each layer.
    sensitivities: Vec<Vec<f64>>,
}

fn name(regime: Regime) -> &'static str {
    match regime {
        Regime::Scratch => "baseline1",
        Regime::Head => "baseline2",
        Regime::FineTuned => "baseline3",
        Regime::RandomColumn => "baseline4",
        Regime::Progressive => "progressive",
    }
}

impl Outcome {
    /// All regimes on one target.
    fn transfer(
        &mut self,
        net: &Progressive,
        trained: &Params,
        source: Look,
        target: Look,
        iterations: u64,
        seed: u64,
    ) -> Result<()> {
        let mut baseline = Curve::new();
        for regime in Regime::ALL {
            let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
            let start = regime.start(net, trained, ACTIONS, &mut rng)?;
            let (params, curve) = train(target, &start, iterations, 1000 + seed)?;
            if regime == Regime::Scratch {
                baseline.clone_from(&curve);
            }
            let score = 100.0 * transfer_score(&curve, &baseline)?;
            self.scores.entry((name(regime), target.name(), source.name())).or_default().push(score);
            if regime == Regime::Progressive {
                let x = observations(target, seed)?;
                let shares = fisher_sensitivity(&start.net, &params, start.column, &x)?.shares;
                self.sensitivities.push(shares.into_iter().map(|layer| 100.0 * layer[0]).collect());
            }
            if seed == 0 && source == Look::Plain {
                self.curves.entry(target.name()).or_default().push((name(regime), curve));
            }
        }
        Ok(())
    }

    fn report(self, ctx: &mut Context, n_seeds: u64) -> Result<()> {
        // Mean and median over sources and targets, one value a seed.
        for regime in Regime::ALL {
            let of_regime: Vec<&Vec<f64>> =
                self.scores.iter().filter(|(key, _)| key.0 == name(regime)).map(|(_, scores)| scores).collect();
            for seed in 0..n_seeds {
                let mut scores: Vec<f64> = of_regime.iter().map(|scores| scores[seed as usize]).collect();
                scores.sort_by(f64::total_cmp);
                let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                ctx.seed_metric(seed, &format!("{}/score-mean", name(regime)), mean, "%")?;
                ctx.seed_metric(seed, &format!("{}/score-median", name(regime)), scores[scores.len() / 2], "%")?;
            }
        }
        for (regime, mean, median) in PUBLISHED {
            let source = "Rusu et al. 2016, Table 1: Pong soup, another game";
            ctx.published(&format!("{regime}/score-mean"), Published::new(mean, source));
            ctx.published(&format!("{regime}/score-median"), Published::new(median, source));
        }
        for layer in 0..2 {
            let shares: Vec<f64> = self.sensitivities.iter().map(|shares| shares[layer]).collect();
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            ctx.metric(&format!("afs/layer{}", layer + 1), mean, "%")?;
        }
        let mut matrix =
            Matrix::new("Transfer scores, %", "from, to", Regime::ALL[1..].iter().map(|regime| name(*regime)));
        for (_, target, source) in self.scores.keys().filter(|key| key.0 == "baseline1") {
            let cell = |regime: &Regime| {
                let scores = &self.scores[&(name(*regime), *target, *source)];
                scores.iter().sum::<f64>() / scores.len() as f64
            };
            matrix.row(format!("{source}, {target}"), Regime::ALL[1..].iter().map(cell).collect());
        }
        ctx.matrix(matrix.caption("Mean over seeds."))?;
        for (target, curves) in self.curves {
            let mut plot = Plot::new(format!("plain to {target}"), "environment steps", "mean return + 1");
            for (regime, curve) in curves {
                plot = plot.series(Series::binned(regime, &curve, 30));
            }
            ctx.plot(plot)?;
        }
        Ok(())
    }
}

/// Mean and median transfer scores in per cent.
const PUBLISHED: [(&str, f64, f64); 4] =
    [("baseline2", 35.0, 7.0), ("baseline3", 181.0, 160.0), ("baseline4", 134.0, 131.0), ("progressive", 209.0, 169.0)];

/// A column over parameters that are held fixed: to a policy its parameters are those that are trained.
#[derive(Debug)]
struct Held {
    column: Column,
    free: Params,
    fixed: Params,
}

impl Model for Held {
    fn init(&self, _rng: &mut dyn RngCore, _dtype: DType, _device: &Device) -> rekindle_nn::Result<Params> {
        Ok(self.free.clone())
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> rekindle_nn::Result<Tensor> {
        self.column.forward(&self.fixed.merge(params)?, x, stats)
    }
}

/// Trains with PPO from a start; the parameters of all columns, and the mean return, from 0, of every rollout.
fn train(look: Look, start: &Start, iterations: u64, seed: u64) -> Result<(Params, Curve)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let stays = |name: &str| start.frozen.as_ref().is_some_and(|select| select.matches(name));
    let (fixed, free) = start.params.partition(stays);
    let envs = VecEnv::new(vec![LookingCatch::new(look)?; COPIES])?;
    let inputs = ROWS * COLUMNS;
    let actor = Held { column: start.net.column(start.column)?, free, fixed: fixed.clone() };
    let head = ActionHead::new(envs.action_space(), Deviation::default())?;
    let critic = FeedForward::value_mlp(&[inputs, UNITS, UNITS, 1], Activation::Relu)?;
    let policy = Policy::new(FeedForward::new(actor, &PICTURE, ACTIONS)?, head)?.with_critic(critic)?;
    let mut params = policy.init(&mut rng, DType::F32, &Device::Cpu)?;
    let config = PpoConfig {
        gamma: 0.95,
        epochs: 4,
        minibatches: 4,
        lr: 3e-3.into(),
        entropy_coefficient: 0.01,
        ..PpoConfig::default()
    };
    let ppo = Ppo::new(config)?;
    let mut state = ppo.init(&params)?;
    let mut collector = Collector::new(envs, seed)?;
    let mut curve = Curve::new();
    for iteration in 1..=iterations {
        let rollout = collector.collect(&policy, &params, STEPS)?;
        let mean = rollout.mean_return().context("every rollout holds whole episodes")?;
        curve.push(((iteration * (COPIES * STEPS) as u64) as f64, mean + 1.0));
        let update = ppo.update(&policy, &params, &state, &rollout, &mut rng)?;
        (params, state) = (update.params, update.state);
    }
    Ok((fixed.merge(&params.sub_params("actor")?)?, curve))
}

/// Pictures `[1, B, H, W, 1]` of random play.
fn observations(look: Look, seed: u64) -> Result<Tensor> {
    const PICTURES: usize = 200;
    let (mut env, mut rng) = (LookingCatch::new(look)?, ChaCha8Rng::seed_from_u64(seed));
    let mut obs = vec![0f32; ROWS * COLUMNS];
    let mut all = Vec::new();
    env.reset(&mut rng, &mut obs)?;
    for _ in 0..PICTURES {
        all.extend_from_slice(&obs);
        let action = rng.next_u32() as usize % ACTIONS;
        if env.step(rekindle_envs::Action::Discrete(action), &mut rng, &mut obs)?.terminated {
            env.reset(&mut rng, &mut obs)?;
        }
    }
    Ok(Tensor::from_vec(all, (1, PICTURES, ROWS, COLUMNS, 1))?)
}
