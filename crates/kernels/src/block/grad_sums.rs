//! The two sums of every channel that the gradient needs: `Σ g` and `Σ g · (raw − mean)`, where `g` is the seed behind
//! the ReLU.
//!
//! A tile is four vectors of channels, eight independent sums, over all pixels of an image.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use super::lanes::{Strips, each_strip, load, store};
use crate::level::Kernel;
use crate::simd::Simd;

/// Sums over one image `[pixels, channels]`.
pub(super) struct GradSums<'a> {
    pub(super) u: &'a [f32],
    /// The block's result: a seed passes where it is positive.
    pub(super) out: &'a [f32],
    pub(super) raw: &'a [f32],
    pub(super) mean: &'a [f32],
    /// `Σ g`.
    pub(super) plain: &'a mut [f32],
    /// `Σ g · (raw − mean)`.
    pub(super) moment: &'a mut [f32],
}

impl Kernel for GradSums<'_> {
    type Output = ();

    fn portable(self) {
        let channels = self.mean.len();
        self.plain.fill(0.0);
        self.moment.fill(0.0);
        for (i, &u) in self.u.iter().enumerate() {
            let c = i % channels;
            let g = if self.out[i] > 0.0 { u } else { 0.0 };
            self.plain[c] += g;
            self.moment[c] += g * (self.raw[i] - self.mean[c]);
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(mut self, simd: S) {
        each_strip(simd, self.mean.len(), &mut self);
    }
}

impl Strips for GradSums<'_> {
    #[inline(always)]
    unsafe fn some<S: Simd, const V: usize>(&mut self, simd: S, c: usize, n: usize) {
        let zero = simd.splat(0.0);
        let (mut mean, mut plain, mut moment) = ([zero; V], [zero; V], [zero; V]);
        // SAFETY: the caller's; the three images have the same sizes.
        unsafe {
            for (v, mean) in mean.iter_mut().enumerate() {
                *mean = load(simd, self.mean.as_ptr().add(c + v * S::LANES), n);
            }
            for at in (c..self.u.len()).step_by(self.mean.len()) {
                for v in 0..V {
                    let at = at + v * S::LANES;
                    let u = load(simd, self.u.as_ptr().add(at), n);
                    let g = simd.where_gt(load(simd, self.out.as_ptr().add(at), n), zero, u, zero);
                    let distance = simd.sub(load(simd, self.raw.as_ptr().add(at), n), mean[v]);
                    plain[v] = simd.add(plain[v], g);
                    moment[v] = simd.fma(g, distance, moment[v]);
                }
            }
            for v in 0..V {
                store(simd, self.plain.as_mut_ptr().add(c + v * S::LANES), n, plain[v]);
                store(simd, self.moment.as_mut_ptr().add(c + v * S::LANES), n, moment[v]);
            }
        }
    }
}
