//! SNAIL.

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::{
    BlackBox, BlackBoxLearner, Examples, MetaLearner, Result, Snail, SnailConfig, SnailLayer, Targets,
};
use rekindle_tasks::{Sinusoid, TaskSampler};

use crate::black_box::{error_after, passes, passes_with_images};

fn snail(inputs: usize, targets: Targets, steps: usize, layers: &[SnailLayer]) -> Snail {
    Snail::new(SnailConfig { inputs, targets, steps, layers: layers.to_vec() }).unwrap()
}

const ATTENTION: SnailLayer = SnailLayer::Attention { keys: 3, values: 2 };
const CONVOLUTIONS: SnailLayer = SnailLayer::Convolutions(3);

#[test]
fn snails_follow_the_rules() {
    passes(snail(1, Targets::Values(1), 6, &[ATTENTION, CONVOLUTIONS, ATTENTION]), true);
    passes_with_images(snail(5, Targets::Classes(3), 4, &[CONVOLUTIONS, ATTENTION]));
}

/// Oracle: the definition, as loops over numbers, on the whole sequence with the query at its end: two dilated
/// convolutions, then attention.
#[test]
fn answers_are_those_of_scalar_loops() -> Result<()> {
    let snail = snail(2, Targets::Values(1), 4, &[CONVOLUTIONS, ATTENTION]);
    let params = snail.init(&mut ChaCha8Rng::seed_from_u64(1), DType::F64, &Device::Cpu)?;
    let params = params.map(|leaf| leaf.add(&leaf.affine(0.3, 0.1)?))?;
    let numbers = |n: usize| (0..n).map(|i| (i as f64 * 1.7).sin()).collect::<Vec<f64>>();
    let (x, y) = (Tensor::from_vec(numbers(6), (1, 3, 2))?, Value::from_vec(numbers(3), (1, 3, 1), &Device::Cpu)?);
    let query = [0.4, -0.9];
    let state = snail.observe(&params, Examples { x: &x, y: &y })?;
    let answer = snail.answer(&params, &state, &Tensor::from_vec(query.to_vec(), (1, 1, 2))?)?;

    let xs = x.to_vec_f64()?;
    let ys = y.flatten_all()?.to_vec1::<f64>()?;
    let mut steps: Vec<Vec<f64>> = (0..3).map(|t| vec![xs[2 * t], xs[2 * t + 1], ys[t]]).collect();
    steps.push(vec![query[0], query[1], 0.0]);
    for (level, dilation) in [(1, 1), (2, 2)] {
        let before = steps.clone();
        for (t, step) in steps.iter_mut().enumerate() {
            let earlier = if t >= dilation { before[t - dilation].clone() } else { vec![0.0; before[t].len()] };
            let both = affine(&params, &format!("layer1.dense{level}"), &[earlier, before[t].clone()].concat());
            step.extend((0..3).map(|i| both[i].tanh() / (1.0 + (-both[3 + i]).exp())));
        }
    }
    let of = |part: &str, step: &[f64]| affine(&params, &format!("layer2.{part}"), step);
    let q = of("query", &steps[3]);
    let score = |step: &[f64]| (of("key", step).iter().zip(&q).map(|(k, q)| k * q).sum::<f64>() / 3.0f64.sqrt()).exp();
    let total: f64 = steps.iter().map(|step| score(step)).sum();
    let value = |i: usize| steps.iter().map(|step| score(step) / total * of("value", step)[i]).sum::<f64>();
    let all = [steps[3].clone(), vec![value(0), value(1)]].concat();
    crate::assert_close(&answer.to_vec_f64()?, &affine(&params, "head", &all), 1e-12);
    Ok(())
}

fn affine(params: &Params, name: &str, x: &[f64]) -> Vec<f64> {
    let leaf = |part: &str| params.get(&format!("{name}.{part}")).unwrap().to_vec_f64().unwrap();
    let (w, b) = (leaf("weight"), leaf("bias"));
    (0..b.len()).map(|j| b[j] + x.iter().enumerate().map(|(i, x)| x * w[i * b.len() + j]).sum::<f64>()).collect()
}

/// The paper's few-shot net has attention on both ends; five-way one-shot tasks are six steps, seen by dilations 1, 2, 4.
#[test]
fn the_few_shot_net_has_the_papers_layers() -> Result<()> {
    let snail = Snail::new(SnailConfig::few_shot(64, 5, 1))?;
    let params = snail.init(&mut ChaCha8Rng::seed_from_u64(2), DType::F32, &Device::Cpu)?;
    let channels = 64 + 5 + 32 + 3 * 128 + 128 + 3 * 128 + 256;
    assert_eq!(params.get("head.weight")?.dims(), [1, channels, 5]);
    assert!(params.contains("layer4.dense3.weight") && !params.contains("layer4.dense4.weight"));
    Ok(())
}

/// A function that ignores the task costs at least 3.006 on sine waves.
#[test]
fn a_snail_learns_to_learn_sine_waves() -> Result<()> {
    let attention = SnailLayer::Attention { keys: 16, values: 16 };
    let layers = [attention, SnailLayer::Convolutions(16), attention];
    let error = error_after(snail(1, Targets::Values(1), 11, &layers), Sinusoid::maml(10), (800, 3e-3))?;
    assert!(error < 2.3, "{error}");
    Ok(())
}

#[test]
fn too_long_sequences_and_bad_settings_are_refused() -> Result<()> {
    let learner = BlackBoxLearner::new(snail(1, Targets::Values(1), 4, &[ATTENTION]));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(3), DType::F32, &Device::Cpu)?;
    let tasks = Sinusoid::maml(4).sample(&mut ChaCha8Rng::seed_from_u64(4), 1)?;
    let error = learner.adapt(&params, &tasks.support).unwrap_err().to_string();
    assert!(error.contains("4 support examples") && error.contains("takes 1 to 3"), "{error}");
    let message = |steps, layers: &[SnailLayer]| {
        let config = SnailConfig { inputs: 1, targets: Targets::Values(1), steps, layers: layers.to_vec() };
        Snail::new(config).unwrap_err().to_string()
    };
    assert!(message(1, &[ATTENTION]).contains("steps = 1"));
    assert!(message(4, &[]).contains("layers = 0"));
    assert!(message(4, &[SnailLayer::Convolutions(0)]).contains("filters = 0"));
    Ok(())
}
