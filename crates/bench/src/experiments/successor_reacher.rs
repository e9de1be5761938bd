//! The reacher: eight targets that nobody trained on, against a network that trained on nothing else.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rekindle_autodiff::Params;
use rekindle_envs::{Reacher, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_optim::{Adam, Schedule};
use rekindle_rl::{FeedForward, QCollector, QConfig, QLearner};
use rekindle_transfer::successor::{
    SuccessorBuffer, SuccessorCollector, SuccessorConfig, SuccessorLearner, SuccessorState,
};

use crate::{Context, Plot, Table};

const ACTIONS: usize = 9;
const INPUTS: usize = 6;
const GAMMA: f64 = 0.9;
/// Copies of each target's arm, in training and in the test.
const COPIES: usize = 4;
const TEST_COPIES: usize = 10;
const TRAINING_EPSILON: f64 = 0.1;
const TEST_EPSILON: f64 = 0.03;

/// How much is trained, with what.
struct Sizes {
    /// Steps of every arm; an update each.
    steps: usize,
    units: usize,
    /// Transitions in an update.
    batch: usize,
    copy_every: u64,
    /// Adam's, at first and at the end: near a target actions differ by little, and only fine steps tell them apart.
    rates: [f64; 2],
}

pub(super) fn run(ctx: &mut Context) -> Result<()> {
    let sizes = ctx.mode().of([
        Sizes { steps: 8_000, units: 64, batch: 32, copy_every: 200, rates: [1e-3, 1e-4] },
        Sizes { steps: 25_000, units: 128, batch: 128, copy_every: 1000, rates: [2e-3, 6e-6] },
        Sizes { steps: 200_000, units: 256, batch: 32, copy_every: 1000, rates: [1e-3, 1e-4] },
    ]);
    let reacher = Reacher::default();
    let tested: Vec<usize> = (Reacher::TRAINING..reacher.targets.len()).collect();
    let trained: Vec<usize> = (0..Reacher::TRAINING).collect();
    let all: Vec<usize> = (0..reacher.targets.len()).collect();

    let (learner, state, curve) = successor(ctx, &reacher, &trained, &sizes)?;
    let ours = test(&reacher, &all, &learner, &state)?;
    let random = random(&reacher, &all)?;
    let (specialists, dqn_curve) = specialists(ctx, &reacher, &all, &sizes)?;
    let normalised: Vec<f64> = all.iter().map(|i| (ours[*i] - random[*i]) / (specialists[*i] - random[*i])).collect();

    let mut table =
        Table::new("Returns of 500 steps", ["target", "random", "its own DQN", "successor features", "normalised"]);
    for i in all {
        let [x, y] = reacher.targets[i];
        let kind = if i < Reacher::TRAINING { "trained" } else { "test" };
        let numbers = [random[i], specialists[i], ours[i]].map(|x| format!("{x:.0}"));
        let [a, b, c] = numbers;
        table.row([format!("({x}, {y}), {kind}"), a, b, c, format!("{:.3}", normalised[i])]);
    }
    ctx.table(table)?;
    for &i in &tested {
        ctx.metric(&format!("reacher/{}/normalised-return", i - Reacher::TRAINING), normalised[i], "ratio")?;
    }
    let good = tested.iter().filter(|i| normalised[**i] >= 0.9).count();
    ctx.metric("reacher/targets-at-90-percent", good as f64, "of-8")?;
    let mean = trained.iter().map(|i| normalised[*i]).sum::<f64>() / trained.len() as f64;
    ctx.metric("reacher/trained/normalised-return", mean, "ratio")?;
    let plot = Plot::new("Reacher: return in training", "steps of each arm", "mean return of an episode");
    ctx.plot(plot.line("successor features, 4 training targets", curve).line("a DQN for each of 12 targets", dqn_curve))
}

type Curve = Vec<(f64, f64)>;

impl Sizes {
    fn optimiser(&self) -> Arc<Adam> {
        let [start, end] = self.rates;
        Arc::new(Adam::new(Schedule::Linear { start, end, steps: self.steps as u64 }))
    }
}

/// Networks for the training targets.
fn successor(
    ctx: &Context,
    reacher: &Reacher,
    trained: &[usize],
    sizes: &Sizes,
) -> Result<(SuccessorLearner, SuccessorState, Curve)> {
    let n = reacher.targets.len();
    let one_hot = |i: &usize| (0..n).map(|j| f64::from(u8::from(*i == j))).collect();
    let net = FeedForward::value_mlp(&[INPUTS, sizes.units, sizes.units, ACTIONS * n], Activation::Tanh)?;
    let config = SuccessorConfig {
        gamma: GAMMA,
        batch: sizes.batch,
        copy_every: sizes.copy_every,
        optimiser: sizes.optimiser(),
        ..SuccessorConfig::default()
    };
    let learner = SuccessorLearner::new(net, ACTIONS, trained.iter().map(one_hot).collect(), config)?;
    let rng = &mut stream_rng(0, 0);
    let mut state = learner.init(rng, DType::F32, &Device::Cpu)?;
    let mut play = SuccessorCollector::new(VecEnv::stack(reacher, trained, COPIES)?, 1)?;
    // Nothing is forgotten: what was seen on the way to a target is all that is known of the places beside it.
    let mut buffer = SuccessorBuffer::new(sizes.steps * trained.len() * COPIES, [INPUTS, n])?;
    let progress = ctx.progress("successor features", sizes.steps as u64);
    let mut curve = Vec::new();
    for step in 0..sizes.steps {
        let done = play.step(&learner, &state.params, TRAINING_EPSILON, Some(&mut buffer))?;
        if !done.is_empty() {
            curve.push((step as f64, done.iter().map(|done| done.total).sum::<f64>() / done.len() as f64));
        }
        state = learner.update(&state, &buffer, rng)?.0;
        progress.inc(1);
    }
    Ok((learner, state, curve))
}

/// A DQN for each target, side by side; their returns in the test.
fn specialists(ctx: &Context, reacher: &Reacher, targets: &[usize], sizes: &Sizes) -> Result<(Vec<f64>, Curve)> {
    let net = FeedForward::value_mlp(&[INPUTS, sizes.units, sizes.units, ACTIONS], Activation::Tanh)?;
    let config = QConfig {
        gamma: GAMMA,
        batch: sizes.batch,
        copy_every: sizes.copy_every,
        optimiser: sizes.optimiser(),
        ..QConfig::default()
    };
    let learner = QLearner::new(net, ACTIONS, config)?;
    let rng = &mut stream_rng(0, 1);
    let nets = targets.iter().map(|_| learner.net().init(rng, DType::F32, &Device::Cpu));
    let mut state = learner.init(&Params::cat_tasks(&nets.collect::<Result<Vec<_>, _>>()?)?)?;
    let mut play = QCollector::new(VecEnv::stack(reacher, targets, COPIES)?, 2)?;
    let mut buffer = play.buffer(sizes.steps)?;
    let progress = ctx.progress("specialists", sizes.steps as u64);
    let mut curve = Vec::new();
    for step in 0..sizes.steps {
        let done = play.step(&learner, &state.params, TRAINING_EPSILON, &mut buffer)?;
        if !done.is_empty() {
            curve.push((step as f64, done.iter().map(|done| done.total).sum::<f64>() / done.len() as f64));
        }
        state = learner.update(&state, &buffer, rng)?.0;
        progress.inc(1);
    }
    let mut play = QCollector::new(VecEnv::stack(reacher, targets, TEST_COPIES)?, 3)?;
    let mut unused = play.buffer(1)?;
    let mut totals = vec![0.0; targets.len()];
    for _ in 0..reacher.horizon {
        for done in play.step(&learner, &state.params, TEST_EPSILON, &mut unused)? {
            totals[done.row / TEST_COPIES] += done.total / TEST_COPIES as f64;
        }
    }
    Ok((totals, curve))
}

/// Mean returns of generalised policy improvement for each target.
fn test(reacher: &Reacher, targets: &[usize], learner: &SuccessorLearner, state: &SuccessorState) -> Result<Vec<f64>> {
    let mut play = SuccessorCollector::new(VecEnv::stack(reacher, targets, TEST_COPIES)?, 3)?;
    let mut totals = vec![0.0; targets.len()];
    for _ in 0..reacher.horizon {
        for done in play.step(learner, &state.params, TEST_EPSILON, None)? {
            totals[done.row / TEST_COPIES] += done.total / TEST_COPIES as f64;
        }
    }
    Ok(totals)
}

/// Mean returns of random actions.
fn random(reacher: &Reacher, targets: &[usize]) -> Result<Vec<f64>> {
    let mut envs = VecEnv::stack(reacher, targets, TEST_COPIES)?;
    envs.reset(3)?;
    let (rng, mut totals) = (&mut stream_rng(3, 0), vec![0.0; targets.len()]);
    for _ in 0..reacher.horizon {
        let actions = envs.action_space().sample_actions(rng, envs.n_envs());
        let step = envs.step(actions.view())?;
        for (row, reward) in step.reward.iter().enumerate() {
            totals[row / TEST_COPIES] += f64::from(*reward) / TEST_COPIES as f64;
        }
    }
    Ok(totals)
}
