//! Modules for tasks and robots.

use anyhow::{Context as _, Result};
use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{Action, BlockEnv, BlockReach, Body, Env, EnvFamily, TimeLimit, random, stream_rng};
use rekindle_optim::{Adam, Transform};
use rekindle_transfer::Error;
use rekindle_transfer::policy::{Lesson, ModularConfig, ModularPolicy, Pair};

const BODIES: [Body; 3] = [Body::Cross, Body::Diagonal, Body::Tank];

fn env(pair: Pair) -> Result<TimeLimit<BlockEnv>> {
    Ok(BlockReach { body: BODIES[pair.robot], horizon: 60 }.make(&pair.task)?)
}

/// What the expert does in `n` states of episodes in which a third of the actions are random.
fn demonstrations(pair: Pair, n: usize) -> Result<Vec<([f32; 10], u32)>> {
    let (mut env, mut obs) = (env(pair)?, [0.0; 10]);
    let rng = &mut stream_rng((10 * pair.task + pair.robot) as u64, 0);
    let mut seen = Vec::new();
    env.reset(rng, &mut obs)?;
    while seen.len() < n {
        let expert = env.inner().expert();
        seen.push((obs, expert as u32));
        let action = if random::unit(rng) < 0.33 { random::below(rng, 4) } else { expert };
        if env.step(Action::Discrete(action), rng, &mut obs)?.done() {
            env.reset(rng, &mut obs)?;
        }
    }
    Ok(seen)
}

/// Share of 100 episodes in which a pair of modules touches the block.
fn success(policy: &ModularPolicy, params: &Params, modules: Pair, pair: Pair) -> Result<f64> {
    let (mut env, mut obs) = (env(pair)?, [0.0; 10]);
    let (rng, mut touched) = (&mut stream_rng(99, 0), 0);
    for _ in 0..100 {
        env.reset(rng, &mut obs)?;
        loop {
            let x = Tensor::from_vec(obs.to_vec(), (1, 1, 10))?;
            let action =
                policy.logits(params, modules, &x, None)?.value().argmax(2)?.flatten_all()?.to_vec1::<u32>()?;
            let step = env.step(Action::Discrete(*action.first().context("one row")? as usize), rng, &mut obs)?;
            if step.done() {
                touched += u32::from(step.terminated);
                break;
            }
        }
    }
    Ok(f64::from(touched) / 100.0)
}

/// Eight of nine pairs are trained. The ninth, whose modules have never met, is at least 0.8 times as good as the eight in the
/// mean, and the module of another task in its place is no good.
#[test]
fn a_pair_that_was_never_trained_works() -> Result<()> {
    let held_out = Pair { task: 2, robot: 1 };
    let pairs: Vec<Pair> =
        (0..9).map(|i| Pair { task: i / 3, robot: i % 3 }).filter(|pair| *pair != held_out).collect();
    let data = pairs.iter().map(|pair| demonstrations(*pair, 4000)).collect::<Result<Vec<_>>>()?;
    let policy = ModularPolicy::new(ModularConfig::default())?;
    let (rng, optimiser) = (&mut stream_rng(1, 0), Adam::new(3e-3));
    let mut params = policy.init(rng, DType::F32, &Device::Cpu)?;
    let mut state = optimiser.init(&params)?;
    for _ in 0..1200 {
        let lesson = |(pair, data): (&Pair, &Vec<([f32; 10], u32)>)| -> Result<Lesson> {
            let drawn: Vec<_> = (0..32).map(|_| data[random::below(rng, data.len())]).collect();
            let obs = Tensor::from_vec(drawn.iter().flat_map(|row| row.0).collect(), (1, 32, 10))?;
            let actions = Value::from_vec(drawn.iter().map(|row| row.1).collect::<Vec<_>>(), (1, 32), &Device::Cpu)?;
            Ok(Lesson { pair: *pair, obs, actions })
        };
        let lessons = pairs.iter().zip(&data).map(lesson).collect::<Result<Vec<_>>>()?;
        (params, state, _) =
            policy.imitate(&optimiser, (&params, &state), &lessons, &mut stream_rng(2, state.step()))?;
    }
    let trained = pairs.iter().map(|pair| success(&policy, &params, *pair, *pair)).collect::<Result<Vec<_>>>()?;
    let mean = trained.iter().sum::<f64>() / 8.0;
    let unseen = success(&policy, &params, held_out, held_out)?;
    let other = success(&policy, &params, Pair { task: 0, ..held_out }, held_out)?;
    assert!(mean > 0.9 && unseen >= 0.8 * mean, "trained {trained:?}, unseen {unseen}");
    assert!(other < 0.5 * unseen, "another task's module: {other}");
    Ok(())
}

/// In double precision, against finite differences, through both modules.
#[test]
fn gradients_reach_both_modules() -> Result<()> {
    let config =
        ModularConfig { hidden: 5, task_inputs: 2, robot_inputs: 2, tasks: 1, robots: 1, ..ModularConfig::default() };
    let policy = ModularPolicy::new(config)?;
    let params = policy.init(&mut stream_rng(3, 0), DType::F64, &Device::Cpu)?;
    let obs = Tensor::from_vec((0..12).map(|i| (f64::from(i) * 0.7).sin()).collect(), (1, 3, 4))?;
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    rekindle_autodiff::check_gradients(
        |leaves| {
            let params = Params::new(names.iter().cloned().zip(leaves.iter().cloned()))?;
            let logits = policy.logits(&params, Pair { task: 0, robot: 0 }, &obs, None).expect("the sizes fit");
            logits.sqr()?.sum_all()
        },
        params.leaves(),
        rekindle_autodiff::Check::default(),
    )?;
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let policy = ModularPolicy::new(ModularConfig::default())?;
    let rng = &mut stream_rng(0, 0);
    let params = policy.init(rng, DType::F32, &Device::Cpu)?;
    let obs = Tensor::ones((1, 2, 9), DType::F32, &Device::Cpu)?;
    let wrong = policy.logits(&params, Pair { task: 0, robot: 0 }, &obs, None).unwrap_err();
    assert!(matches!(wrong, Error::Width { found: 9, expected: 10, .. }), "{wrong}");
    let wrong = policy.logits(&params, Pair { task: 3, robot: 0 }, &obs, None).unwrap_err().to_string();
    assert!(wrong.contains("task: 3"), "{wrong}");
    let optimiser = Adam::default();
    assert!(policy.imitate(&optimiser, (&params, &optimiser.init(&params)?), &[], rng).is_err());
    assert!(ModularPolicy::new(ModularConfig { width: 0, ..ModularConfig::default() }).is_err());
    assert!(ModularPolicy::new(ModularConfig { noise: -1.0, ..ModularConfig::default() }).is_err());
    Ok(())
}
