//! The largest or smallest number of every 2×2 window, and where it stood.
//!
//! A tile is one window of one vector of channels: memory sets the pace.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use super::lanes::{load, store};
use crate::level::Kernel;
use crate::simd::Simd;

/// Pools one image `[height, width, channels]`, and appends. The first of equal numbers counts.
pub(super) struct Pool<'a> {
    pub(super) y: &'a [f32],
    pub(super) height: usize,
    pub(super) width: usize,
    /// For each channel 1 where the largest number is wanted, −1 where the smallest is.
    pub(super) sign: &'a [f32],
    pub(super) raw: &'a mut Vec<f32>,
    pub(super) place: &'a mut Vec<u8>,
}

impl Kernel for Pool<'_> {
    type Output = ();

    fn portable(self) {
        let channels = self.sign.len();
        for (i, j) in (0..self.height / 2).flat_map(|i| (0..self.width / 2).map(move |j| (i, j))) {
            for (c, sign) in self.sign.iter().enumerate() {
                let y = |place: usize| self.y[((2 * i + place / 2) * self.width + 2 * j + place % 2) * channels + c];
                let first = (0..4).reduce(|best, place| if sign * y(place) > sign * y(best) { place } else { best });
                let first = first.expect("a window has four places");
                self.raw.push(y(first));
                self.place.push(first as u8);
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        let channels = self.sign.len();
        let len = self.height / 2 * (self.width / 2) * channels;
        self.raw.reserve(len);
        self.place.reserve(len);
        let row = self.width * channels;
        // SAFETY: rows and columns end at the last whole window, vectors at the last channel; the memory written is
        // reserved.
        unsafe {
            let mut raw = self.raw.as_mut_ptr().add(self.raw.len());
            let mut place = self.place.as_mut_ptr().add(self.place.len());
            for (i, j) in (0..self.height / 2).flat_map(|i| (0..self.width / 2).map(move |j| (i, j))) {
                let window = self.y.as_ptr().add(2 * i * row + 2 * j * channels);
                for c in (0..channels).step_by(S::LANES) {
                    let n = S::LANES.min(channels - c);
                    let sign = load(simd, self.sign.as_ptr().add(c), n);
                    let y = |at: usize| simd.mul(sign, load(simd, window.add(at + c), n));
                    let (mut best, mut index) = (y(0), simd.splat(0.0));
                    for (at, number) in [(channels, 1.0), (row, 2.0), (row + channels, 3.0)] {
                        let y = y(at);
                        index = simd.where_gt(y, best, simd.splat(number), index);
                        best = simd.where_gt(y, best, y, best);
                    }
                    store(simd, raw.add(c), n, simd.mul(sign, best));
                    simd.store_bytes(place.add(c), n, index);
                }
                raw = raw.add(channels);
                place = place.add(channels);
            }
            self.raw.set_len(self.raw.len() + len);
            self.place.set_len(self.place.len() + len);
        }
    }
}
