//! The gradient at the convolution's result: `s · scatter(g) + p · (y − mean) + q`, where `g` is the seed behind the
//! ReLU, put where the number that was pooled stood.
//!
//! A tile is one window of one vector of channels: memory sets the pace.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use super::lanes::{load, store};
use crate::level::Kernel;
use crate::simd::Simd;

/// The numbers of every channel.
#[derive(Debug)]
pub(super) struct Factors {
    pub(super) mean: Vec<f32>,
    pub(super) s: Vec<f32>,
    pub(super) p: Vec<f32>,
    pub(super) q: Vec<f32>,
}

/// Makes one image's gradient `[height, width, channels]`.
pub(super) struct Spread<'a> {
    pub(super) factors: &'a Factors,
    pub(super) height: usize,
    pub(super) width: usize,
    /// The seed and the block's result, pooled if there are places.
    pub(super) u: &'a [f32],
    pub(super) out: &'a [f32],
    /// As [`Pool`](super::pool::Pool) made them; `None` where nothing was pooled.
    pub(super) place: Option<&'a [u8]>,
    /// The convolution's result; `None` where it stands in `dy`.
    pub(super) y: Option<&'a [f32]>,
    pub(super) dy: &'a mut [f32],
}

impl Kernel for Spread<'_> {
    type Output = ();

    fn portable(self) {
        let Factors { mean, s, p, q } = self.factors;
        let (channels, columns) = (mean.len(), self.width / 2);
        for index in 0..self.dy.len() {
            let (pixel, c) = (index / channels, index % channels);
            let (row, column) = (pixel / self.width, pixel % self.width);
            let from = match self.place {
                None => Some(index),
                Some(_) if row / 2 >= self.height / 2 || column / 2 >= columns => None,
                Some(place) => {
                    let window = (row / 2 * columns + column / 2) * channels + c;
                    (usize::from(place[window]) == row % 2 * 2 + column % 2).then_some(window)
                }
            };
            let g = from.map_or(0.0, |from| if self.out[from] > 0.0 { self.u[from] } else { 0.0 });
            let y = self.y.map_or(self.dy[index], |y| y[index]);
            self.dy[index] = s[c] * g + p[c] * (y - mean[c]) + q[c];
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(mut self, simd: S) {
        // SAFETY: rows and columns end with the image, vectors with the channels.
        unsafe {
            match self.place {
                Some(place) => self.windows(simd, place),
                None => self.pixels(simd),
            }
        }
    }
}

/// One vector of each factor.
struct Vectors<V> {
    mean: V,
    s: V,
    p: V,
    q: V,
}

impl Spread<'_> {
    /// # Safety
    /// There must be channels `c` to `c + n`, no more than a vector.
    #[inline(always)]
    unsafe fn vectors<S: Simd>(&self, simd: S, c: usize, n: usize) -> Vectors<S::V> {
        // SAFETY: the caller's.
        unsafe {
            Vectors {
                mean: load(simd, self.factors.mean.as_ptr().add(c), n),
                s: load(simd, self.factors.s.as_ptr().add(c), n),
                p: load(simd, self.factors.p.as_ptr().add(c), n),
                q: load(simd, self.factors.q.as_ptr().add(c), n),
            }
        }
    }

    /// The seed behind the ReLU, times `s`.
    ///
    /// # Safety
    /// There must be `n` numbers from `at` on, no more than a vector.
    #[inline(always)]
    unsafe fn seed<S: Simd>(&self, simd: S, at: usize, n: usize, s: S::V) -> S::V {
        // SAFETY: the caller's.
        unsafe {
            let (u, out) = (load(simd, self.u.as_ptr().add(at), n), load(simd, self.out.as_ptr().add(at), n));
            let zero = simd.splat(0.0);
            simd.mul(s, simd.where_gt(out, zero, u, zero))
        }
    }

    /// Writes the gradient where the scattered seed is `seed`.
    ///
    /// # Safety
    /// There must be `n` numbers from `at` on, no more than a vector.
    #[inline(always)]
    unsafe fn put<S: Simd>(&mut self, simd: S, at: usize, n: usize, seed: S::V, of: &Vectors<S::V>) {
        // SAFETY: the caller's.
        unsafe {
            let y = self.y.map_or(self.dy.as_ptr(), <[f32]>::as_ptr);
            let distance = simd.sub(load(simd, y.add(at), n), of.mean);
            let dy = simd.add(seed, simd.fma(of.p, distance, of.q));
            store(simd, self.dy.as_mut_ptr().add(at), n, dy);
        }
    }

    /// # Safety
    /// The sizes must be those of the image.
    #[inline(always)]
    unsafe fn pixels<S: Simd>(&mut self, simd: S) {
        let channels = self.factors.mean.len();
        for pixel in (0..self.dy.len()).step_by(channels.max(1)) {
            for c in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - c);
                // SAFETY: the caller's.
                unsafe {
                    let of = self.vectors(simd, c, n);
                    let seed = self.seed(simd, pixel + c, n, of.s);
                    self.put(simd, pixel + c, n, seed, &of);
                }
            }
        }
    }

    /// # Safety
    /// The sizes must be those of the image and the pooled one.
    #[inline(always)]
    unsafe fn windows<S: Simd>(&mut self, simd: S, place: &[u8]) {
        let channels = self.factors.mean.len();
        let (row, columns) = (self.width * channels, self.width / 2);
        // SAFETY: the caller's.
        unsafe {
            for i in 0..self.height / 2 {
                for j in 0..columns {
                    let window = (i * columns + j) * channels;
                    self.window(simd, 2 * i * row + 2 * j * channels, window, place);
                }
                if self.width % 2 == 1 {
                    let last = (2 * i + 1) * row - channels;
                    self.outside(simd, last);
                    self.outside(simd, last + row);
                }
            }
            if self.height % 2 == 1 {
                for pixel in ((self.height - 1) * row..self.height * row).step_by(channels.max(1)) {
                    self.outside(simd, pixel);
                }
            }
        }
    }

    /// All channels of the window whose first pixel is at `pixel`.
    ///
    /// # Safety
    /// It must be a window of the image.
    #[inline(always)]
    unsafe fn window<S: Simd>(&mut self, simd: S, pixel: usize, window: usize, place: &[u8]) {
        let channels = self.factors.mean.len();
        let row = self.width * channels;
        let zero = simd.splat(0.0);
        for c in (0..channels).step_by(S::LANES) {
            let (n, at) = (S::LANES.min(channels - c), pixel + c);
            // SAFETY: the caller's.
            unsafe {
                let of = self.vectors(simd, c, n);
                let seed = self.seed(simd, window + c, n, of.s);
                let place = simd.load_bytes(place.as_ptr().add(window + c), n);
                // What stands at this place or later; of two neighbours both are the seed, or one of them, or none.
                let after = |before: f32| simd.where_gt(place, simd.splat(before), seed, zero);
                let later = [after(0.5), after(1.5), after(2.5)];
                self.put(simd, at, n, simd.sub(seed, later[0]), &of);
                self.put(simd, at + channels, n, simd.sub(later[0], later[1]), &of);
                self.put(simd, at + row, n, simd.sub(later[1], later[2]), &of);
                self.put(simd, at + row + channels, n, later[2], &of);
            }
        }
    }

    /// All channels of a pixel that no window has.
    ///
    /// # Safety
    /// It must be a pixel of the image.
    #[inline(always)]
    unsafe fn outside<S: Simd>(&mut self, simd: S, pixel: usize) {
        let channels = self.factors.mean.len();
        for c in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - c);
            // SAFETY: the caller's.
            unsafe {
                let of = self.vectors(simd, c, n);
                self.put(simd, pixel + c, n, simd.splat(0.0), &of);
            }
        }
    }
}
