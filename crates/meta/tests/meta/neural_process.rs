//! Neural processes.

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_meta::{Aggregation, BlackBoxLearner, MetaLearner, NeuralProcess, NeuralProcessConfig, Result, Setting};
use rekindle_nn::{Activation, Init};
use rekindle_tasks::{Batch, Sinusoid, TaskSampler};

use crate::black_box::{passes, trained};

fn small(aggregation: Aggregation) -> NeuralProcessConfig {
    NeuralProcessConfig {
        width: 6,
        layers: [2, 1],
        aggregation,
        activation: Activation::Tanh,
        weight: Init::GlorotUniform,
        ..NeuralProcessConfig::conditional(1, 1)
    }
}

fn learner(aggregation: Aggregation) -> BlackBoxLearner<NeuralProcess> {
    BlackBoxLearner::new(NeuralProcess::new(small(aggregation)).unwrap())
}

const BOTH: [Aggregation; 2] = [Aggregation::Mean, Aggregation::Attention(2)];

#[test]
fn neural_processes_follow_the_rules() {
    for aggregation in BOTH {
        passes(NeuralProcess::new(small(aggregation)).unwrap(), true);
    }
}

/// Neither the mean nor attention knows the order of the examples.
#[test]
fn the_order_of_examples_does_not_matter() -> Result<()> {
    for aggregation in BOTH {
        let learner = learner(aggregation);
        let params = learner.init(&mut ChaCha8Rng::seed_from_u64(1), DType::F64, &Device::Cpu)?;
        let tasks = Sinusoid::maml(5).sample(&mut ChaCha8Rng::seed_from_u64(2), 2)?.to_dtype(DType::F64)?;
        let Batch { x, y } = &tasks.support;
        let order = candle_core::Tensor::new(&[3u32, 0, 4, 2, 1], &Device::Cpu)?;
        let other = Batch { x: x.index_select(&order, 1)?, y: y.index_select(&order, 1)? };
        let answer = |support: &Batch| -> Result<Vec<f64>> {
            let adapted = learner.adapt(&params, support)?;
            Ok(learner.predict(&adapted, support, &tasks.query.x, Setting::Inductive)?.to_vec_f64()?)
        };
        crate::assert_close(&answer(&tasks.support)?, &answer(&other)?, 1e-12);
    }
    Ok(())
}

/// Oracle: the density of the normal distribution, number by number.
#[test]
fn the_likelihood_is_that_of_a_normal_distribution() -> Result<()> {
    let learner = learner(Aggregation::Mean);
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(3), DType::F64, &Device::Cpu)?;
    let tasks = Sinusoid::maml(4).sample(&mut ChaCha8Rng::seed_from_u64(4), 2)?.to_dtype(DType::F64)?;
    let adapted = learner.adapt(&params, &tasks.support)?;
    let (mean, deviation) = learner.distribution(&adapted, &tasks.query.x)?;
    let (mean, deviation) = (mean.to_vec_f64()?, deviation.to_vec_f64()?);
    assert!(deviation.iter().all(|s| *s > 0.1));
    let y = tasks.query.y.flatten_all()?.to_vec1::<f64>()?;
    let log = |i: usize| {
        let z = (y[i] - mean[i]) / deviation[i];
        ((-0.5 * z * z).exp() / (deviation[i] * std::f64::consts::TAU.sqrt())).ln()
    };
    let expected: Vec<f64> = (0..2).map(|task| (0..4).map(|i| log(4 * task + i)).sum::<f64>() / 4.0).collect();
    crate::assert_close(&learner.log_likelihood(&params, &tasks)?, &expected, 1e-10);
    Ok(())
}

/// With more examples both know more, and attention about as much as the mean does, at least. A process that ignores the examples
/// has at best the likelihood of a normal distribution with the variance of the best such function, 3.006: −1.97.
#[test]
fn likelihood_grows_with_the_examples_and_attention_is_not_behind() -> Result<()> {
    let likelihood = |aggregation| -> Result<[f64; 2]> {
        let config =
            NeuralProcessConfig { width: 32, layers: [2, 2], aggregation, ..NeuralProcessConfig::conditional(1, 1) };
        let learner = BlackBoxLearner::new(NeuralProcess::new(config)?);
        let params = trained(&learner, Sinusoid::maml(10), (2000, 1e-3))?;
        let of = |shots: usize| -> Result<f64> {
            let tasks = Sinusoid { queries: 20, ..Sinusoid::maml(shots) };
            let tasks = tasks.sample(&mut ChaCha8Rng::seed_from_u64(5), 300)?;
            Ok(learner.log_likelihood(&params, &tasks)?.iter().sum::<f64>() / 300.0)
        };
        Ok([of(2)?, of(10)?])
    };
    let (mean, attention) = (likelihood(Aggregation::Mean)?, likelihood(Aggregation::Attention(4))?);
    for [few, many] in [mean, attention] {
        assert!(many > few && many > -1.9, "{mean:?}, {attention:?}");
    }
    assert!(attention[1] > mean[1] - 0.05, "{mean:?}, {attention:?}");
    Ok(())
}

#[test]
fn bad_settings_are_named() -> Result<()> {
    let message = |config| NeuralProcess::new(config).unwrap_err().to_string();
    let conditional = NeuralProcessConfig::conditional(1, 1);
    assert!(message(NeuralProcessConfig { layers: [1, 0], ..conditional }).contains("layers[1] = 0"));
    assert!(message(NeuralProcessConfig { least_deviation: 0.0, ..conditional }).contains("least_deviation = 0"));
    assert!(message(small(Aggregation::Attention(4))).contains("divisible by the heads"));
    let learner = learner(Aggregation::Mean);
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(6), DType::F32, &Device::Cpu)?;
    let support = Sinusoid::maml(1).sample(&mut ChaCha8Rng::seed_from_u64(7), 1)?.support;
    let nothing = Batch { x: support.x.narrow(1, 0, 0)?, y: support.y.narrow(1, 0, 0)? };
    assert!(learner.adapt(&params, &nothing).unwrap_err().to_string().contains("at least one support example"));
    Ok(())
}
