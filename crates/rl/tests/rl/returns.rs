//! Returns against their definitions: sums over all later steps, written out.

use rand::Rng;
use rekindle_rl::Result;
use rekindle_rl::returns::{Path, VTraceConfig, discounted_returns, gae, lambda_returns, normalise_tasks, v_trace};

use crate::common::{assert_close, noise, rng};

const GAMMA: f64 = 0.9;
const LAMBDA: f64 = 0.8;
const STEPS: usize = 12;
const ROWS: usize = 4;

struct Case {
    rewards: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    values: Vec<f32>,
    next: Vec<f32>,
    log_ratios: Vec<f32>,
}

/// Random numbers with ends of both kinds, some of them in the same step.
fn case(seed: u64) -> Case {
    let mut rng = rng(seed);
    let n = STEPS * ROWS;
    let numbers = |seed| noise(n, seed).into_iter().map(|x| x as f32).collect::<Vec<_>>();
    let terminated: Vec<bool> = (0..n).map(|_| rng.random_bool(0.15)).collect();
    let truncated: Vec<bool> = (0..n).map(|_| rng.random_bool(0.15)).collect();
    let values = numbers(seed + 1);
    let beyond = numbers(seed + 2);
    let next = (0..n).map(|i| match (terminated[i], truncated[i] || i + ROWS >= n) {
        (true, _) => 0.0,
        (false, true) => beyond[i],
        (false, false) => values[i + ROWS],
    });
    let next = next.collect();
    Case { rewards: numbers(seed), terminated, truncated, next, log_ratios: numbers(seed + 3), values }
}

impl Case {
    fn path(&self) -> Path<'_> {
        Path { rewards: &self.rewards, terminated: &self.terminated, truncated: &self.truncated, n_rows: ROWS }
    }

    /// The steps from i to the end of its decision process or of the rollout, i first.
    fn tail(&self, i: usize) -> Vec<usize> {
        let mut tail = vec![i];
        let mut at = i;
        while !self.terminated[at] && !self.truncated[at] && at + ROWS < self.rewards.len() {
            at += ROWS;
            tail.push(at);
        }
        tail
    }

    fn delta(&self, i: usize) -> f64 {
        f64::from(self.rewards[i]) + GAMMA * f64::from(self.next[i]) - f64::from(self.values[i])
    }

    fn each(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..self.rewards.len()).map(f).collect()
    }
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn discounted_returns_are_sums_over_what_follows() -> Result<()> {
    for seed in [1, 20, 300] {
        let case = case(seed);
        let sum = |i: usize, bootstrap: bool| -> f64 {
            let tail = case.tail(i);
            let rewards = tail.iter().enumerate().map(|(k, &j)| GAMMA.powi(k as i32) * f64::from(case.rewards[j]));
            let last = f64::from(case.next[tail[tail.len() - 1]]) * GAMMA.powi(tail.len() as i32);
            rewards.sum::<f64>() + if bootstrap { last } else { 0.0 }
        };
        let plain = discounted_returns(case.path(), None, GAMMA)?;
        assert_close(&wide(&plain), &case.each(|i| sum(i, false)), 1e-6);
        let bootstrapped = discounted_returns(case.path(), Some(&case.next), GAMMA)?;
        assert_close(&wide(&bootstrapped), &case.each(|i| sum(i, true)), 1e-6);
    }
    Ok(())
}

#[test]
fn advantages_are_decayed_sums_of_errors() -> Result<()> {
    let case = case(4);
    let sum = |i: usize| {
        let decay = |k: usize| (GAMMA * LAMBDA).powi(k as i32);
        case.tail(i).iter().enumerate().map(|(k, &j)| decay(k) * case.delta(j)).sum()
    };
    let advantages = gae(case.path(), &case.values, &case.next, GAMMA, LAMBDA)?;
    assert_close(&wide(&advantages), &case.each(sum), 1e-6);
    Ok(())
}

/// The mean of n-step returns with weights (1 − λ) λⁿ⁻¹, what is left on the longest.
#[test]
fn lambda_returns_are_means_of_n_step_returns() -> Result<()> {
    let case = case(5);
    let n_step = |tail: &[usize]| -> f64 {
        let rewards = tail.iter().enumerate().map(|(k, &j)| GAMMA.powi(k as i32) * f64::from(case.rewards[j]));
        rewards.sum::<f64>() + GAMMA.powi(tail.len() as i32) * f64::from(case.next[tail[tail.len() - 1]])
    };
    let mean = |i: usize| {
        let tail = case.tail(i);
        let weight = |n: usize| if n == tail.len() { 1.0 } else { 1.0 - LAMBDA } * LAMBDA.powi(n as i32 - 1);
        (1..=tail.len()).map(|n| weight(n) * n_step(&tail[..n])).sum()
    };
    let returns = lambda_returns(case.path(), &case.values, &case.next, GAMMA, LAMBDA)?;
    assert_close(&wide(&returns), &case.each(mean), 1e-6);
    Ok(())
}

/// Espeholt et al. 2018, the definition before eq. 1: products of weights, written out.
#[test]
fn v_trace_is_its_definition() -> Result<()> {
    let case = case(6);
    let config = VTraceConfig { gamma: GAMMA, lambda: LAMBDA, rho_max: 1.1, c_max: 0.9 };
    let ratio = |i: usize, most: f64| f64::from(case.log_ratios[i]).exp().min(most);
    let target = |i: usize| {
        let (mut sum, mut weight) = (f64::from(case.values[i]), 1.0);
        for j in case.tail(i) {
            sum += weight * ratio(j, 1.1) * case.delta(j);
            weight *= GAMMA * LAMBDA * ratio(j, 0.9);
        }
        sum
    };
    let advantage = |i: usize| {
        let next = if case.tail(i).len() > 1 { target(i + ROWS) } else { f64::from(case.next[i]) };
        ratio(i, 1.1) * (f64::from(case.rewards[i]) + GAMMA * next - f64::from(case.values[i]))
    };
    let found = v_trace(case.path(), &case.values, &case.next, &case.log_ratios, config)?;
    assert_close(&wide(&found.targets), &case.each(target), 1e-6);
    assert_close(&wide(&found.advantages), &case.each(advantage), 1e-6);
    Ok(())
}

/// With the policy that acted, and nothing cut off, V-trace's targets are λ-returns.
#[test]
fn v_trace_on_policy_is_lambda_returns() -> Result<()> {
    let case = case(7);
    let config = VTraceConfig { gamma: GAMMA, lambda: LAMBDA, ..VTraceConfig::default() };
    let found = v_trace(case.path(), &case.values, &case.next, &[0.0; STEPS * ROWS], config)?;
    let returns = lambda_returns(case.path(), &case.values, &case.next, GAMMA, LAMBDA)?;
    assert_close(&wide(&found.targets), &wide(&returns), 1e-6);
    Ok(())
}

#[test]
fn each_task_is_normalised_by_itself() -> Result<()> {
    // [T, M, B] = [2, 2, 2]; the second task's numbers are all equal.
    let mut numbers = [1.0, 3.0, 7.0, 7.0, 5.0, 100.0, 7.0, 7.0];
    let weights = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    normalise_tasks(&mut numbers, [2, 2, 2], Some(&weights))?;
    let s = 1.5f32.sqrt();
    for (found, expected) in numbers.iter().zip([-s, 0.0, 0.0, 0.0, s]) {
        assert!((found - expected).abs() < 1e-6, "{numbers:?}");
    }
    Ok(())
}
