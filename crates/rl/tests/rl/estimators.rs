//! Policy-gradient estimators on an MDP of two states, whose return, gradient and Hessian are known exactly.
//!
//! Forty independent estimates, one for each task, give means with standard errors.

use rand::RngCore;
use rekindle_autodiff::{NoRecord, Order, Params, Tensor};
use rekindle_envs::{Action, Env, Single, Space, Transition, VecEnv, random::unit_f64};
use rekindle_nn::Activation;
use rekindle_rl::returns::discounted_returns;
use rekindle_rl::{
    ActionHead, Collector, Deviation, Estimator, FeedForward, Policy, Result, Rollout, policy_gradient_loss, ratio_loss,
};

use crate::common::elements;

const HORIZON: usize = 3;
/// Probability of state 1 after state s and action a, and the reward.
const TO_ONE: [[f64; 2]; 2] = [[0.2, 0.8], [0.6, 0.3]];
const REWARD: [[f64; 2]; 2] = [[0.5, -0.25], [1.0, 2.0]];
const N_TASKS: usize = 40;
const COPIES: usize = 1500;

#[derive(Clone, Debug, Default)]
struct TwoStates {
    state: usize,
    time: usize,
}

impl Env for TwoStates {
    fn observation_space(&self) -> Space {
        Space::discrete(2)
    }

    fn action_space(&self) -> Space {
        Space::discrete(2)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        (self.state, self.time) = (0, 0);
        obs[0] = 0.0;
        Ok(())
    }

    fn step(
        &mut self,
        action: Action<'_>,
        rng: &mut dyn RngCore,
        obs: &mut [f32],
    ) -> rekindle_envs::Result<Transition> {
        let a = action.index(2)?;
        let reward = REWARD[self.state][a];
        self.state = usize::from(unit_f64(rng) < TO_ONE[self.state][a]);
        self.time += 1;
        obs[0] = self.state as f32;
        Ok(Transition::new(reward as f32, self.time == HORIZON))
    }
}

/// Logits are a linear function of the state's one-hot code.
fn policy() -> Policy {
    let head = ActionHead::new(&Space::discrete(2), Deviation::default()).unwrap();
    Policy::new(FeedForward::mlp(&[2, 2], Activation::Identity).unwrap(), head).unwrap()
}

fn params() -> Params {
    Params::new([
        ("actor.fc1.weight".to_owned(), Tensor::from_vec(vec![0.4f64, -0.3, 0.1, 0.7], (1, 2, 2)).unwrap()),
        ("actor.fc1.bias".to_owned(), Tensor::from_vec(vec![0.2f64, -0.1], (1, 2)).unwrap()),
    ])
    .unwrap()
}

fn table(numbers: [[f64; 2]; 2]) -> Tensor {
    Tensor::from_vec(numbers.concat(), (2, 2)).unwrap()
}

/// The expected return, by the distribution over states step by step.
fn exact(params: &Params) -> Result<Tensor> {
    let logits = params.get("actor.fc1.weight")?.add(&params.get("actor.fc1.bias")?.unsqueeze(1)?)?.squeeze(0)?;
    let choice = logits.softmax()?;
    let mut states = Tensor::from_vec(vec![1.0f64, 0.0], (2, 1))?;
    let mut total = Tensor::scalar(0f64)?;
    for _ in 0..HORIZON {
        let pairs = states.mul(&choice)?;
        total = total.add(&pairs.mul(&table(REWARD))?.sum_all()?)?;
        let one = pairs.mul(&table(TO_ONE))?.sum_all()?.reshape((1, 1))?;
        states = Tensor::cat(&[&one.affine(-1.0, 1.0)?, &one], 0)?;
    }
    Ok(total)
}

/// A direction for products with the Hessian.
fn direction() -> Params {
    let leaf = |dims: &[usize], values: Vec<f64>| Tensor::from_vec(values, dims).unwrap();
    params().with_leaves(vec![leaf(&[1, 2, 2], vec![1.0, -0.5, 0.3, -1.2]), leaf(&[1, 2], vec![-0.7, 0.9])]).unwrap()
}

/// The exact gradient and product with the Hessian.
fn exact_derivatives() -> Result<[Vec<f64>; 2]> {
    let theta = params().leaf();
    let gradient = theta.grad(&exact(&theta)?, Order::Higher)?;
    let product = theta.grad(&gradient.dot(&direction())?, Order::First)?;
    Ok([elements(&gradient), elements(&product)])
}

fn play() -> Result<(Policy, Params, Rollout)> {
    let env = VecEnv::stack(&Single(TwoStates::default()), &[(); N_TASKS], COPIES)?;
    let (policy, params) = (policy(), params().expand_tasks(N_TASKS)?);
    let rollout = Collector::new(env, 17)?.collect(&policy, &params, HORIZON)?;
    Ok((policy, params, rollout))
}

/// Mean and standard error of estimates `[M, …]`, element by element.
fn statistics(estimates: &Params) -> Result<Vec<[f64; 2]>> {
    let mut out = Vec::new();
    for leaf in estimates.leaves() {
        let n = leaf.elem_count() / N_TASKS;
        let values = leaf.to_vec_f64()?;
        for k in 0..n {
            let column: Vec<f64> = values.iter().skip(k).step_by(n).copied().collect();
            let mean = column.iter().sum::<f64>() / N_TASKS as f64;
            let square = column.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
            out.push([mean, (square / (N_TASKS * (N_TASKS - 1)) as f64).sqrt()]);
        }
    }
    Ok(out)
}

/// How many standard errors the furthest element lies from the exact one.
fn furthest(estimates: &Params, exact: &[f64]) -> Result<f64> {
    let distances = statistics(estimates)?.into_iter().zip(exact).map(|([mean, error], exact)| {
        assert!(error > 0.0 && error < 0.05, "standard error {error}");
        (mean - exact).abs() / error
    });
    Ok(distances.fold(0.0, f64::max))
}

/// Gradient and product with the Hessian of the objective that an estimator stands for, task by task.
fn derivatives(estimator: Estimator, baseline: bool) -> Result<[Params; 2]> {
    let (policy, params, rollout) = play()?;
    let mut advantages = discounted_returns(rollout.path(), None, 1.0)?;
    if baseline {
        // Any function of state and time leaves the means as they are.
        let obs = rollout.experience.obs.to_vec_f64()?;
        let states = obs.chunks(2).map(|one_hot| one_hot[1]);
        let levels = states.zip(&rollout.times).map(|(s, &t)| (2.5 - 0.8 * f64::from(t) + 0.9 * s) as f32);
        advantages.iter_mut().zip(levels).for_each(|(g, b)| *g -= b);
    }
    let advantages = rollout.experience.tensor(&advantages)?;
    let theta = params.leaf();
    let loss = policy_gradient_loss(&policy, &theta, &rollout.experience, &advantages, estimator)?;
    // The loss is a mean over steps; the return is a sum.
    let objective = loss.scale(-(HORIZON as f64))?.sum_all()?;
    let gradient = theta.grad(&objective, Order::Higher)?;
    let along = gradient.dot(&direction().expand_tasks(N_TASKS)?)?;
    let product = theta.grad(&along, Order::First)?;
    Ok([gradient.detach(), product])
}

/// Four and a half standard errors: one run in 20 000 would fail by chance, with six elements.
const BOUND: f64 = 4.5;

#[test]
fn dice_has_the_exact_gradient_and_hessian() -> Result<()> {
    let exact = exact_derivatives()?;
    for baseline in [false, true] {
        for (estimates, exact) in derivatives(Estimator::Dice, baseline)?.iter().zip(&exact) {
            let distance = furthest(estimates, exact)?;
            assert!(distance < BOUND, "baseline {baseline}: {distance} standard errors");
        }
    }
    Ok(())
}

#[test]
fn all_estimators_have_the_exact_gradient() -> Result<()> {
    let [exact, _] = exact_derivatives()?;
    for estimator in [Estimator::ScoreFunction, Estimator::LowVarianceCurvature] {
        let distance = furthest(&derivatives(estimator, true)?[0], &exact)?;
        assert!(distance < BOUND, "{estimator:?}: {distance} standard errors");
    }
    Ok(())
}

/// The names mean something: the plain estimator's second derivative is wrong by far, and curvature of low variance is
/// nearer but not exact.
#[test]
fn hessians_of_the_other_estimators_are_biased() -> Result<()> {
    let [_, exact] = exact_derivatives()?;
    let miss = |estimator| -> Result<(f64, f64)> {
        let product = &derivatives(estimator, false)?[1];
        let gap = statistics(product)?.iter().zip(&exact).map(|([mean, _], exact)| (mean - exact).powi(2)).sum::<f64>();
        Ok((furthest(product, &exact)?, gap.sqrt()))
    };
    let (plain, plain_gap) = miss(Estimator::ScoreFunction)?;
    let (curved, curved_gap) = miss(Estimator::LowVarianceCurvature)?;
    assert!(plain > 20.0 && curved > BOUND, "{plain}, {curved}");
    assert!(curved_gap < 0.7 * plain_gap, "{curved_gap}, {plain_gap}");
    Ok(())
}

/// All three, and the ratio, agree on the gradient of one and the same rollout.
#[test]
fn forms_share_their_first_derivative() -> Result<()> {
    let (policy, params, rollout) = play()?;
    let experience = &rollout.experience;
    let advantages = experience.tensor(&discounted_returns(rollout.path(), None, 1.0)?)?;
    let theta = params.leaf();
    let gradient = |loss: Tensor| -> Result<Vec<f64>> { Ok(elements(&theta.grad(&loss.sum_all()?, Order::First)?)) };
    let expected = gradient(ratio_loss(&policy, &theta, experience, &advantages)?)?;
    for estimator in [Estimator::ScoreFunction, Estimator::LowVarianceCurvature, Estimator::Dice] {
        let loss = policy_gradient_loss(&policy, &theta, experience, &advantages, estimator)?;
        crate::common::assert_close(&gradient(loss)?, &expected, 1e-9);
    }
    Ok(())
}

/// The exact return is what is played: 60 000 episodes, within four standard errors.
#[test]
fn the_exact_return_is_the_mean_of_what_is_played() -> Result<()> {
    let (_, _, rollout) = play()?;
    let _scope = NoRecord::new();
    let returns: Vec<f64> = rollout.finished.iter().map(|done| done.total).collect();
    let n = returns.len() as f64;
    assert_eq!(returns.len(), N_TASKS * COPIES);
    let mean = returns.iter().sum::<f64>() / n;
    let error = (returns.iter().map(|g| (g - mean).powi(2)).sum::<f64>()).sqrt() / n;
    assert!((mean - exact(&params())?.to_f64()?).abs() < 4.0 * error);
    Ok(())
}
