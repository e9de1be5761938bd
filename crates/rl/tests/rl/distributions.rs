//! Distributions against closed forms, numerical integrals and finite differences.

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{Check, Tensor, check_gradients};
use rekindle_envs::{ActionBuffer, stream_rng};
use rekindle_rl::{Categorical, Distribution, Gaussian, Result};

use crate::common::{assert_close, noise_tensor, on_tape};

/// `[T, M, B, A]` = `[3, 2, 2, 4]`.
fn logits() -> Tensor {
    noise_tensor(&[3, 2, 2, 4], 1).scale(2.0).unwrap()
}

fn gaussian(mean: f64, std: f64) -> Gaussian {
    let mean = Tensor::from_vec(vec![mean], (1, 1, 1)).unwrap();
    Gaussian::new(&mean, &Tensor::from_vec(vec![std.ln()], (1, 1)).unwrap()).unwrap()
}

#[test]
fn categorical_entropy_and_divergence_are_sums_over_actions() -> Result<()> {
    let (p, q) = (Categorical::new(&logits())?, Categorical::new(&noise_tensor(&[3, 2, 2, 4], 2))?);
    let (log_p, log_q) = (p.log_probs().to_vec_f64()?, q.log_probs().to_vec_f64()?);
    let (mut entropy, mut kl) = (Vec::new(), Vec::new());
    for (p, q) in log_p.chunks(4).zip(log_q.chunks(4)) {
        let total: f64 = p.iter().map(|x| x.exp()).sum();
        assert!((total - 1.0).abs() < 1e-12);
        entropy.push(-p.iter().map(|x| x.exp() * x).sum::<f64>());
        kl.push(p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>());
    }
    assert_close(&p.entropy()?.to_vec_f64()?, &entropy, 1e-12);
    assert_close(&p.kl(&q)?.to_vec_f64()?, &kl, 1e-12);
    assert_close(&p.kl(&p)?.to_vec_f64()?, &[0.0; 12], 1e-12);
    Ok(())
}

/// Simpson's rule over ±12 deviations, which leaves out less than 1e-30.
fn integral(p: &Gaussian, f: impl Fn(f64, f64) -> f64) -> f64 {
    let (n, mean, std) = (4000, p.mean().to_vec_f64().unwrap()[0], p.log_std().to_vec_f64().unwrap()[0].exp());
    let (low, width) = (mean - 12.0 * std, 24.0 * std / f64::from(n));
    let log_prob = |x: f64| {
        let action = Value::from_vec(vec![x], (1, 1, 1), &Device::Cpu).unwrap();
        p.log_prob(&action).unwrap().to_vec_f64().unwrap()[0]
    };
    let term = |i: i32| {
        let x = low + width * f64::from(i);
        let weight = if i == 0 || i == n { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
        weight * f(x, log_prob(x))
    };
    (0..=n).map(term).sum::<f64>() * width / 3.0
}

#[test]
fn gaussian_density_entropy_and_divergence_are_integrals() -> Result<()> {
    let (p, q) = (gaussian(0.3, 0.7), gaussian(-0.4, 1.3));
    let total = integral(&p, |_, log_p| log_p.exp());
    let entropy = integral(&p, |_, log_p| -log_p * log_p.exp());
    let kl = integral(&p, |x, log_p| {
        let action = Value::from_vec(vec![x], (1, 1, 1), &Device::Cpu).unwrap();
        log_p.exp() * (log_p - q.log_prob(&action).unwrap().to_vec_f64().unwrap()[0])
    });
    assert_close(&[total], &[1.0], 1e-10);
    assert_close(&p.entropy()?.to_vec_f64()?, &[entropy], 1e-10);
    assert_close(&p.kl(&q)?.to_vec_f64()?, &[kl], 1e-9);
    Ok(())
}

#[test]
fn elements_of_a_gaussian_are_independent() -> Result<()> {
    let mean = noise_tensor(&[2, 3, 2, 2], 3);
    let log_std = noise_tensor(&[3, 2], 4);
    let d = Gaussian::new(&mean, &log_std)?;
    let actions = noise_tensor(&[2, 3, 2, 2], 5);
    let (found, stds) = (d.log_prob(actions.value())?, log_std.to_vec_f64()?);
    let (mean, actions) = (mean.to_vec_f64()?, actions.to_vec_f64()?);
    let density = |row: usize| -> f64 {
        let task = row / 2 % 3;
        (0..2)
            .map(|i| {
                let (s, z) = (stds[2 * task + i], actions[2 * row + i] - mean[2 * row + i]);
                -0.5 * (z / s.exp()).powi(2) - s - 0.5 * std::f64::consts::TAU.ln()
            })
            .sum()
    };
    assert_close(&found.to_vec_f64()?, &(0..12).map(density).collect::<Vec<_>>(), 1e-12);
    assert_eq!((found.dims(), d.entropy()?.dims(), d.kl(&d)?.dims()), (&[2, 3, 2][..], &[2, 3, 2][..], &[2, 3, 2][..]));
    Ok(())
}

#[test]
fn derivatives_of_the_categorical_match_finite_differences() -> Result<()> {
    let actions = Value::from_vec(vec![0u32, 3, 1, 2, 2, 0, 3, 3, 1, 1, 0, 2], (3, 2, 2), &Device::Cpu)?;
    let f = |x: &[Tensor]| -> Result<Tensor> {
        let (p, q) = (Categorical::new(&x[0])?, Categorical::new(&x[1])?);
        Ok(p.log_prob(&actions)?.mul(&q.entropy()?)?.add(&p.kl(&q)?)?)
    };
    let inputs = [logits(), noise_tensor(&[3, 2, 2, 4], 2)];
    check_gradients(|x| on_tape(f(x)), &inputs, Check { order: 2, tolerance: 1e-6, ..Check::default() })?;
    Ok(())
}

#[test]
fn derivatives_of_the_gaussian_match_finite_differences() -> Result<()> {
    let actions = noise_tensor(&[2, 2, 2, 2], 5);
    let f = |x: &[Tensor]| -> Result<Tensor> {
        let (p, q) = (Gaussian::new(&x[0], &x[1])?, Gaussian::new(&x[2], &x[3])?);
        Ok(p.log_prob(actions.value())?.mul(&q.entropy()?)?.add(&p.kl(&q)?)?)
    };
    let inputs = [
        noise_tensor(&[2, 2, 2, 2], 6),
        noise_tensor(&[2, 2], 7),
        noise_tensor(&[2, 2, 2, 2], 8),
        // One deviation for all tasks broadcasts.
        noise_tensor(&[1, 2], 9),
    ];
    check_gradients(|x| on_tape(f(x)), &inputs, Check { order: 3, tolerance: 1e-5, ..Check::default() })?;
    Ok(())
}

/// 20 000 draws: the frequencies within four standard errors, at most 0.0141.
#[test]
fn draws_follow_the_distribution() -> Result<()> {
    let n = 20_000;
    let logits = Tensor::from_vec(vec![0.5f64, -1.0, 1.5], (1, 1, 3))?.broadcast_to((1, n, 3))?.contiguous()?;
    let p = Categorical::new(&logits)?;
    let mut rngs: Vec<_> = (0..n as u64).map(|i| stream_rng(5, i)).collect();
    let ActionBuffer::Discrete(drawn) = Distribution::Categorical(p.clone()).sample(&mut rngs)? else { unreachable!() };
    for (action, log_p) in p.log_probs().to_vec_f64()?[..3].iter().enumerate() {
        let share = drawn.iter().filter(|&&a| a as usize == action).count() as f64 / n as f64;
        assert!((share - log_p.exp()).abs() < 0.0142, "{action}: {share}, not {}", log_p.exp());
    }

    let mean = Tensor::zeros((1, n, 1), DType::F64, &Device::Cpu)?.shift(0.3)?;
    let d = Gaussian::new(&mean, &Tensor::from_vec(vec![0.5f64.ln()], (1, 1))?)?;
    let ActionBuffer::Continuous(drawn) = Distribution::Gaussian(d).sample(&mut rngs)? else { unreachable!() };
    let mean = drawn.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
    let var = drawn.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n as f64;
    // Standard errors 0.0035 and 0.0025.
    assert!((mean - 0.3).abs() < 0.0142 && (var - 0.25).abs() < 0.01, "{mean}, {var}");
    Ok(())
}

/// Two steps of two tasks, each with a deviation of its own: rows with equal generators differ by its factor alone.
#[test]
fn draws_have_the_deviation_of_their_task() -> Result<()> {
    let mean = Tensor::zeros((2, 2, 3, 2), DType::F64, &Device::Cpu)?;
    let log_std = Tensor::from_vec(vec![0.0f64, 1.0, 2.0, 3.0], (2, 2))?;
    let mut rngs: Vec<_> = (0..12).map(|_| stream_rng(6, 0)).collect();
    let ActionBuffer::Continuous(drawn) = Distribution::Gaussian(Gaussian::new(&mean, &log_std)?).sample(&mut rngs)?
    else {
        unreachable!()
    };
    for (row, action) in drawn.chunks_exact(2).enumerate() {
        let factor = if row / 3 % 2 == 0 { 1.0 } else { 2.0f32.exp() };
        for (a, first) in action.iter().zip(&drawn[..2]) {
            assert!((a / first - factor).abs() < 1e-5 * factor, "row {row}: {a}, not {factor} times {first}");
        }
    }
    Ok(())
}
