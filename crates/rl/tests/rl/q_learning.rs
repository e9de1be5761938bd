//! Q-learning: the buffer, the backups against their definitions, and learning.

use candle_core::{DType, Device};
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{Catch, VecEnv};
use rekindle_nn::Activation;
use rekindle_optim::Adam;
use rekindle_rl::{
    Backup, Error, FeedForward, QCollector, QConfig, QLearner, QState, Recurrent, ReplayBuffer, Result, Transition,
};

use crate::common::{assert_close, rng};

#[test]
fn the_buffer_keeps_the_newest_steps_of_every_task() -> Result<()> {
    let mut buffer = ReplayBuffer::new(3, [2, 2], 1)?;
    assert!(buffer.is_empty() && buffer.sample(1, &mut rng(1), DType::F32, &Device::Cpu).is_err());
    for step in 0..5 {
        let obs: Vec<f32> = (0..4).map(|row| (10 * step + row) as f32).collect();
        let next: Vec<f32> = obs.iter().map(|x| x + 10.0).collect();
        let terminated = [false, true, false, true];
        buffer.push(Transition {
            obs: &obs,
            actions: &[0, 1, 2, 3],
            rewards: &obs,
            next_obs: &next,
            terminated: &terminated,
        })?;
    }
    assert_eq!(buffer.len(), 3);
    let drawn = buffer.sample(200, &mut rng(1), DType::F64, &Device::Cpu)?;
    let (obs, next) = (drawn.obs.to_vec_f64()?, drawn.next_obs.to_vec_f64()?);
    let (goes_on, actions) = (drawn.goes_on.to_vec_f64()?, drawn.actions.flatten_all()?.to_vec1::<u32>()?);
    for i in 0..400 {
        let (step, row) = (obs[i] as usize / 10, obs[i] as usize % 10);
        assert!(step >= 2 && row / 2 == i / 200, "step {step}, row {row} at {i}");
        assert_eq!((next[i], actions[i] as usize, goes_on[i] == 0.0), (obs[i] + 10.0, row, row % 2 == 1));
    }
    // Every stored row of a task is drawn in 200 draws out of 6.
    let distinct = |task: usize| {
        obs[task * 200..(task + 1) * 200].iter().map(|x| *x as u32).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!((distinct(0).len(), distinct(1).len()), (6, 6));
    Ok(())
}

fn linear(backup: Backup) -> Result<QLearner> {
    let config = QConfig { gamma: 0.5, batch: 1, backup, copy_every: 2, ..QConfig::default() };
    QLearner::new(FeedForward::value_mlp(&[1, 2], Activation::Tanh)?, 2, config)
}

fn params(weight: [f64; 2], bias: [f64; 2]) -> Result<Params> {
    Ok(Params::new([
        ("fc1.weight".to_owned(), Tensor::from_vec(weight.to_vec(), (1, 1, 2))?),
        ("fc1.bias".to_owned(), Tensor::from_vec(bias.to_vec(), (1, 2))?),
    ])?)
}

/// One transition from x = 1 by action 0 with reward 2 to x = 3. The network has Q = (0.5x, 0.2x), its copy
/// Q̄ = (0.3x − 1, 0.1x); so Q(s, a) = 0.5, Q̄(s') = (−0.1, 0.3), and the network likes action 0 best there.
#[test]
fn backups_are_their_definitions() -> Result<()> {
    let soft = 0.4 * ((-0.1f64 / 0.4).exp() + (0.3f64 / 0.4).exp()).ln();
    for (backup, worth) in [(Backup::Max, 0.3), (Backup::Double, -0.1), (Backup::Soft { temperature: 0.4 }, soft)] {
        for terminated in [false, true] {
            let learner = linear(backup)?;
            let mut buffer = ReplayBuffer::new(1, [1, 1], 1)?;
            buffer.push(Transition {
                obs: &[1.0],
                actions: &[0],
                rewards: &[2.0],
                next_obs: &[3.0],
                terminated: &[terminated],
            })?;
            let state = learner.init(&params([0.5, 0.2], [0.0, 0.0])?)?;
            let state = QState { target: params([0.3, 0.1], [-1.0, 0.0])?, ..state };
            let goal = 2.0 + if terminated { 0.0 } else { 0.5 * worth };
            let error: f64 = 0.5 - goal;
            let huber = if error.abs() < 1.0 { 0.5 * error * error } else { error.abs() - 0.5 };
            let (next, loss) = learner.update(&state, &buffer, &mut rng(1))?;
            assert_close(&[loss], &[huber], 1e-6);
            // The copy is renewed at every second update.
            assert_eq!(next.target.get("fc1.bias")?.to_vec_f64()?, [-1.0, 0.0]);
            let (after, _) = learner.update(&next, &buffer, &mut rng(1))?;
            assert_eq!(after.target.get("fc1.bias")?.to_vec_f64()?, after.params.get("fc1.bias")?.to_vec_f64()?);
        }
    }
    Ok(())
}

/// 20 000 draws at Q = (0.5, 0.2): greedy with ε = 0.2, and in proportion to exp(Q/τ); four standard errors are 0.0142.
#[test]
fn actions_are_drawn_as_said() -> Result<()> {
    let n = 20_000;
    let obs = Tensor::ones((1, n, 1), DType::F64, &Device::Cpu)?;
    let mut rngs: Vec<_> = (0..n as u64).map(|i| rekindle_envs::stream_rng(9, i)).collect();
    let first = (0.5f64 / 0.3).exp() / ((0.5f64 / 0.3).exp() + (0.2f64 / 0.3).exp());
    for (backup, epsilon, share) in [(Backup::Max, 0.2, 0.9), (Backup::Soft { temperature: 0.3 }, 0.0, first)] {
        let actions = linear(backup)?.act(&params([0.5, 0.2], [0.0, 0.0])?, &obs, epsilon, &mut rngs)?;
        let found = actions.iter().filter(|&&a| a == 0).count() as f64 / n as f64;
        assert!((found - share).abs() < 0.0142, "{backup:?}: {found}, not {share}");
    }
    Ok(())
}

fn learn(backup: Backup) -> Result<f64> {
    let config =
        QConfig { backup, copy_every: 50, optimiser: std::sync::Arc::new(Adam::new(3e-3)), ..QConfig::default() };
    let learner = QLearner::new(FeedForward::value_mlp(&[30, 32, 3], Activation::Relu)?, 3, config)?;
    let mut collector = QCollector::new(VecEnv::new(vec![Catch::new(6, 5)?; 8])?, 1)?;
    let mut buffer = collector.buffer(1000)?;
    let mut rng = rng(2);
    let mut state = learner.init(&learner.net().init(&mut rng, DType::F32, &Device::Cpu)?)?;
    let mut totals = Vec::new();
    for step in 0..1500 {
        let epsilon = (1.0 - f64::from(step) / 700.0).max(0.0);
        totals.extend(collector.step(&learner, &state.params, epsilon, &mut buffer)?.iter().map(|done| done.total));
        if step >= 20 {
            state = learner.update(&state, &buffer, &mut rng)?.0;
        }
    }
    Ok(totals.iter().rev().take(400).sum::<f64>() / 400.0)
}

#[test]
fn all_backups_learn_catch() -> Result<()> {
    for backup in [Backup::Max, Backup::Double, Backup::Soft { temperature: 0.03 }] {
        let last = learn(backup)?;
        assert!(last > 0.9, "{backup:?}: {last}");
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let config = || QConfig::default();
    let outputs = QLearner::new(FeedForward::value_mlp(&[1, 2], Activation::Tanh)?, 3, config()).unwrap_err();
    assert!(matches!(outputs, Error::PolicyOutputs { found: 2, expected: 3, .. }));
    let memory = QLearner::new(Recurrent::new(1, 4, 2)?, 2, config()).unwrap_err().to_string();
    assert!(memory.contains("FeedForward"), "{memory}");
    let soft = QConfig { backup: Backup::Soft { temperature: 0.0 }, ..config() };
    assert!(QLearner::new(FeedForward::value_mlp(&[1, 2], Activation::Tanh)?, 2, soft).is_err());
    let mut buffer = ReplayBuffer::new(3, [2, 2], 1)?;
    let short = Transition {
        obs: &[0.0; 4],
        actions: &[0; 3],
        rewards: &[0.0; 4],
        next_obs: &[0.0; 4],
        terminated: &[false; 4],
    };
    assert!(buffer.push(short).unwrap_err().to_string().contains("4 rows of 1 features"));
    Ok(())
}
