//! Meta networks.

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Tensor;
use rekindle_meta::{
    BlackBox, BlackBoxLearner, Examples, MetaLearner, MetaNetworks, MetaNetworksConfig, Result, Targets,
};
use rekindle_nn::Activation;
use rekindle_tasks::{Sinusoid, TaskSampler};

use crate::black_box::{error_after, lines, passes, passes_with_images};

fn networks(inputs: usize, targets: Targets) -> MetaNetworks {
    let config = MetaNetworksConfig { units: 5, meta_units: 4, ..MetaNetworksConfig::new(inputs, targets) };
    MetaNetworks::new(MetaNetworksConfig { activation: Activation::Tanh, ..config }).unwrap()
}

/// The gradient is not exactly that of the losses: none flows through the loss gradients.
#[test]
fn meta_networks_follow_the_rules() {
    passes(networks(1, Targets::Values(1)), false);
    passes_with_images(networks(5, Targets::Classes(3)));
}

/// Oracle: the equations as loops over numbers, with the gradients of a perceptron with tanh by the chain rule, for two
/// examples of one number and squared errors. The LSTM is the crate's own for networks.
#[test]
fn fast_weights_and_answers_are_those_of_scalar_loops() -> Result<()> {
    let networks = networks(1, Targets::Values(1));
    let params = networks.init(&mut ChaCha8Rng::seed_from_u64(1), DType::F64, &Device::Cpu)?;
    let params = params.map(|leaf| leaf.affine(1.2, 0.05))?;
    let leaf = |name: &str| params.get(name).unwrap().to_vec_f64().unwrap();
    let (xs, ys, query) = ([0.7, -1.1], [0.4, 0.9], 0.3);
    let x = Tensor::from_vec(xs.to_vec(), (1, 2, 1))?;
    let y = Value::from_slice(&ys, (1, 2, 1), &Device::Cpu)?;
    let state = networks.observe(&params, Examples { x: &x, y: &y })?;
    let answer = networks.answer(&params, &state, &Tensor::from_vec(vec![query], (1, 1, 1))?)?.to_vec_f64()?;

    // By the chain rule: L = (h·v + c − y)², h = tanh(x w + b).
    let gradients = |lower: &str, upper: &str, x: f64, y: f64| -> (Vec<f64>, Vec<f64>) {
        let (w, b) = (leaf(&format!("{lower}.weight")), leaf(&format!("{lower}.bias")));
        let (v, c) = (leaf(&format!("{upper}.weight")), leaf(&format!("{upper}.bias")));
        let h: Vec<f64> = w.iter().zip(&b).map(|(w, b)| (x * w + b).tanh()).collect();
        let error = 2.0 * (h.iter().zip(&v).map(|(h, v)| h * v).sum::<f64>() + c[0] - y);
        let by_w = h.iter().zip(&v).map(|(h, v)| error * v * (1.0 - h * h) * x).collect();
        (by_w, h.iter().map(|h| error * h).collect())
    };
    let prepared = |g: f64| {
        let small = (-7.0f64).exp();
        if g.abs() >= small { [g.abs().ln() / 7.0, g.signum()] } else { [-1.0, g / small] }
    };
    let affine = |name: &str, x: &[f64]| -> Vec<f64> {
        let (w, b) = (leaf(&format!("{name}.weight")), leaf(&format!("{name}.bias")));
        (0..b.len()).map(|j| b[j] + x.iter().enumerate().map(|(i, x)| x * w[i * b.len() + j]).sum::<f64>()).collect()
    };
    let tanh = |v: Vec<f64>| v.into_iter().map(f64::tanh).collect::<Vec<_>>();
    let fast: Vec<Vec<f64>> = (0..2)
        .map(|i| {
            let (lower, upper) = gradients("hidden", "out", xs[i], ys[i]);
            let map = |g: f64| affine("map3", &tanh(affine("map2", &tanh(affine("map1", &prepared(g))))))[0];
            lower.into_iter().chain(upper).map(map).collect()
        })
        .collect();
    crate::assert_close(&state.get("fast")?.to_vec_f64()?, &fast.concat(), 1e-10);

    let summary = state.get("summary")?.to_vec_f64()?;
    assert_eq!(summary.len(), 5);
    let (w, b) = (leaf("represent.weight"), leaf("represent.bias"));
    let represent =
        |x: f64| -> Vec<f64> { (0..5).map(|j| (x * w[j] + b[j]).tanh() + (x * summary[j]).tanh()).collect() };
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / ((dot(a, a) + 1e-6) * (dot(b, b) + 1e-6)).sqrt()
    };
    let sharpness = leaf("sharpness")[0].exp();
    let near: Vec<f64> = xs.iter().map(|&x| (sharpness * cosine(&represent(x), &represent(query))).exp()).collect();
    let total: f64 = near.iter().sum();
    let own: Vec<f64> = (0..10).map(|c| (0..2).map(|i| near[i] / total * fast[i][c]).sum()).collect();
    let slow = affine("hidden", &[query]);
    let h: Vec<f64> = (0..5).map(|j| slow[j].tanh() + (query * own[j]).tanh()).collect();
    let quick: f64 = (0..5).map(|j| h[j] * own[5 + j]).sum();
    crate::assert_close(&answer, &[affine("out", &h)[0] + quick], 1e-10);
    Ok(())
}

/// The gradients that the summary reads are those of the representation: with another target there is another summary.
#[test]
fn the_representation_has_fast_weights_of_its_own() -> Result<()> {
    let networks = networks(1, Targets::Values(1));
    let params = networks.init(&mut ChaCha8Rng::seed_from_u64(2), DType::F64, &Device::Cpu)?;
    let x = Tensor::from_vec(vec![0.5, 1.5], (1, 2, 1))?;
    let summary = |y: [f64; 2]| -> Result<Vec<f64>> {
        let y = Value::from_slice(&y, (1, 2, 1), &Device::Cpu)?;
        Ok(networks.observe(&params, Examples { x: &x, y: &y })?.get("summary")?.to_vec_f64()?)
    };
    assert_ne!(summary([1.0, 2.0])?, summary([1.0, -2.0])?);
    Ok(())
}

/// A function that ignores the task costs at least 1.444 on these lines.
#[test]
fn meta_networks_learn_to_learn_lines() -> Result<()> {
    let config = MetaNetworksConfig { units: 20, meta_units: 10, ..MetaNetworksConfig::new(1, Targets::Values(1)) };
    let error = error_after(MetaNetworks::new(config)?, lines(), (400, 5e-3))?;
    assert!(error < 0.9, "{error}");
    Ok(())
}

#[test]
fn misfits_and_bad_settings_are_refused() -> Result<()> {
    let learner = BlackBoxLearner::new(networks(2, Targets::Values(1)));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(3), DType::F32, &Device::Cpu)?;
    let tasks = Sinusoid::maml(4).sample(&mut ChaCha8Rng::seed_from_u64(4), 1)?;
    let error = learner.adapt(&params, &tasks.support).unwrap_err().to_string();
    assert!(error.contains("[1, 4, 1]") && error.contains("[M, B ≥ 1, 2]"), "{error}");
    let config = MetaNetworksConfig { meta_units: 0, ..MetaNetworksConfig::new(1, Targets::Values(1)) };
    assert!(MetaNetworks::new(config).unwrap_err().to_string().contains("meta_units = 0"));
    Ok(())
}
