//! Memory-augmented networks.

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Tensor;
use rekindle_meta::{BlackBox, Examples, Mann, MannConfig, Result, Targets};
use rekindle_nn::{Lstm, LstmConfig, LstmState};

use crate::black_box::{
    error_after, lines, outputs_are_answers_after_prefixes, passes, passes_with_images, targets_are_scaled,
};

fn config(inputs: usize, targets: Targets, every_step: bool) -> MannConfig {
    MannConfig { units: 5, places: 6, width: 3, heads: 2, every_step, ..MannConfig::new(inputs, targets) }
}

#[test]
fn manns_follow_the_rules() -> Result<()> {
    for every_step in [false, true] {
        passes(Mann::new(config(1, Targets::Values(1), every_step))?, true);
    }
    passes_with_images(Mann::new(config(5, Targets::Classes(3), false))?);
    outputs_are_answers_after_prefixes(Mann::new(config(1, Targets::Values(1), false))?);
    let scaled = |target_scale| Mann::new(MannConfig { target_scale, ..config(1, Targets::Values(1), false) });
    targets_are_scaled(&scaled(2.0)?, &scaled(1.0)?)
}

/// Oracle: the equations of the module as loops over numbers, for one task and four steps; the controller is that of the
/// crate for networks, which has an oracle of its own.
#[test]
fn outputs_are_those_of_scalar_loops() -> Result<()> {
    let config = config(2, Targets::Values(1), false);
    let mann = Mann::new(config)?;
    let (heads, places, width, units) = (config.heads, config.places, config.width, config.units);
    let params = mann.init(&mut ChaCha8Rng::seed_from_u64(1), DType::F64, &Device::Cpu)?;
    let params = params.map(|leaf| leaf.affine(1.5, 0.1))?;
    let numbers = |n: usize| (0..n).map(|i| (i as f64 * 2.3).cos()).collect::<Vec<f64>>();
    let steps = 4;
    let (xs, ys) = (numbers(2 * steps), numbers(steps));
    let x = Tensor::from_vec(xs.clone(), (1, steps, 2))?;
    let y = Value::from_vec(ys.clone(), (1, steps, 1), &Device::Cpu)?;
    let outputs = rekindle_meta::Prequential::outputs(&mann, &params, Examples { x: &x, y: &y })?.to_vec_f64()?;

    let leaf = |name: &str| params.get(name).unwrap().to_vec_f64().unwrap();
    let controller = Lstm::new("controller", LstmConfig { inputs: 3 + heads * width, units, forget_bias: 1.0 })?;
    let zeros = Tensor::zeros((1, 1, units), DType::F64, &Device::Cpu)?;
    let mut state = LstmState { h: zeros.clone(), c: zeros };
    let affine = |name: &str, x: &[f64]| -> Vec<f64> {
        let (w, b) = (leaf(&format!("{name}.weight")), leaf(&format!("{name}.bias")));
        (0..b.len()).map(|j| b[j] + x.iter().enumerate().map(|(i, x)| x * w[i * b.len() + j]).sum::<f64>()).collect()
    };
    let mut memory = vec![vec![0.0; width]; places];
    let mut read = vec![0.0; heads * width];
    let mut read_weights = vec![vec![0.0; places]; heads];
    let mut usage = vec![0.0f64; places];
    for t in 0..steps {
        let before = if t == 0 { 0.0 } else { ys[t - 1] };
        let inputs = [vec![xs[2 * t], xs[2 * t + 1], before], read.clone()].concat();
        state = controller.step(&params, &Tensor::from_vec(inputs, (1, 1, 3 + heads * width))?, &state)?;
        let h = state.h.to_vec_f64()?;
        let keys: Vec<f64> = affine("keys", &h).into_iter().map(f64::tanh).collect();
        let gate: Vec<f64> = leaf("gate").into_iter().map(|a| 1.0 / (1.0 + (-a).exp())).collect();
        let mut order: Vec<usize> = (0..places).collect();
        order.sort_by(|&i, &j| usage[i].total_cmp(&usage[j]));
        let norm = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() + 1e-6).sqrt();
        let mut next = memory.clone();
        next[order[0]] = vec![0.0; width];
        let mut next_weights = Vec::new();
        let mut used = vec![0.0; places];
        read.clear();
        for head in 0..heads {
            let key = &keys[head * width..(head + 1) * width];
            let similar: Vec<f64> = memory
                .iter()
                .map(|m| (m.iter().zip(key).map(|(m, k)| m * k).sum::<f64>() / norm(m) / norm(key)).exp())
                .collect();
            let total: f64 = similar.iter().sum();
            let weights: Vec<f64> = similar.iter().map(|s| s / total).collect();
            read.extend((0..width).map(|c| (0..places).map(|p| weights[p] * memory[p][c]).sum::<f64>()));
            for p in 0..places {
                let least = f64::from(u8::from(order[head] == p));
                let write = gate[head] * read_weights[head][p] + (1.0 - gate[head]) * least;
                used[p] += weights[p] + write;
                (0..width).for_each(|c| next[p][c] += write * key[c]);
            }
            next_weights.push(weights);
        }
        (memory, read_weights) = (next, next_weights);
        usage = usage.iter().zip(&used).map(|(u, used)| 0.99 * u + used).collect();
        crate::assert_close(&outputs[t..=t], &affine("head", &[h, read.clone()].concat()), 1e-10);
    }
    Ok(())
}

/// A function that ignores the task costs at least 1.444 on these lines.
#[test]
fn a_mann_learns_to_learn_lines() -> Result<()> {
    let config = MannConfig { units: 32, places: 12, width: 8, heads: 1, ..MannConfig::new(1, Targets::Values(1)) };
    let error = error_after(Mann::new(config)?, lines(), (300, 5e-3))?;
    assert!(error < 0.9, "{error}");
    Ok(())
}

#[test]
fn bad_settings_are_named() {
    let message = |config| Mann::new(config).unwrap_err().to_string();
    let good = MannConfig::new(1, Targets::Classes(5));
    assert!(message(MannConfig { places: 3, ..good }).contains("places = 3"));
    assert!(message(MannConfig { heads: 0, ..good }).contains("heads = 0"));
    assert!(message(MannConfig { target_scale: 0.0, ..good }).contains("target_scale = 0"));
    assert!(message(MannConfig { usage_decay: 1.5, ..good }).contains("usage_decay = 1.5"));
}
