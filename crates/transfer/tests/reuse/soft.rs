//! Soft Q-learning from open ground to a corridor.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rekindle_autodiff::Tensor;
use rekindle_envs::{Crawler, Ground, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_rl::{FeedForward, Net, Recurrent};
use rekindle_transfer::policy::{Annealing, FeatureNet, SoftConfig, SoftTraining};

#[test]
fn temperatures_fall_log_linearly_and_stay() {
    let falling = Annealing { start: 0.4, end: 0.1, steps: 4 };
    let found: Vec<f64> = (0..6).map(|step| falling.at(step)).collect();
    let expected = [0.4, 0.4 / 2f64.sqrt(), 0.2, 0.2 / 2f64.sqrt(), 0.1, 0.1];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    assert_eq!(Annealing::constant(0.3).at(0), 0.3);
}

const COPIES: usize = 4;
const HORIZON: usize = 200;

/// On open ground the gait is learned: 35 pulls of an episode's 50 at most, where a fresh net makes less than five. From there
/// the narrow corridor is learned within 20,000 steps, at a temperature that has fallen. (What pretraining is worth, against
/// fresh weights, is for `transfer/soft-q` of the bench to say.)
#[test]
fn a_gait_is_learned_and_a_corridor_after_it() -> Result<()> {
    let net: Arc<dyn Net> = Arc::new(FeedForward::value_mlp(&[5, 64, 64, 4], Activation::Relu)?);
    let fresh = net.init(&mut stream_rng(0, 0), DType::F32, &Device::Cpu)?;
    let envs = VecEnv::new(vec![Crawler::new(Ground::Open, HORIZON)?; COPIES])?;
    let mut training = SoftTraining::new(net.clone(), &fresh, envs, SoftConfig::default(), 0)?;
    let (rng, mut totals) = (&mut stream_rng(0, 1), Vec::new());
    for _ in 0..3000 {
        totals.extend(training.step(rng)?.iter().map(|done| done.total));
    }
    let mean = |totals: &[f64]| totals.iter().sum::<f64>() / totals.len() as f64;
    let (first, last) = (mean(&totals[..COPIES]), mean(&totals[totals.len() - 8..]));
    assert!(first < 5.0 && last > 35.0, "from {first} to {last}");
    let envs = VecEnv::new(vec![Crawler::new(Ground::Narrow, HORIZON)?; COPIES])?;
    let temperature = Annealing { start: 0.1, end: 0.02, steps: 400 };
    let config = SoftConfig { temperature, ..SoftConfig::default() };
    let mut training = SoftTraining::new(net, training.params(), envs, config, 100)?;
    assert_eq!(training.temperature(), 0.1);
    let (rng, mut reached) = (&mut stream_rng(0, 2), Vec::new());
    for _ in 0..5000 {
        reached.extend(training.step(rng)?.iter().map(|done| (done.length as usize) < HORIZON));
        let last = &reached[reached.len().saturating_sub(20)..];
        if last.iter().filter(|reached| **reached).count() >= 18 {
            assert_eq!(training.temperature(), 0.02);
            return Ok(());
        }
    }
    panic!("{} of {} episodes reached the end", reached.iter().filter(|reached| **reached).count(), reached.len());
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let envs = || VecEnv::new(vec![Crawler::new(Ground::Open, 10).unwrap()]);
    let net: Arc<dyn Net> = Arc::new(FeedForward::value_mlp(&[5, 8, 4], Activation::Relu)?);
    let params = net.init(&mut stream_rng(0, 0), DType::F32, &Device::Cpu)?;
    let cold = SoftConfig { temperature: Annealing::constant(0.0), ..SoftConfig::default() };
    let error = SoftTraining::new(net.clone(), &params, envs()?, cold, 0).unwrap_err().to_string();
    assert!(error.contains("`temperature` is 0"), "{error}");
    let none = SoftConfig { capacity: 0, ..SoftConfig::default() };
    assert!(SoftTraining::new(net.clone(), &params, envs()?, none, 0).is_err());
    let other: Arc<dyn Net> = Arc::new(FeedForward::value_mlp(&[5, 8, 3], Activation::Relu)?);
    assert!(SoftTraining::new(other, &params, envs()?, SoftConfig::default(), 0).is_err());
    let memory: Arc<dyn Net> = Arc::new(Recurrent::new(5, 4, 4)?);
    assert!(SoftTraining::new(memory, &params, envs()?, SoftConfig::default(), 0).is_err());
    Ok(())
}

/// A step through a sequence is the same as the layers by hand, and a fresh head changes nothing before it.
#[test]
fn feature_nets_are_their_layers() -> Result<()> {
    let net = FeatureNet::new(&[3, 4, 2], 5, Activation::Tanh)?;
    let rng = &mut stream_rng(1, 0);
    let params = net.init(rng, DType::F64, &Device::Cpu)?;
    let obs = Tensor::from_vec((0..2 * 6 * 3).map(|i| f64::from(i) / 36.0).collect(), (2, 1, 6, 3))?;
    let sequence = rekindle_rl::Sequence { obs: &obs, starts: &[false; 12] };
    let through = net.forward(&params, sequence, None)?.0;
    assert_eq!(through.dims(), [2, 1, 6, 5]);
    let features = net.features(&params, &obs.reshape((1, 12, 3))?)?;
    let by_hand = net.outputs(&params, &features)?.to_vec_f64()?;
    assert!(through.to_vec_f64()?.iter().zip(&by_hand).all(|(a, b)| (a - b).abs() < 1e-12));
    let reset = net.reset_head(&params, rng)?;
    assert_eq!(net.features(&reset, &obs.reshape((1, 12, 3))?)?.to_vec_f64()?, features.to_vec_f64()?);
    assert_ne!(reset.get("head.fc1.weight")?.to_vec_f64()?, params.get("head.fc1.weight")?.to_vec_f64()?);
    assert!(FeatureNet::new(&[3], 5, Activation::Tanh).is_err());
    Ok(())
}
