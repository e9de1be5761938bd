//! Losses without rewards, and last layers that are made anew.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rekindle_autodiff::{Check, Params, Tensor, check_gradients};
use rekindle_envs::{Catch, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_optim::Adam;
use rekindle_rl::{Net, QCollector, QConfig, QLearner, ReplayBuffer, Transition};
use rekindle_transfer::policy::{FeatureNet, SelfSupervision, SelfSupervisionConfig};

fn some(n: usize) -> Result<ReplayBuffer> {
    let mut buffer = ReplayBuffer::new(n, [1, 1], 2)?;
    for i in 0..n {
        let (obs, next_obs) = ([i as f32 * 0.3, 0.5], [(i as f32).sin(), 0.1]);
        let (actions, rewards) = ([i as u32 % 3], [i as f32 - 1.0]);
        buffer.push(Transition {
            obs: &obs,
            actions: &actions,
            rewards: &rewards,
            next_obs: &next_obs,
            terminated: &[false],
        })?;
    }
    Ok(buffer)
}

/// Where nothing has been learned, and all outputs are zero: log 3 for one of three actions, the mean square of the rewards, and
/// log 2 for what is real.
#[test]
fn losses_of_a_reader_that_says_nothing_are_known() -> Result<()> {
    let net = FeatureNet::new(&[2, 4], 3, Activation::Tanh)?;
    let config =
        SelfSupervisionConfig { action: 2.0, reward: 0.5, verification: 3.0, ..SelfSupervisionConfig::default() };
    let losses = SelfSupervision::new(net, 3, config)?;
    let rng = &mut stream_rng(0, 0);
    let params = losses.init(rng, DType::F64, &Device::Cpu)?;
    let silent = |name: &str, leaf: &Tensor| {
        if name.starts_with("auxiliary.fc2") { leaf.zeros_like() } else { Ok(leaf.clone()) }
    };
    let batch = some(5)?.sample(8, rng, DType::F64, &Device::Cpu)?;
    let rewards = batch.rewards.to_vec_f64()?;
    let square = rewards.iter().map(|r| r * r).sum::<f64>() / 8.0;
    let found = losses.losses(&params.map_named(silent)?, &batch)?.to_vec_f64()?;
    let expected = 2.0 * 3f64.ln() + 0.5 * square + 3.0 * 2f64.ln();
    assert!((found[0] - expected).abs() < 1e-9, "{found:?}, not {expected}");
    Ok(())
}

/// In double precision, against finite differences.
#[test]
fn gradients_are_those_of_finite_differences() -> Result<()> {
    let net = FeatureNet::new(&[2, 3], 3, Activation::Tanh)?;
    let losses = SelfSupervision::new(net, 3, SelfSupervisionConfig { hidden: 4, ..SelfSupervisionConfig::default() })?;
    let rng = &mut stream_rng(1, 0);
    let params = losses.init(rng, DType::F64, &Device::Cpu)?;
    let batch = some(4)?.sample(3, rng, DType::F64, &Device::Cpu)?;
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    let loss = |leaves: &[Tensor]| {
        let params = Params::new(names.iter().cloned().zip(leaves.iter().cloned()))?;
        Ok(losses.losses(&params, &batch).expect("the sizes fit"))
    };
    Ok(check_gradients(loss, params.leaves(), Check { order: 1, ..Check::default() })?)
}

const COPIES: usize = 8;
const MOST: usize = 4000;

fn catch() -> Result<QCollector<Catch>> {
    Ok(QCollector::new(VecEnv::new(vec![Catch::new(6, 5)?; COPIES])?, 1)?)
}

/// Steps of the environments until the last hundred games were worth 0.8 in the mean; and the parameters then.
fn learn(net: &FeatureNet, params: &Params) -> Result<(usize, Params)> {
    let config = QConfig { gamma: 0.95, copy_every: 50, optimiser: Arc::new(Adam::new(2e-3)), ..QConfig::default() };
    let learner = QLearner::new(net.clone(), 3, config)?;
    let (mut play, rng) = (catch()?, &mut stream_rng(2, 0));
    let (mut buffer, mut state, mut totals) = (play.buffer(500)?, learner.init(params)?, Vec::new());
    for step in 1..=MOST {
        totals.extend(play.step(&learner, &state.params, 0.05, &mut buffer)?.iter().map(|done| done.total));
        state = learner.update(&state, &buffer, rng)?.0;
        if totals.len() >= 100 && totals.iter().rev().take(100).sum::<f64>() >= 80.0 {
            return Ok((step * COPIES, state.params));
        }
    }
    Ok((MOST * COPIES, state.params))
}

/// Shelhamer et al. 2017, §5: train, make the last layer anew, train again; the features that stayed make the second time at
/// most 0.6 of the first.
#[test]
fn a_fresh_last_layer_recovers_faster_than_it_was_learned() -> Result<()> {
    let net = FeatureNet::new(&[30, 32], 3, Activation::Relu)?;
    let rng = &mut stream_rng(3, 0);
    let (first, params) = learn(&net, &net.init(rng, DType::F32, &Device::Cpu)?)?;
    let (again, _) = learn(&net, &net.reset_head(&params, rng)?)?;
    assert!(first < MOST * COPIES && 5 * again <= 3 * first, "{first} steps at first, {again} again");
    Ok(())
}

/// From random play alone the features learn to tell what was done. At the walls of catch some actions look alike: the paddle
/// stands at one of five columns, and moves against the wall in two of fifteen cases or so.
#[test]
fn features_from_random_play_know_the_actions() -> Result<()> {
    let net = FeatureNet::new(&[30, 32], 3, Activation::Relu)?;
    let optimiser = Arc::new(Adam::new(3e-3));
    let losses =
        SelfSupervision::new(net.clone(), 3, SelfSupervisionConfig { optimiser, ..SelfSupervisionConfig::default() })?;
    let rng = &mut stream_rng(4, 0);
    let mut params = losses.init(rng, DType::F32, &Device::Cpu)?;
    let (mut state, mut play) = (losses.start(&params)?, catch()?);
    let learner = QLearner::new(net.clone(), 3, QConfig::default())?;
    let random = net.init(rng, DType::F32, &Device::Cpu)?;
    let mut buffer = play.buffer(500)?;
    (0..500).try_for_each(|_| play.step(&learner, &random, 1.0, &mut buffer).map(|_| ()))?;
    for _ in 0..600 {
        (params, state, _) = losses.update((&params, &state), &buffer, rng)?;
    }
    let batch = buffer.sample(1000, rng, DType::F32, &Device::Cpu)?;
    let guesses = losses.guess_actions(&params, &batch)?.flatten_all()?.to_vec1::<u32>()?;
    let actions = batch.actions.flatten_all()?.to_vec1::<u32>()?;
    let right = guesses.iter().zip(&actions).filter(|(guess, action)| guess == action).count();
    assert!(right > 800, "{right} of 1000; a third by chance");
    Ok(())
}

#[test]
fn settings_out_of_range_are_refused() -> Result<()> {
    let net = FeatureNet::new(&[2, 4], 3, Activation::Tanh)?;
    let config = SelfSupervisionConfig::default();
    for config in [
        SelfSupervisionConfig { action: -1.0, ..config.clone() },
        SelfSupervisionConfig { hidden: 0, ..config.clone() },
        SelfSupervisionConfig { batch: 1, ..config.clone() },
    ] {
        assert!(SelfSupervision::new(net.clone(), 3, config).is_err());
    }
    assert!(SelfSupervision::new(net, 0, config).is_err());
    Ok(())
}
