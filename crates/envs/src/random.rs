//! Random draws in arithmetic whose bits agree on every machine, and the generators that environments draw from.
//!
//! Logarithms and the like come from `libm`, which is compiled with the crate, not from the system's library.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The generator of copy `copy` of task `task` in a batch: ChaCha8 with key from `seed` and a stream of its own, so
/// that what happens in an environment depends on neither the number of its neighbours nor the number of threads.
///
/// The top bit of the stream number is set; `stream_rng(seed, i)` with small i is independent of all of them.
pub fn env_rng(seed: u64, task: usize, copy: usize) -> ChaCha8Rng {
    stream_rng(seed, 1 << 63 | (task as u64) << 32 | copy as u64)
}

/// ChaCha8 with key from `seed` and stream number `stream`.
pub fn stream_rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// Uniform on `[0, 1)`, a multiple of 2⁻²⁴.
#[inline]
pub fn unit(rng: &mut dyn RngCore) -> f32 {
    (rng.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// Uniform on `[0, 1)`, a multiple of 2⁻⁵³.
#[inline]
pub fn unit_f64(rng: &mut dyn RngCore) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Uniform from `low` to `high`.
#[inline]
pub fn uniform(rng: &mut dyn RngCore, low: f32, high: f32) -> f32 {
    (low + (high - low) * unit(rng)).min(high)
}

/// A whole number below `n`, each as likely. `n` of 0 counts as 1.
#[inline]
pub fn below(rng: &mut dyn RngCore, n: usize) -> usize {
    rng.random_range(0..n.max(1) as u64) as usize
}

/// Standard normal, by the polar method of Marsaglia & Bray (1964).
pub fn normal(rng: &mut dyn RngCore) -> f64 {
    loop {
        let (x, y) = (2.0 * unit_f64(rng) - 1.0, 2.0 * unit_f64(rng) - 1.0);
        let square = x * x + y * y;
        if square < 1.0 && square > 0.0 {
            return x * (-2.0 * libm::log(square) / square).sqrt();
        }
    }
}

/// Gamma with shape `alpha > 0` and scale 1: Marsaglia & Tsang, *A simple method for generating gamma variables*, 2000.
pub fn gamma(rng: &mut dyn RngCore, alpha: f64) -> f64 {
    if alpha < 1.0 {
        // Γ(α) is Γ(α + 1)·U^{1/α}.
        let boost = libm::pow(1.0 - unit_f64(rng), 1.0 / alpha);
        return gamma(rng, alpha + 1.0) * boost;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
        if v > 0.0 && libm::log(1.0 - unit_f64(rng)) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

/// Beta(a, b).
pub fn beta(rng: &mut dyn RngCore, a: f64, b: f64) -> f64 {
    if a == 1.0 && b == 1.0 {
        return unit_f64(rng);
    }
    let x = gamma(rng, a);
    let y = gamma(rng, b);
    // Both can underflow to zero for very small shapes, where the distribution is almost that of a coin.
    if x + y > 0.0 { x / (x + y) } else { f64::from(u8::from(unit_f64(rng) * (a + b) < a)) }
}

/// Fills `out` with a draw from the symmetric Dirichlet distribution: positive numbers that sum to 1.
pub fn dirichlet(rng: &mut dyn RngCore, alpha: f64, out: &mut [f64]) {
    for x in out.iter_mut() {
        // Γ(1) is the exponential distribution.
        *x = if alpha == 1.0 { -libm::log(1.0 - unit_f64(rng)) } else { gamma(rng, alpha) };
    }
    let sum: f64 = out.iter().sum();
    let n = out.len() as f64;
    out.iter_mut().for_each(|x| *x = if sum > 0.0 { *x / sum } else { 1.0 / n });
}

/// An index, with probabilities given by their running sums, which end at 1.
#[inline]
pub fn categorical(rng: &mut dyn RngCore, cumulative: &[f64]) -> usize {
    let u = unit_f64(rng);
    let index = cumulative.iter().position(|&sum| u < sum);
    index.unwrap_or(cumulative.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of `n` draws.
    fn moments(n: usize, mut draw: impl FnMut(&mut ChaCha8Rng) -> f64) -> (f64, f64) {
        let mut rng = stream_rng(11, 0);
        let draws: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        (mean, draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64)
    }

    /// Draws, each with the mean and variance of its distribution. With 100 000 draws the means are good to four
    /// standard errors, the variances to 3 % (their standard errors are below 0.9 % for all of these).
    #[test]
    fn moments_are_those_of_the_distributions() {
        type Draw = fn(&mut ChaCha8Rng) -> f64;
        let cases: [(&str, Draw, f64, f64); 7] = [
            ("uniform", |rng| f64::from(uniform(rng, -1.0, 3.0)), 1.0, 16.0 / 12.0),
            ("below", |rng| below(rng, 7) as f64, 3.0, 4.0),
            ("normal", |rng| normal(rng), 0.0, 1.0),
            ("gamma 3.5", |rng| gamma(rng, 3.5), 3.5, 3.5),
            ("gamma 0.5", |rng| gamma(rng, 0.5), 0.5, 0.5),
            ("beta", |rng| beta(rng, 2.0, 6.0), 0.25, 12.0 / (64.0 * 9.0)),
            ("flat beta", |rng| beta(rng, 1.0, 1.0), 0.5, 1.0 / 12.0),
        ];
        let n = 100_000;
        for (name, draw, mean, variance) in cases {
            let (m, v) = moments(n, draw);
            assert!((m - mean).abs() < 4.0 * (variance / n as f64).sqrt(), "{name}: mean {m}, not {mean}");
            assert!((v / variance - 1.0).abs() < 0.03, "{name}: variance {v}, not {variance}");
        }
    }

    #[test]
    fn a_dirichlet_draw_sums_to_one_and_has_the_right_spread() {
        let mut rng = stream_rng(3, 0);
        let mut row = [0.0; 10];
        let mut squares = 0.0;
        for _ in 0..20_000 {
            dirichlet(&mut rng, 1.0, &mut row);
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12 && row.iter().all(|&p| p >= 0.0));
            squares += row[4] * row[4];
        }
        // E[p²] = (1 + 1)/(n (n + 1)) for the flat distribution over n = 10; standard error 0.0002.
        assert!((squares / 20_000.0 - 2.0 / 110.0).abs() < 0.0009);
    }

    #[test]
    fn categories_come_in_proportion() {
        let mut rng = stream_rng(4, 0);
        let mut counts = [0; 3];
        (0..30_000).for_each(|_| counts[categorical(&mut rng, &[0.2, 0.2, 1.0])] += 1);
        assert_eq!(counts[1], 0);
        // Standard error of the count √(30000·0.2·0.8) = 69.
        assert!((f64::from(counts[0]) - 6000.0).abs() < 280.0, "{counts:?}");
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        assert_eq!(env_rng(1, 2, 3), env_rng(1, 2, 3));
        let firsts: Vec<u64> =
            [env_rng(1, 0, 0), env_rng(1, 0, 1), env_rng(1, 1, 0), env_rng(2, 0, 0), stream_rng(1, 0)]
                .iter_mut()
                .map(RngCore::next_u64)
                .collect();
        assert!((1..firsts.len()).all(|i| !firsts[..i].contains(&firsts[i])));
    }
}
