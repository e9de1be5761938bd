//! Modules for tasks and robots, in pairs that were never trained.

use anyhow::{Context as _, Result};
use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{Action, BlockEnv, BlockReach, Body, Env, EnvFamily, TimeLimit, random, stream_rng};
use rekindle_optim::{Adam, Schedule, Transform};
use rekindle_transfer::policy::{Lesson, ModularConfig, ModularPolicy, Pair};

use super::canvas::{BLUE, Canvas, GREEN, ORANGE, PURPLE};
use crate::{Context, Experiment, Image, ImageGrid, Table};

pub(super) struct TransferModular;

const BODIES: [(&str, Body); 3] = [("cross", Body::Cross), ("diagonal", Body::Diagonal), ("tank", Body::Tank)];
const BLOCKS: [&str; 3] = ["orange", "blue", "purple"];
const HORIZON: usize = 60;
const TESTED: usize = 100;
/// Share of random actions in what is imitated.
const WANDERING: f32 = 0.33;
const BATCH: usize = 32;

impl Experiment for TransferModular {
    fn id(&self) -> &'static str {
        "transfer/modular"
    }

    fn title(&self) -> &'static str {
        "Modular networks: task × robot"
    }

    fn about(&self) -> &'static str {
        "Three tasks, to touch the orange, blue or purple of three blocks, and three bodies that move in different ways: along the \
         axes, along the diagonals, and as a tank. A policy is a task module that sees the blocks and hands two numbers to a robot \
         module that sees the body. Eight of the nine pairs imitate somebody who knows the way; the ninth is only tested. The \
         figure is the share of episodes in which the ninth touches its block, over the mean share of the eight. `other-task` has \
         the task module of another block in its place, `fresh` a body's module that has not been trained.\n\n\
         Source: Devin, Gupta, Darrell, Abbeel & Levine 2017, with arms and guided policy search."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let pairs: Vec<Pair> = (0..9).map(|i| Pair { task: i / 3, robot: i % 3 }).collect();
        let held: Vec<Pair> = ctx.mode().of([vec![pairs[0], pairs[5]], pairs.clone(), pairs.clone()]);
        let updates = ctx.mode().of([1_000, 2_500, 10_000]);
        let data = pairs.iter().map(|pair| demonstrations(*pair, 5_000)).collect::<Result<Vec<_>>>()?;
        let mut table = Table::new(
            "Share of blocks touched",
            ["pair left out", "the other eight", "it", "other task's module", "fresh body's module"],
        );
        let (mut means, mut images) = ([0.0; 4], Vec::new());
        let progress = ctx.progress("pairs left out", held.len() as u64);
        for out in &held {
            let lessons: Vec<_> = pairs.iter().zip(&data).filter(|(pair, _)| *pair != out).collect();
            let (policy, params, fresh) = train(&lessons, updates)?;
            let trained = lessons
                .iter()
                .map(|(pair, _)| success(&policy, &params, **pair, **pair))
                .collect::<Result<Vec<_>>>()?;
            let other = Pair { task: (out.task + 1) % 3, ..*out };
            let untrained = without_body(&params, &fresh, *out)?;
            let row = [
                trained.iter().sum::<f64>() / trained.len() as f64,
                success(&policy, &params, *out, *out)?,
                success(&policy, &params, other, *out)?,
                success(&policy, &untrained, *out, *out)?,
            ];
            means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / held.len() as f64);
            let name = format!("{}, {}", BLOCKS[out.task], BODIES[out.robot].0);
            table.row(std::iter::once(name.clone()).chain(row.map(|x| format!("{x:.2}"))));
            if images.len() < 6 {
                images.push(picture(&policy, &params, *out, &name)?);
            }
            progress.inc(1);
        }
        let [trained, unseen, other, fresh] = means;
        ctx.metric("unseen-of-trained", unseen / trained, "ratio")?;
        ctx.metric("trained/success", trained, "share")?;
        ctx.metric("unseen/success", unseen, "share")?;
        ctx.metric("other-task/success", other, "share")?;
        ctx.metric("fresh/success", fresh, "share")?;
        ctx.table(table)?;
        ctx.images(
            ImageGrid::new("Pairs that were never trained")
                .row("", images)
                .caption("One episode each; the block to touch has a green rim."),
        );
        Ok(())
    }
}

fn env(pair: Pair) -> Result<TimeLimit<BlockEnv>> {
    Ok(BlockReach { body: BODIES[pair.robot].1, horizon: HORIZON }.make(&pair.task)?)
}

/// An observation, and what somebody who knows the way does.
type Shown = ([f32; 10], u32);

fn demonstrations(pair: Pair, n: usize) -> Result<Vec<Shown>> {
    let (mut env, mut obs, mut seen) = (env(pair)?, [0.0; 10], Vec::new());
    let rng = &mut stream_rng((3 * pair.task + pair.robot) as u64, 0);
    env.reset(rng, &mut obs)?;
    while seen.len() < n {
        let expert = env.inner().expert();
        seen.push((obs, expert as u32));
        let action = if random::unit(rng) < WANDERING { random::below(rng, 4) } else { expert };
        if env.step(Action::Discrete(action), rng, &mut obs)?.done() {
            env.reset(rng, &mut obs)?;
        }
    }
    Ok(seen)
}

/// Modules that imitated; their parameters after and before.
fn train(lessons: &[(&Pair, &Vec<Shown>)], updates: u64) -> Result<(ModularPolicy, Params, Params)> {
    let policy = ModularPolicy::new(ModularConfig::default())?;
    let (rng, noise) = (&mut stream_rng(1, 0), &mut stream_rng(1, 1));
    let optimiser = Adam::new(Schedule::Linear { start: 3e-3, end: 3e-4, steps: updates });
    let fresh = policy.init(rng, DType::F32, &Device::Cpu)?;
    let (mut params, mut state) = (fresh.clone(), optimiser.init(&fresh)?);
    for _ in 0..updates {
        let lesson = |(pair, data): &(&Pair, &Vec<Shown>)| -> Result<Lesson> {
            let drawn: Vec<_> = (0..BATCH).map(|_| data[random::below(rng, data.len())]).collect();
            let obs = Tensor::from_vec(drawn.iter().flat_map(|row| row.0).collect(), (1, BATCH, 10))?;
            let actions = Value::from_vec(drawn.iter().map(|row| row.1).collect::<Vec<_>>(), (1, BATCH), &Device::Cpu)?;
            Ok(Lesson { pair: **pair, obs, actions })
        };
        let lessons = lessons.iter().map(lesson).collect::<Result<Vec<_>>>()?;
        (params, state, _) = policy.imitate(&optimiser, (&params, &state), &lessons, noise)?;
    }
    Ok((policy, params, fresh))
}

/// The trained modules, but a fresh one for the body of this pair.
fn without_body(params: &Params, fresh: &Params, pair: Pair) -> Result<Params> {
    let body = format!("robot{}.", pair.robot);
    Ok(params
        .map_named(|name, leaf| if name.starts_with(&body) { fresh.get(name).cloned() } else { Ok(leaf.clone()) })?)
}

/// Share of episodes in which these modules touch the block of a pair.
fn success(policy: &ModularPolicy, params: &Params, modules: Pair, pair: Pair) -> Result<f64> {
    let (mut env, mut obs, rng) = (env(pair)?, [0.0; 10], &mut stream_rng(99, 0));
    let mut touched = 0;
    for _ in 0..TESTED {
        env.reset(rng, &mut obs)?;
        loop {
            let step = env.step(act(policy, params, modules, &obs)?, rng, &mut obs)?;
            if step.done() {
                touched += usize::from(step.terminated);
                break;
            }
        }
    }
    Ok(touched as f64 / TESTED as f64)
}

fn act(policy: &ModularPolicy, params: &Params, modules: Pair, obs: &[f32; 10]) -> Result<Action<'static>> {
    let x = Tensor::from_vec(obs.to_vec(), (1, 1, 10))?;
    let best = policy.logits(params, modules, &x, None)?.value().argmax(2)?.flatten_all()?.to_vec1::<u32>()?;
    Ok(Action::Discrete(*best.first().context("an action for the one row")? as usize))
}

/// One episode from above.
fn picture(policy: &ModularPolicy, params: &Params, pair: Pair, name: &str) -> Result<Image> {
    let (mut env, mut obs, rng) = (env(pair)?, [0.0; 10], &mut stream_rng(98, 0));
    env.reset(rng, &mut obs)?;
    let place = |obs: &[f32; 10]| [f64::from(obs[6]), f64::from(obs[7])];
    let mut canvas = Canvas::new([0.0, 0.0], 1.1);
    for (i, colour) in [ORANGE, BLUE, PURPLE].into_iter().enumerate() {
        let block = [place(&obs)[0] + f64::from(obs[2 * i]), place(&obs)[1] + f64::from(obs[2 * i + 1])];
        if i == pair.task {
            canvas.disc(block, 7.0, GREEN);
        }
        canvas.disc(block, 5.0, colour);
    }
    let mut way = vec![place(&obs)];
    loop {
        let step = env.step(act(policy, params, pair, &obs)?, rng, &mut obs)?;
        way.push(place(&obs));
        if step.done() {
            break;
        }
    }
    canvas.path(&way, 1.5, [0.2; 3]);
    canvas.image(format!("{name}: {} steps", way.len() - 1))
}
