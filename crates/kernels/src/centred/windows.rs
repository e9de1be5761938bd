//! The passes over windows of 2×2 pixels. A tile is one window of one vector of channels, or of four vectors where sums
//! are kept: memory sets the pace.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use super::Pooled;
use crate::block::lanes::{Strips, each_strip, load, store};
use crate::level::Kernel;
use crate::simd::Simd;

/// Appends `k (a − mean)` of every row.
#[inline(always)]
pub(super) fn scale_rows<S: Simd>(simd: S, k: &[f32], mean: &[f32], a: &[f32], out: &mut Vec<f32>) {
    let channels = k.len();
    out.reserve(a.len());
    // SAFETY: vectors end at the last channel of a row; the memory written is reserved.
    unsafe {
        let to = out.as_mut_ptr().add(out.len());
        for row in (0..a.len()).step_by(channels.max(1)) {
            for c in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - c);
                let (k, mean) = (load(simd, k.as_ptr().add(c), n), load(simd, mean.as_ptr().add(c), n));
                let a = load(simd, a.as_ptr().add(row + c), n);
                store(simd, to.add(row + c), n, simd.mul(k, simd.sub(a, mean)));
            }
        }
        out.set_len(out.len() + a.len());
    }
}

/// Appends `k (y − mean)` of the pixels at the places.
pub(super) struct Take<'a> {
    pub(super) shape: &'a Pooled,
    pub(super) k: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) y: &'a [f32],
    pub(super) places: &'a [u8],
    pub(super) out: &'a mut Vec<f32>,
}

impl Kernel for Take<'_> {
    type Output = ();

    fn portable(self) {
        let channels = self.shape.channels;
        for (window, pixel) in windows(self.shape, self.shape.images) {
            for c in 0..channels {
                let place = usize::from(self.places[window + c]);
                let y = self.y[pixel + (place / 2 * self.shape.width + place % 2) * channels + c];
                self.out.push(self.k[c] * (y - self.mean[c]));
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        let channels = self.shape.channels;
        self.out.reserve(self.places.len());
        // SAFETY: windows lie in the images, vectors end at the last channel; the memory written is reserved.
        unsafe {
            let to = self.out.as_mut_ptr().add(self.out.len());
            for (window, pixel) in windows(self.shape, self.shape.images) {
                for c in (0..channels).step_by(S::LANES) {
                    let n = S::LANES.min(channels - c);
                    let places = self.places.as_ptr().add(window + c);
                    let y = chosen(simd, self.y.as_ptr().add(pixel + c), self.shape, places, n);
                    let (k, mean) = (load(simd, self.k.as_ptr().add(c), n), load(simd, self.mean.as_ptr().add(c), n));
                    store(simd, to.add(window + c), n, simd.mul(k, simd.sub(y, mean)));
                }
            }
            self.out.set_len(self.out.len() + self.places.len());
        }
    }
}

/// Appends images: `k v + zero` at the places, `zero` elsewhere.
pub(super) struct Put<'a> {
    pub(super) shape: &'a Pooled,
    pub(super) k: &'a [f32],
    pub(super) zero: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) places: &'a [u8],
    pub(super) out: &'a mut Vec<f32>,
}

impl Kernel for Put<'_> {
    type Output = ();

    fn portable(self) {
        let Pooled { images, height, width, channels } = *self.shape;
        let start = self.out.len();
        for _ in 0..images * height * width {
            self.out.extend_from_slice(self.zero);
        }
        let out = &mut self.out[start..];
        for (window, pixel) in windows(self.shape, images) {
            for c in 0..channels {
                let place = usize::from(self.places[window + c]);
                out[pixel + (place / 2 * width + place % 2) * channels + c] += self.k[c] * self.v[window + c];
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        let Pooled { images, height, width, channels } = *self.shape;
        let (row, len) = (width * channels, images * height * width * channels);
        self.out.reserve(len);
        // SAFETY: windows and the pixels left out of them lie in the images and are all of their pixels; vectors end at
        // the last channel; the memory written is reserved.
        unsafe {
            let to = self.out.as_mut_ptr().add(self.out.len());
            for (window, pixel) in windows(self.shape, images) {
                for c in (0..channels).step_by(S::LANES) {
                    let n = S::LANES.min(channels - c);
                    let (k, zero) = (load(simd, self.k.as_ptr().add(c), n), load(simd, self.zero.as_ptr().add(c), n));
                    let v = simd.fma(k, load(simd, self.v.as_ptr().add(window + c), n), zero);
                    let place = simd.load_bytes(self.places.as_ptr().add(window + c), n);
                    for (at, number) in [(0, 0.0), (channels, 1.0), (row, 2.0), (row + channels, 3.0)] {
                        let reached = simd.where_gt(place, simd.splat(number - 0.5), v, zero);
                        let here = simd.where_gt(simd.splat(number + 0.5), place, reached, zero);
                        store(simd, to.add(pixel + at + c), n, here);
                    }
                }
            }
            for pixel in left_out(self.shape) {
                for c in (0..channels).step_by(S::LANES) {
                    let n = S::LANES.min(channels - c);
                    store(simd, to.add(pixel + c), n, load(simd, self.zero.as_ptr().add(c), n));
                }
            }
            self.out.set_len(self.out.len() + len);
        }
    }
}

/// `Σ v (y − mean)` over the windows of one image, with `y` at the places.
pub(super) struct Products<'a> {
    pub(super) shape: &'a Pooled,
    pub(super) mean: &'a [f32],
    pub(super) y: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) places: &'a [u8],
    pub(super) sums: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    fn portable(self) {
        let channels = self.shape.channels;
        self.sums.fill(0.0);
        for (window, pixel) in windows(self.shape, 1) {
            for c in 0..channels {
                let place = usize::from(self.places[window + c]);
                let y = self.y[pixel + (place / 2 * self.shape.width + place % 2) * channels + c];
                self.sums[c] += self.v[window + c] * (y - self.mean[c]);
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(mut self, simd: S) {
        each_strip(simd, self.shape.channels, &mut self);
    }
}

impl Strips for Products<'_> {
    #[inline(always)]
    unsafe fn some<S: Simd, const V: usize>(&mut self, simd: S, c: usize, n: usize) {
        let mut sums = [simd.splat(0.0); V];
        let mut mean = sums;
        // SAFETY: the caller's; windows lie in the image.
        unsafe {
            for (v, mean) in mean.iter_mut().enumerate() {
                *mean = load(simd, self.mean.as_ptr().add(c + v * S::LANES), n);
            }
            for (window, pixel) in windows(self.shape, 1) {
                for v in 0..V {
                    let at = c + v * S::LANES;
                    let places = self.places.as_ptr().add(window + at);
                    let y = chosen(simd, self.y.as_ptr().add(pixel + at), self.shape, places, n);
                    let factor = load(simd, self.v.as_ptr().add(window + at), n);
                    sums[v] = simd.fma(factor, simd.sub(y, mean[v]), sums[v]);
                }
            }
            for (v, &sum) in sums.iter().enumerate() {
                store(simd, self.sums.as_mut_ptr().add(c + v * S::LANES), n, sum);
            }
        }
    }
}

/// The numbers at the places of the window whose first pixel is at `y`.
///
/// # Safety
/// There must be `n` numbers, no more than a vector, in each pixel and place from there on.
#[inline(always)]
unsafe fn chosen<S: Simd>(simd: S, y: *const f32, shape: &Pooled, places: *const u8, n: usize) -> S::V {
    let (right, below) = (shape.channels, shape.width * shape.channels);
    // SAFETY: the caller's.
    unsafe {
        let place = simd.load_bytes(places, n);
        let mut y = [0, right, below, below + right].map(|at| load(simd, y.add(at), n)).into_iter();
        let mut chosen = y.next().unwrap_unchecked();
        for (number, y) in [0.5, 1.5, 2.5].into_iter().zip(y) {
            chosen = simd.where_gt(place, simd.splat(number), y, chosen);
        }
        chosen
    }
}

/// Where the numbers of each window and of its first pixel begin.
#[inline(always)]
fn windows(shape: &Pooled, images: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
    let Pooled { height, width, channels, .. } = *shape;
    let (rows, columns) = (height / 2, width / 2);
    (0..images * rows).flat_map(move |line| {
        let first = (line / rows * height + line % rows * 2) * width;
        (0..columns).map(move |j| ((line * columns + j) * channels, (first + 2 * j) * channels))
    })
}

/// Where the numbers of each pixel begin that no window has.
#[inline(always)]
fn left_out(shape: &Pooled) -> impl Iterator<Item = usize> + use<> {
    let Pooled { images, height, width, channels } = *shape;
    (0..images * height).flat_map(move |line| {
        let whole = line % height / 2 < height / 2;
        let first = if whole { width / 2 * 2 } else { 0 };
        (first..width).map(move |x| (line * width + x) * channels)
    })
}
