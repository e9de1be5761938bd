//! Inputs and comparisons that all modules use.

use candle_core::{DType, Device, Tensor as Value};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Check, Result, Tensor, check_gradients};

/// Values of both signs, none near zero and no two near each other: far from every kink of a piecewise function.
pub(crate) fn spread(dims: &[usize], seed: u64) -> Tensor {
    let n: usize = dims.iter().product();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut ranks: Vec<usize> = (0..n).collect();
    ranks.shuffle(&mut rng);
    // A fraction of a rank for each seed keeps two inputs apart too.
    let fraction = 0.1 + 0.8 * (seed % 7) as f64 / 7.0;
    let size = |rank: usize| 0.2 + 1.6 * (rank as f64 + fraction) / n as f64;
    let data: Vec<f64> = ranks.iter().map(|&r| if rng.random() { size(r) } else { -size(r) }).collect();
    Tensor::from_vec(data, dims).expect("one value an element")
}

/// As [`spread`], all positive.
pub(crate) fn positive(dims: &[usize], seed: u64) -> Tensor {
    Tensor::new(spread(dims, seed).value().abs().expect("f64 has an absolute value"))
}

pub(crate) fn ids(data: &[u32], dims: &[usize]) -> Value {
    Value::from_slice(data, dims, &Device::Cpu).expect("one index an element")
}

/// The bound of every gradient check of this suite, a tenth of the default.
pub(crate) fn order(order: usize) -> Check {
    Check { order, tolerance: 1e-7, ..Check::default() }
}

/// Checks gradients up to an order, and says what was checked if they are wrong.
#[track_caller]
pub(crate) fn assert_gradients(what: &str, n: usize, xs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    if let Err(error) = check_gradients(f, xs, order(n)) {
        panic!("{what}: {error}");
    }
}

/// Equal shapes, and elements within `|a − b| ≤ tolerance · max(|a|, |b|, 1)`; NaN equals NaN.
#[track_caller]
pub(crate) fn assert_close(what: &str, a: &Tensor, b: &Tensor, tolerance: f64) {
    assert_eq!(a.shape(), b.shape(), "{what}: shapes");
    let (a, b) = (a.to_vec_f64().expect("on the host"), b.to_vec_f64().expect("on the host"));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        let error = (a - b).abs() / a.abs().max(b.abs()).max(1.0);
        let same = error <= tolerance || (a.is_nan() && b.is_nan()) || a == b;
        assert!(same, "{what}: element {i} is {a:e}, expected {b:e} (error {error:e}, tolerance {tolerance:e})");
    }
}

/// The same elements, stored in another order: the view that a transposition leaves.
pub(crate) fn strided(x: &Tensor) -> Tensor {
    if x.rank() < 2 {
        return x.detach();
    }
    let turn = |v: &Value| v.transpose(0, v.rank() - 1).expect("the axes are there");
    Tensor::new(turn(&turn(x.value()).contiguous().expect("a copy")))
}

/// The same elements as a window into a larger tensor of other values.
pub(crate) fn windowed(x: &Tensor) -> Tensor {
    let mut v = x.value().clone();
    for axis in 0..x.rank() {
        let slice = v.narrow(axis, 0, 1).expect("not empty");
        let noise =
            Value::full(99f64, slice.shape(), &Device::Cpu).and_then(|n| n.to_dtype(v.dtype())).expect("filled");
        v = Value::cat(&[&noise, &v, &noise], axis).expect("equal sizes");
    }
    for (axis, &len) in x.dims().iter().enumerate() {
        v = v.narrow(axis, 1, len).expect("inside");
    }
    Tensor::new(v)
}

/// The first slice of an axis repeated along it without a copy (stride 0).
pub(crate) fn repeated(x: &Tensor, axis: usize) -> Tensor {
    let first = x.value().narrow(axis, 0, 1).expect("not empty");
    Tensor::new(first.broadcast_as(x.shape()).expect("an axis of size 1"))
}

pub(crate) fn f32s(x: &Tensor) -> Tensor {
    Tensor::new(x.value().to_dtype(DType::F32).expect("a cast"))
}

/// A packed copy with a storage of its own.
pub(crate) fn packed(x: &Tensor) -> Tensor {
    let data = x.to_vec_f64().expect("on the host");
    let copy = Tensor::from_vec(data, x.shape()).expect("one value an element");
    copy.to_dtype(x.dtype()).expect("a cast").detach()
}

/// How many random cases a property is tried on, the same ones in every run; `PROPTEST_CASES` asks for more, and
/// `PROPTEST_RNG_SEED` for others.
pub(crate) fn random_cases(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..asked }
}

/// A generator for random sizes and values.
pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Uniform values in `[-1, 1)`.
pub(crate) fn uniform(dims: &[usize], rng: &mut ChaCha8Rng) -> Tensor {
    let n: usize = dims.iter().product();
    let data: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(data, dims).expect("one value an element")
}
