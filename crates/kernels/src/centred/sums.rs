//! Sums of columns. A tile is four vectors of channels, four independent sums, over a block of rows.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use crate::Level;
use crate::block::lanes::{Strips, each_strip, load, store};
use crate::level::Kernel;
use crate::simd::Simd;

/// Rows whose sums are taken in `f32`: few, as the mean of numbers far from zero loses digits with each.
const BLOCK: usize = 32;

/// The mean of each column of `[rows, channels]`.
pub(super) fn means(level: Level, a: &[f32], channels: usize) -> Vec<f32> {
    let rows = (a.len() / channels.max(1)).max(1) as f64;
    sums(level, a, channels).into_iter().map(|sum| (sum / rows) as f32).collect()
}

/// The sum of each column.
pub(super) fn sums(level: Level, a: &[f32], channels: usize) -> Vec<f64> {
    let mut all = vec![0f64; channels];
    let mut sums = vec![0f32; channels];
    for a in a.chunks((BLOCK * channels).max(1)) {
        level.run(Sums { a, b: None, sums: &mut sums });
        all.iter_mut().zip(&sums).for_each(|(all, &sum)| *all += f64::from(sum));
    }
    all
}

/// `Σ (a − a_mean)(b − b_mean)` of each column.
pub(super) fn products(level: Level, [a, b]: [&[f32]; 2], [a_mean, b_mean]: [&[f32]; 2]) -> Vec<f64> {
    let channels = a_mean.len();
    let mut all = vec![0f64; channels];
    let mut sums = vec![0f32; channels];
    let block = (BLOCK * channels).max(1);
    for (a, b) in a.chunks(block).zip(b.chunks(block)) {
        level.run(Sums { a, b: Some((b, a_mean, b_mean)), sums: &mut sums });
        all.iter_mut().zip(&sums).for_each(|(all, &sum)| *all += f64::from(sum));
    }
    all
}

/// Sums over one block of rows `[rows, channels]`, of which there are as many as sums.
struct Sums<'a> {
    a: &'a [f32],
    /// The other factor, and the means of both; without it the sum is that of `a`.
    b: Option<(&'a [f32], &'a [f32], &'a [f32])>,
    sums: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    type Output = ();

    fn portable(self) {
        let channels = self.sums.len();
        self.sums.fill(0.0);
        for (i, &a) in self.a.iter().enumerate() {
            let c = i % channels;
            self.sums[c] += match self.b {
                Some((b, a_mean, b_mean)) => (a - a_mean[c]) * (b[i] - b_mean[c]),
                None => a,
            };
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(mut self, simd: S) {
        each_strip(simd, self.sums.len(), &mut self);
    }
}

impl Strips for Sums<'_> {
    #[inline(always)]
    unsafe fn some<S: Simd, const V: usize>(&mut self, simd: S, c: usize, n: usize) {
        let channels = self.sums.len();
        let mut sums = [simd.splat(0.0); V];
        // SAFETY: the caller's; `a` and `b` have the same sizes.
        unsafe {
            let at = |v: usize| c + v * S::LANES;
            if let Some((b, a_mean, b_mean)) = self.b {
                let (mut left, mut right) = (sums, sums);
                for v in 0..V {
                    left[v] = load(simd, a_mean.as_ptr().add(at(v)), n);
                    right[v] = load(simd, b_mean.as_ptr().add(at(v)), n);
                }
                for row in (0..self.a.len()).step_by(channels) {
                    for v in 0..V {
                        let a = simd.sub(load(simd, self.a.as_ptr().add(row + at(v)), n), left[v]);
                        let b = simd.sub(load(simd, b.as_ptr().add(row + at(v)), n), right[v]);
                        sums[v] = simd.fma(a, b, sums[v]);
                    }
                }
            } else {
                for row in (0..self.a.len()).step_by(channels) {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = simd.add(*sum, load(simd, self.a.as_ptr().add(row + at(v)), n));
                    }
                }
            }
            for (v, &sum) in sums.iter().enumerate() {
                store(simd, self.sums.as_mut_ptr().add(at(v)), n, sum);
            }
        }
    }
}
