//! Metric-based learners.

mod conformance;
mod errors;
mod fine_tune;
mod heads;
mod learning;
mod proto_maml;
mod solvers;

use candle_core::{DType, Device, Tensor as Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::Setting;
use rekindle_meta::metric::{Episode, Head};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Norm};
use rekindle_tasks::{FewShot, FewShotSampler, Glyphs};

/// Side of the drawings.
const SIDE: usize = 16;

/// 3-way 2-shot episodes of small drawings.
fn glyphs() -> FewShotSampler<Glyphs> {
    let shape = FewShot { ways: 3, shots: 2, queries: 2, rotate: false };
    FewShotSampler::new(Glyphs { size: SIDE, ..Glyphs::default() }, shape).unwrap()
}

/// A body without kinks, with batch normalisation if `norm` says so.
fn smooth_body(features: usize, norm: Norm) -> Mlp {
    let (sizes, weight) = (vec![SIDE * SIDE, 6, features], Init::LeCunNormal);
    Mlp::new(&MlpConfig { sizes, activation: Activation::Tanh, norm, weight, bias: Init::Zeros }).unwrap()
}

/// Numbers from −1 to 1.
fn random(dims: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let data: Vec<f64> = (0..dims.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(data, dims).unwrap()
}

/// An embedded episode of one task: `labels` of the support set, F features, `queries` random queries.
fn episode(labels: &[usize], features: usize, queries: usize, seed: u64) -> Episode {
    let ways = labels.iter().max().unwrap() + 1;
    let one_hot = labels.iter().flat_map(|&label| (0..ways).map(move |n| f64::from(u8::from(n == label))));
    Episode {
        support: random(&[1, labels.len(), features], seed),
        one_hot: Tensor::from_vec(one_hot.collect::<Vec<_>>(), (1, labels.len(), ways)).unwrap(),
        queries: random(&[1, queries, features], seed + 1000),
        setting: Setting::Transductive,
    }
}

/// The head's own parameters in double precision.
fn fresh(head: &dyn Head) -> Params {
    head.init(&mut ChaCha8Rng::seed_from_u64(3), DType::F64, &Device::Cpu).unwrap()
}

/// Rows `[R][F]` of `[1, R, F]`.
fn rows(t: &Tensor) -> Vec<Vec<f64>> {
    t.value().squeeze(0).unwrap().to_vec2().unwrap()
}

/// Labels `[1, Q]`.
fn labels(labels: &[u32]) -> Value {
    Value::from_slice(labels, (1, labels.len()), &Device::Cpu).unwrap()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}
