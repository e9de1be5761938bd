//! The natural gradient step: on quadratics in closed form, and on policies.

use candle_core::DType;
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{Catch, Single, Space, VecEnv};
use rekindle_rl::returns::discounted_returns;
use rekindle_rl::{
    Collector, HessianProduct, Objective, Policy, Result, TrustRegionConfig, mean_kl, trpo, trust_region_step,
};

use crate::common::{assert_close, elements, feed_forward, init, noise, recurrent, shared};

/// Loss `g·θ`, divergence `½ (θ − θ₀)ᵀ F (θ − θ₀)` with a diagonal F, for P problems at once.
fn quadratic(theta: &Params, start: &Params, g: &Tensor, f: &Tensor) -> Result<Objective> {
    let (x, x0) = (theta.get("x")?, start.get("x")?);
    let apart = x.sub(x0)?;
    Ok(Objective { loss: x.mul(g)?.sum(&[1])?, kl: apart.sqr()?.mul(f)?.sum(&[1])?.scale(0.5)? })
}

#[test]
fn on_a_quadratic_the_step_is_the_closed_form() -> Result<()> {
    let (p, n) = (3, 4);
    let tensor = |seed: u64| Tensor::from_vec(noise(p * n, seed), (p, n));
    let start = Params::new([("x".to_owned(), tensor(1)?)])?;
    let (g, f) = (tensor(2)?, tensor(3)?.sqr()?.shift(0.2)?);
    let products = [(HessianProduct::Exact, 1e-9), (HessianProduct::Differences { step: 1e-3 }, 1e-6)];
    for (hessian, tolerance) in products {
        let config = TrustRegionConfig { damping: 0.0, max_kl: 0.02, hessian, ..TrustRegionConfig::default() };
        let step = trust_region_step(&start, &config, |theta| quadratic(theta, &start, &g, &f))?;
        let (g, f, x) = (g.to_vec_f64()?, f.to_vec_f64()?, start.get("x")?.to_vec_f64()?);
        let mut expected = Vec::new();
        for task in 0..p {
            let places = task * n..(task + 1) * n;
            let size: f64 = places.clone().map(|i| g[i] * g[i] / f[i]).sum();
            expected.extend(places.map(|i| x[i] - (2.0 * 0.02 / size).sqrt() * g[i] / f[i]));
        }
        let moved = |x: &[f64]| -> Vec<f64> { x.iter().zip(&elements(&start)).map(|(x, y)| x - y).collect() };
        // The full step may lie beyond the limit by rounding, and is then shortened once.
        let shortened: Vec<f64> = step.fraction.iter().flat_map(|&f| vec![f; n]).collect();
        let expected: Vec<f64> = moved(&expected).iter().zip(shortened).map(|(d, f)| d * f).collect();
        assert_close(&moved(&elements(&step.params)), &expected, tolerance);
        for (kl, fraction) in step.kl.iter().zip(&step.fraction) {
            assert!(*fraction >= 0.8 && (kl / (0.02 * fraction * fraction) - 1.0).abs() < 1e-4 && *kl <= 0.02);
        }
    }
    Ok(())
}

/// A loss that rises along every step: nothing moves, and the fraction says so.
#[test]
fn no_step_is_better_than_a_bad_one() -> Result<()> {
    let start = Params::new([("x".to_owned(), Tensor::from_vec(vec![1.0f64, 1.0], (2, 1))?)])?;
    let step = trust_region_step(&start, &TrustRegionConfig::default(), |theta| {
        let x = theta.get("x")?;
        let steep = x.sub(start.get("x")?)?.sqr()?.scale(1e9)?;
        let steep = steep.mul(&Tensor::from_vec(vec![1.0, 0.0], (2, 1))?)?;
        Ok(Objective { loss: x.add(&steep)?.sum(&[1])?, kl: x.sub(start.get("x")?)?.sqr()?.sum(&[1])? })
    })?;
    assert_eq!(step.fraction[0], 0.0);
    assert!(step.fraction[1] > 0.0 && step.loss_after[1] < step.loss_before[1]);
    assert_eq!(elements(&step.params)[0], 1.0);
    Ok(())
}

fn catch(policy: &Policy, params: &Params, n_tasks: usize) -> Result<(rekindle_rl::Rollout, Vec<f32>)> {
    let env = VecEnv::stack(&Single(Catch::new(4, 3)?), &vec![(); n_tasks], 6)?;
    let rollout = Collector::new(env, 3)?.collect(policy, params, 9)?;
    let mut advantages = discounted_returns(rollout.path(), None, 0.9)?;
    rollout.experience.normalise(&mut advantages)?;
    Ok((rollout, advantages))
}

/// Exact products and differences of gradients give the same step, in f64, for feed-forward and recurrent policies;
/// the divergence is below its limit and near it.
#[test]
fn products_from_the_tape_are_those_of_differences() -> Result<()> {
    for policy in [feed_forward(12, &Space::discrete(3)), recurrent(12, &Space::discrete(3))] {
        let params = init(&policy, 5, DType::F64);
        let (rollout, advantages) = catch(&policy, &params, 2)?;
        let step = |hessian| {
            let config = TrustRegionConfig { hessian, damping: 1e-2, cg_iterations: 5, ..TrustRegionConfig::default() };
            trpo(&policy, &params, &rollout.experience, &advantages, &config)
        };
        let exact = step(HessianProduct::Exact)?;
        let differences = step(HessianProduct::Differences { step: 1e-4 })?;
        let change = |after: &Params| -> Result<Vec<f64>> { Ok(elements(&after.sub(&params)?)) };
        assert_close(&change(&exact.params)?, &change(&differences.params)?, 1e-5);
        assert!(exact.loss_after[0] < exact.loss_before[0] && exact.kl[0] <= 0.01);
        let kl = mean_kl(&policy, &exact.params, &rollout.experience)?.mean_all()?.to_f64()?;
        assert_close(&[kl], &[exact.kl[0]], 1e-9);
        // Without much damping the limit is what the step is long for.
        let free = trpo(&policy, &params, &rollout.experience, &advantages, &TrustRegionConfig::default())?;
        let expected = 0.01 * free.fraction[0] * free.fraction[0];
        assert!(free.kl[0] <= 0.01 && free.kl[0] > 0.5 * expected, "{:?}, {expected}", free.kl);
        // The critic is not TRPO's.
        assert_eq!(elements(&exact.params.sub_params("critic")?), elements(&params.sub_params("critic")?));
    }
    Ok(())
}

/// Leaves `[M, …]` are M policies, each with its own conjugate gradients and line search.
#[test]
fn tasks_with_policies_of_their_own_take_their_own_steps() -> Result<()> {
    for policy in [feed_forward(12, &Space::discrete(3)), recurrent(12, &Space::discrete(3))] {
        let params = crate::common::per_task(&policy, 2, DType::F64);
        let (rollout, advantages) = catch(&policy, &params, 2)?;
        let config = TrustRegionConfig { damping: 1e-2, ..TrustRegionConfig::default() };
        let both = trpo(&policy, &params, &rollout.experience, &advantages, &config)?;
        for task in 0..2 {
            let env = VecEnv::stack(&Single(Catch::new(4, 3)?), &[(); 2], 6)?;
            // The other task's policy plays no part in what this one does.
            let twice = Params::cat_tasks(&[params.narrow_tasks(task, 1)?, params.narrow_tasks(task, 1)?])?;
            let alone = Collector::new(env, 3)?.collect(&policy, &twice, 9)?;
            let mut own = discounted_returns(alone.path(), None, 0.9)?;
            alone.experience.normalise(&mut own)?;
            let step = trpo(&policy, &twice, &alone.experience, &own, &config)?;
            let change = |after: &Params| -> Result<Vec<f64>> {
                Ok(elements(&after.narrow_tasks(task, 1)?.sub(&params.narrow_tasks(task, 1)?)?))
            };
            assert_close(&change(&both.params)?, &change(&step.params)?, 1e-6);
        }
    }
    Ok(())
}

#[test]
fn a_shared_value_is_refused() -> Result<()> {
    let policy = shared(12, &Space::discrete(3));
    let params = init(&policy, 5, DType::F64);
    let (rollout, advantages) = catch(&policy, &params, 1)?;
    let error = trpo(&policy, &params, &rollout.experience, &advantages, &TrustRegionConfig::default()).unwrap_err();
    assert!(error.to_string().contains("with_critic"), "{error}");
    Ok(())
}
