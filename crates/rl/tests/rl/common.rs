//! Policies, parameters and comparisons that several tests use.

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::Space;
use rekindle_nn::Activation;
use rekindle_rl::{ActionHead, Attentive, AttentiveConfig, Deviation, FeedForward, Policy, Recurrent, Result};

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub(crate) fn head(space: &Space) -> ActionHead {
    ActionHead::new(space, Deviation::Learned { initial: 0.6 }).unwrap()
}

/// Two layers of tanh, so that finite differences mean something; with a critic like it.
pub(crate) fn feed_forward(inputs: usize, space: &Space) -> Policy {
    let sizes = |outputs| [inputs, 6, 5, outputs];
    let actor = FeedForward::value_mlp(&sizes(space.n_features()), Activation::Tanh).unwrap();
    let critic = FeedForward::value_mlp(&sizes(1), Activation::Tanh).unwrap();
    Policy::new(actor, head(space)).unwrap().with_critic(critic).unwrap()
}

/// A GRU with an encoder; its critic is another GRU without one.
pub(crate) fn recurrent(inputs: usize, space: &Space) -> Policy {
    let encoder = FeedForward::value_mlp(&[inputs, 4], Activation::Tanh).unwrap();
    let actor = Recurrent::with_encoder(encoder, 5, space.n_features()).unwrap();
    let critic = Recurrent::new(inputs, 3, 1).unwrap();
    Policy::new(actor, head(space)).unwrap().with_critic(critic).unwrap()
}

/// A GRU whose last output is the value.
pub(crate) fn shared(inputs: usize, space: &Space) -> Policy {
    Policy::with_shared_value(Recurrent::new(inputs, 5, space.n_features() + 1).unwrap(), head(space)).unwrap()
}

/// Attention over four steps, fewer than the tests have.
pub(crate) fn attentive(inputs: usize, space: &Space) -> Policy {
    let config = AttentiveConfig { hidden: 6, width: 4, ..AttentiveConfig::new(inputs, space.n_features() + 1, 4) };
    Policy::with_shared_value(Attentive::new(config).unwrap(), head(space)).unwrap()
}

/// Parameters whose last layers are as large as the others, so that nothing is almost zero.
pub(crate) fn init(policy: &Policy, seed: u64, dtype: DType) -> Params {
    let params = policy.init(&mut rng(seed), dtype, &Device::Cpu).unwrap();
    params
        .map_named(|name, leaf| if name.contains(".out.weight") { leaf.scale(100.0) } else { Ok(leaf.clone()) })
        .unwrap()
}

/// Parameters of `m` tasks, all different.
pub(crate) fn per_task(policy: &Policy, m: usize, dtype: DType) -> Params {
    let parts: Vec<Params> = (0..m).map(|task| init(policy, 100 + task as u64, dtype)).collect();
    Params::cat_tasks(&parts).unwrap()
}

/// All elements, leaf after leaf.
pub(crate) fn elements(params: &Params) -> Vec<f64> {
    params.leaves().iter().flat_map(|leaf| leaf.to_vec_f64().unwrap()).collect()
}

/// Numbers that look random, between −1 and 1.
pub(crate) fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = rng(seed);
    (0..n).map(|_| 2.0 * rekindle_envs::random::unit_f64(&mut rng) - 1.0).collect()
}

pub(crate) fn noise_tensor(dims: &[usize], seed: u64) -> Tensor {
    Tensor::from_vec(noise(dims.iter().product(), seed), dims).unwrap()
}

/// Equal up to `tolerance` times the largest element.
#[track_caller]
pub(crate) fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let size = a.iter().chain(b).fold(1e-12, |size: f64, x| size.max(x.abs()));
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= tolerance * size, "element {i}: {x:e} and {y:e}, largest {size:e}");
    }
}

/// `check_gradients` wants the tape's errors.
pub(crate) fn on_tape<T>(result: Result<T>) -> rekindle_autodiff::Result<T> {
    result.map_err(|error| match error {
        rekindle_rl::Error::Autodiff(error) => error,
        other => panic!("{other}"),
    })
}
