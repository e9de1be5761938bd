//! `ReLU(scale · (raw − mean) + shift)` in every channel. A tile is one vector of one pixel, pixel after
//! pixel: memory sets the pace.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use super::lanes::{load, store};
use crate::level::Kernel;
use crate::simd::Simd;

/// Normalises `raw [pixels, channels]`, and appends.
pub(super) struct Normalise<'a> {
    pub(super) raw: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) out: &'a mut Vec<f32>,
}

impl Kernel for Normalise<'_> {
    type Output = ();

    fn portable(self) {
        self.out.reserve(self.raw.len());
        for pixel in self.raw.chunks_exact(self.mean.len().max(1)) {
            for (c, raw) in pixel.iter().enumerate() {
                let z = self.scale[c] * (raw - self.mean[c]) + self.shift[c];
                // Not `max`: a NaN stays.
                self.out.push(if z < 0.0 { 0.0 } else { z });
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        let channels = self.mean.len();
        self.out.reserve(self.raw.len());
        // SAFETY: vectors end at the last channel of a pixel; the memory written is reserved.
        unsafe {
            let (raw, out) = (self.raw.as_ptr(), self.out.as_mut_ptr().add(self.out.len()));
            for pixel in (0..self.raw.len()).step_by(channels.max(1)) {
                for c in (0..channels).step_by(S::LANES) {
                    let n = S::LANES.min(channels - c);
                    let mean = load(simd, self.mean.as_ptr().add(c), n);
                    let scale = load(simd, self.scale.as_ptr().add(c), n);
                    let shift = load(simd, self.shift.as_ptr().add(c), n);
                    let z = simd.fma(scale, simd.sub(load(simd, raw.add(pixel + c), n), mean), shift);
                    store(simd, out.add(pixel + c), n, simd.max(simd.splat(0.0), z));
                }
            }
            self.out.set_len(self.out.len() + self.raw.len());
        }
    }
}
