//! Tests of meta-learning, in one binary.

// The rules of the trait, on every learner; and that the suite notices rules that are broken.
mod conformance;
// Meta-gradients: closed forms, finite differences, task-by-task loops, and one adjoint against another.
mod inner_optimiser;
mod maml;
mod quadratic;
// Learners that compare: the suite, each head against an independent computation, errors, and that they learn.
mod metric;
// Learners that are a network: conformance, one pass against step by step, and what they learn.
mod black_box;
mod in_context;
mod mann;
mod meta_networks;
mod neural_process;
mod snail;
// What users run: training that survives, evaluation, and that it learns.
mod evaluate;
mod learning;
mod trainer;

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_meta::Result;
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Model, Norm};
use rekindle_tasks::{Sinusoid, TaskBatch, TaskSampler};

/// A smooth regressor, 1-5-4-1 with tanh: finite differences mean nothing at relu's kink.
fn smooth_mlp() -> Mlp {
    let init = Init::TruncatedNormal { std: 0.7 };
    let sizes = vec![1, 5, 4, 1];
    let config = MlpConfig { sizes, activation: Activation::Tanh, norm: Norm::None, weight: init, bias: init };
    Mlp::new(&config).unwrap()
}

/// The same with batch normalisation, whose predictions depend on the batch.
fn normalised_mlp() -> Mlp {
    let weight = Init::TruncatedNormal { std: 0.7 };
    let norm = Norm::Batch { eps: 1e-3 };
    let config = MlpConfig { sizes: vec![1, 6, 1], activation: Activation::Tanh, norm, weight, bias: Init::Zeros };
    Mlp::new(&config).unwrap()
}

fn parameters(model: &dyn Model, dtype: DType) -> Params {
    model.init(&mut ChaCha8Rng::seed_from_u64(7), dtype, &Device::Cpu).unwrap()
}

fn sinusoids(n_tasks: usize, dtype: DType) -> Result<TaskBatch> {
    Ok(Sinusoid::maml(5).sample(&mut ChaCha8Rng::seed_from_u64(8), n_tasks)?.to_dtype(dtype)?)
}

/// All elements, leaf after leaf.
fn elements(params: &Params) -> Vec<f64> {
    params.leaves().iter().flat_map(|leaf| leaf.to_vec_f64().unwrap()).collect()
}

/// Equal bits, names and shapes.
#[track_caller]
fn assert_same(a: &Params, b: &Params) {
    a.check_like(b).unwrap();
    for ((name, x), y) in a.iter().zip(b.leaves()) {
        assert_eq!(x.to_vec_f64().unwrap(), y.to_vec_f64().unwrap(), "leaf `{name}`");
    }
}

/// Equal up to `tolerance` times the largest element.
#[track_caller]
fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let size = a.iter().chain(b).fold(0.0, |size: f64, x| size.max(x.abs()));
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= tolerance * size, "element {i}: {x:e} and {y:e}, largest {size:e}");
    }
}
