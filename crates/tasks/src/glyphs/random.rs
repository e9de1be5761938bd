//! The few random draws that glyphs are made of, in arithmetic whose bits agree on every machine.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Uniform on `[low, high)`.
pub(super) fn uniform(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// Mean 0 and deviation `sigma`: the sum of four uniform draws, near enough to a normal and never beyond ±3.47 `sigma`.
pub(super) fn jitter(rng: &mut ChaCha8Rng, sigma: f32) -> f32 {
    let bits = rng.random::<u64>();
    let sum: u32 = (0..4).map(|i| (bits >> (16 * i)) as u16).map(u32::from).sum();
    // Each of the four has variance 2³²/12, so their sum has deviation 65536/√3.
    (sum as f32 - 2.0 * 65535.0) * (3f32.sqrt() / 65536.0) * sigma
}

/// True with probability `p`.
pub(super) fn chance(rng: &mut ChaCha8Rng, p: f32) -> bool {
    rng.random::<f32>() < p
}

/// An index drawn in proportion to `weights`, which sum to 1.
pub(super) fn weighted(rng: &mut ChaCha8Rng, weights: &[f32]) -> usize {
    let mut left = rng.random::<f32>();
    let picked = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    picked.unwrap_or(weights.len() - 1)
}
