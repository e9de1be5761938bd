//! Inputs and comparisons that the tests share.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Tensor;

pub(crate) type Result<T = (), E = anyhow::Error> = std::result::Result<T, E>;

/// Normal draws, `f64`.
pub(crate) fn normal(dims: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = dims.iter().product::<usize>();
    Tensor::from_vec((0..n).map(|_| gaussian(&mut rng)).collect(), dims).expect("one value an element")
}

/// One normal draw.
pub(crate) fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Elements within `tolerance · max(|a|, |b|, 1)`.
#[track_caller]
pub(crate) fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0), "element {i}: {a} and {b}");
    }
}

/// Task m of `[M, …]` as `[1, …]`.
pub(crate) fn task(x: &Tensor, m: usize) -> Tensor {
    x.narrow(0, m, 1).expect("the task exists")
}
