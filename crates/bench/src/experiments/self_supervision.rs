//! Loss is its own reward: features that recover, and features that were learned before anything was paid for.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rekindle_autodiff::Params;
use rekindle_envs::{Catch, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_optim::Adam;
use rekindle_rl::{Net, QCollector, QConfig, QLearner};
use rekindle_transfer::policy::{FeatureNet, SelfSupervision, SelfSupervisionConfig};

use crate::{Context, Experiment, Plot, Series};

pub(super) struct TransferSelfSupervision;

const COPIES: usize = 8;
const MOST: usize = 4_000;
const SEEDS: u64 = 5;

impl Experiment for TransferSelfSupervision {
    fn id(&self) -> &'static str {
        "transfer/self-supervision"
    }

    fn title(&self) -> &'static str {
        "Loss is its own reward: features that stay"
    }

    fn about(&self) -> &'static str {
        "A DQN with one hidden layer of 64 learns catch (*original*). Then its last layer alone is made anew, and it learns again \
         (*recovery*). A third one starts from features that self-supervised losses learned from 4,000 steps of random play: which \
         action was taken, what it paid, and whether two observations follow each other (*pretrained*; the random steps are not \
         counted). The figures are the steps of the environment until a hundred games are worth 0.9 in the mean, over those of \
         *original*.\n\n\
         Source: Shelhamer, Mahmoudieh, Argus & Darrell 2017, on Atari games: recovery is far faster than learning was. On a game as \
         small as catch it is not by much, and features from random play alone do not help."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let net = FeatureNet::new(&[50, 64], 3, Activation::Relu)?;
        let mut plot = Plot::new("Catch", "environment steps", "mean return of the last hundred games");
        let seeds = ctx.seeds().end.max(ctx.mode().of([3, SEEDS, SEEDS]));
        let progress = ctx.progress("seeds", seeds);
        for seed in 0..seeds {
            let rng = &mut stream_rng(seed, 0);
            let original = learn(&net, &net.init(rng, DType::F32, &Device::Cpu)?, seed)?;
            let recovery = learn(&net, &net.reset_head(&original.params, rng)?, 100 + seed)?;
            let features = pretrain(&net, seed)?;
            let pretrained = learn(&net, &net.reset_head(&features, rng)?, seed)?;
            let all = [("original", original), ("recovery", recovery), ("pretrained", pretrained)];
            let first = all[0].1.steps as f64;
            for (name, learned) in &all {
                ctx.seed_metric(seed, &format!("{name}/steps"), learned.steps as f64, "steps")?;
                if *name != "original" {
                    ctx.seed_metric(seed, &format!("{name}-of-original"), learned.steps as f64 / first, "ratio")?;
                }
                if seed == 0 {
                    plot = plot.series(Series::binned(*name, &learned.curve, 60));
                }
            }
            progress.inc(1);
        }
        ctx.plot(plot)
    }
}

struct Learned {
    params: Params,
    steps: usize,
    curve: Vec<(f64, f64)>,
}

fn learn(net: &FeatureNet, params: &Params, seed: u64) -> Result<Learned> {
    let config = QConfig { gamma: 0.95, copy_every: 50, optimiser: Arc::new(Adam::new(2e-3)), ..QConfig::default() };
    let learner = QLearner::new(net.clone(), 3, config)?;
    let mut play = QCollector::new(VecEnv::new(vec![Catch::default(); COPIES])?, seed)?;
    let (mut buffer, rng) = (play.buffer(1_000)?, &mut stream_rng(seed, 1));
    let (mut state, mut totals, mut curve) = (learner.init(params)?, Vec::new(), Vec::new());
    let mut steps = 0;
    while steps < MOST * COPIES {
        totals.extend(play.step(&learner, &state.params, 0.02, &mut buffer)?.iter().map(|done| done.total));
        state = learner.update(&state, &buffer, rng)?.0;
        steps += COPIES;
        if totals.len() >= 100 {
            let mean = totals.iter().rev().take(100).sum::<f64>() / 100.0;
            curve.push((steps as f64, mean));
            if mean >= 0.9 {
                break;
            }
        }
    }
    Ok(Learned { params: state.params, steps, curve })
}

/// Features from random play.
fn pretrain(net: &FeatureNet, seed: u64) -> Result<Params> {
    let losses = SelfSupervision::new(net.clone(), 3, SelfSupervisionConfig::default())?;
    let rng = &mut stream_rng(seed, 2);
    let mut params = losses.init(rng, DType::F32, &Device::Cpu)?;
    let mut state = losses.start(&params)?;
    let learner = QLearner::new(net.clone(), 3, QConfig::default())?;
    let any = net.init(rng, DType::F32, &Device::Cpu)?;
    let mut play = QCollector::new(VecEnv::new(vec![Catch::default(); COPIES])?, seed)?;
    let mut buffer = play.buffer(500)?;
    for _ in 0..500 {
        play.step(&learner, &any, 1.0, &mut buffer)?;
    }
    for _ in 0..1_000 {
        (params, state, _) = losses.update((&params, &state), &buffer, rng)?;
    }
    Ok(params)
}
