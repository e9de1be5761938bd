//! Baselines: the linear fit against what it must reproduce, the critic's regression.

use std::sync::Arc;

use candle_core::DType;
use rekindle_envs::{CartPole, Single, Space, VecEnv};
use rekindle_optim::Adam;
use rekindle_rl::{Collector, CriticFit, LinearBaseline, Result, Rollout};

use crate::common::{elements, feed_forward, init, recurrent, rng};

fn play(n_tasks: usize, policy: &rekindle_rl::Policy) -> Result<Rollout> {
    let env = VecEnv::stack(&Single(CartPole::v1()), &vec![(); n_tasks], 4)?;
    Collector::new(env, 2)?.collect(policy, &init(policy, 1, DType::F32), 40)
}

/// A target that is linear in the features is fitted up to the ridge, each task with its own coefficients.
#[test]
fn a_function_in_its_span_is_reproduced() -> Result<()> {
    let rollout = play(3, &feed_forward(4, &Space::discrete(2)))?;
    let obs = rollout.experience.obs.to_vec_f64()?;
    let target = |i: usize| {
        let (o, time, task) = (&obs[4 * i..4 * i + 4], f64::from(rollout.times[i]) / 100.0, (i / 4 % 3) as f64);
        2.0 - task + 3.0 * o[0] - (1.0 + task) * o[2] * o[2] + 4.0 * time * time * time - 2.0 * time
    };
    let targets: Vec<f32> = (0..rollout.rewards.len()).map(|i| target(i) as f32).collect();
    let estimates = LinearBaseline::fit(&rollout, &targets)?.predict(&rollout)?;
    for (estimate, target) in estimates.iter().zip(&targets) {
        assert!((estimate - target).abs() < 5e-3, "{estimate}, {target}");
    }
    Ok(())
}

/// The residuals of a fit are orthogonal to the features, up to the ridge; the constant is one of them.
#[test]
fn residuals_have_mean_zero_in_every_task() -> Result<()> {
    let rollout = play(2, &feed_forward(4, &Space::discrete(2)))?;
    let returns = rekindle_rl::returns::discounted_returns(rollout.path(), None, 0.99)?;
    let estimates = LinearBaseline::fit(&rollout, &returns)?.predict(&rollout)?;
    for task in 0..2 {
        let rows = (0..returns.len()).filter(|i| i / 4 % 2 == task);
        let residual: f32 = rows.map(|i| returns[i] - estimates[i]).sum();
        assert!(residual.abs() < 0.05, "{residual}");
    }
    let next = LinearBaseline::next_values(&rollout, &estimates)?;
    for i in 0..next.len() {
        let over = rollout.terminated[i] || rollout.truncated[i] || i + 8 >= next.len();
        assert_eq!(next[i], if over { 0.0 } else { estimates[i + 8] });
    }
    Ok(())
}

#[test]
fn returns_that_are_no_numbers_are_refused() -> Result<()> {
    let rollout = play(1, &feed_forward(4, &Space::discrete(2)))?;
    let mut returns = rollout.rewards.clone();
    returns[3] = f32::INFINITY;
    assert!(LinearBaseline::fit(&rollout, &returns).unwrap_err().to_string().contains("inf"));
    assert!(LinearBaseline::fit(&rollout, &returns[1..]).is_err());
    Ok(())
}

/// A critic of either kind learns the time that is left of a step, and the acting network stays.
#[test]
fn a_critic_is_fitted_and_nothing_else() -> Result<()> {
    for policy in [feed_forward(4, &Space::discrete(2)), recurrent(4, &Space::discrete(2))] {
        let rollout = play(1, &policy)?;
        let params = init(&policy, 1, DType::F32);
        let targets = rekindle_rl::returns::discounted_returns(rollout.path(), None, 0.9)?;
        let fit = CriticFit { optimiser: Arc::new(Adam::new(1e-2)), epochs: 1, minibatches: 4 };
        let mut state = fit.init(&params)?;
        let (mut now, mut losses, mut rng) = (params.clone(), Vec::new(), rng(1));
        for _ in 0..60 {
            let fitted = fit.fit(&policy, &now, &state, (&rollout.experience, &targets), &mut rng)?;
            (now, state) = (fitted.params, fitted.state);
            losses.push(fitted.loss);
        }
        assert!(losses[59] < 0.5 * losses[0], "{} to {}", losses[0], losses[59]);
        assert_eq!(elements(&now.sub_params("actor")?), elements(&params.sub_params("actor")?));
        assert_eq!(now.names().collect::<Vec<_>>(), params.names().collect::<Vec<_>>());
    }
    Ok(())
}
