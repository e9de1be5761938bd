//! Tests of transfer in supervised learning, in one binary.

// Freezing, rates, heads, loading, the trainer, k-shot evaluation.
mod adopting;
mod fitting;
mod freezing;
mod shots;
// Terms and adapters around fine-tuning.
mod l2_sp;
mod lora;
// A candle-nn model from a file.
mod candle_model;
// Several tasks at once, and column after column.
mod multitask;
mod progressive;

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Model};
use rekindle_tasks::Batch;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A perceptron without kinks, which finite differences need.
fn smooth(sizes: &[usize]) -> Mlp {
    let config = MlpConfig {
        sizes: sizes.to_vec(),
        activation: Activation::Tanh,
        weight: Init::LeCunNormal,
        bias: Init::Normal { std: 0.1 },
        ..MlpConfig::default()
    };
    Mlp::new(&config).expect("the sizes are valid")
}

fn init(model: &dyn Model, seed: u64, dtype: DType) -> Params {
    model.init(&mut rng(seed), dtype, &Device::Cpu).expect("the CPU holds it")
}

/// Standard normal values `[dims]`.
fn normal(dims: &[usize], seed: u64) -> Tensor {
    let mut rng = rng(seed);
    let mut builder = rekindle_nn::Builder::new(&mut rng, DType::F64, &Device::Cpu);
    let count = dims.iter().product();
    let fans = rekindle_nn::Fans { input: 1, output: 1 };
    builder.draw("x", &[count], Init::Normal { std: 1.0 }, fans).expect("the numbers are valid");
    let params = builder.finish().expect("there is one name");
    params.leaves()[0].reshape(dims.to_vec()).expect("the counts agree")
}

/// `n` points of the plane for each of `m` tasks, labelled by quadrant: four classes.
fn quadrants(m: usize, n: usize, seed: u64, dtype: DType) -> Batch {
    let x = normal(&[m, n, 2], seed);
    let values = x.to_vec_f64().expect("the values are on the host");
    let labels: Vec<u32> = values.chunks(2).map(|p| 2 * u32::from(p[0] > 0.0) + u32::from(p[1] > 0.0)).collect();
    let y = candle_core::Tensor::from_vec(labels, (m, n), &Device::Cpu).expect("the counts agree");
    Batch { x: x.value().to_dtype(dtype).expect("a float type"), y }
}

/// The bits of every leaf, by name.
fn bits(params: &Params) -> Vec<(String, Vec<u64>)> {
    let of = |t: &Tensor| t.to_vec_f64().expect("on the host").into_iter().map(f64::to_bits).collect();
    params.iter().map(|(name, leaf)| (name.to_owned(), of(leaf))).collect()
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs())))
}
