//! The sum over taps and channels that makes an image: `out[p, o] = Σ x[p + tap, c] · w[tap, c, o]`.
//!
//! The tile is 14 pixels by two vectors of output channels where there are 32 registers, 28 sums with room for two
//! vectors of weights and one pixel; 6 by two where there are 16. It is up to three rows high, so that narrow images
//! fill it. Each sum runs over all taps and channels in registers, in the same order whatever the tile.

#![allow(unsafe_code, reason = "tiles read and write through pointers")]

use std::mem::MaybeUninit;

use super::planes::BLOCK;
use crate::Level;
use crate::level::Kernel;
use crate::simd::Simd;

/// One correlation of padded planes with packed weights.
pub(super) struct Correlate<'a> {
    /// `[images, channel blocks, rows, columns, 16]` in steps of the three numbers below.
    pub(super) planes: &'a [f32],
    pub(super) image: usize,
    pub(super) block: usize,
    pub(super) row: usize,
    /// Channels of the planes.
    pub(super) channels: usize,
    /// Where in a block the first pixel's window has its taps.
    pub(super) taps: &'a [usize],
    /// As packed by [`Weights`](super::weights::Weights), in blocks of [`block_width`].
    pub(super) weights: &'a [f32],
    pub(super) images: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) target: Target<'a>,
}

/// Where the result is written: `[images, height, width, channels]` in steps.
pub(super) struct Target<'a> {
    pub(super) first: &'a mut [MaybeUninit<f32>],
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) pixel: usize,
    pub(super) channels: usize,
}

/// Vectors of output channels in a tile.
const VECTORS: usize = 2;

/// Output channels that are packed side by side for a level.
pub(super) fn block_width(level: Level) -> usize {
    struct Width;
    impl Kernel for Width {
        type Output = usize;

        fn portable(self) -> usize {
            16
        }

        #[inline(always)]
        fn simd<S: Simd>(self, _: S) -> usize {
            VECTORS * S::LANES
        }
    }
    level.run(Width)
}

impl Kernel for Correlate<'_> {
    type Output = ();

    fn portable(self) {
        const WIDTH: usize = 16;
        let panel = self.taps.len() * self.channels * WIDTH;
        for (block, weights) in self.weights.chunks_exact(panel).enumerate() {
            let outputs = WIDTH.min(self.target.channels - block * WIDTH);
            for index in 0..self.images * self.height * self.width {
                let (n, y, x) = self.place(index);
                let window = n * self.image + y * self.row + x * BLOCK;
                let mut sums = [0f32; WIDTH];
                let mut rows = weights.chunks_exact(WIDTH);
                for first in (0..self.channels).step_by(BLOCK) {
                    let pixels = &self.planes[window + first / BLOCK * self.block..];
                    for tap in self.taps {
                        for pixel in &pixels[*tap..][..BLOCK.min(self.channels - first)] {
                            let row = rows.next().expect("one row of weights for each tap and channel");
                            sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += pixel * w);
                        }
                    }
                }
                let start = self.target.at(n, y, x) + block * WIDTH;
                let to = &mut self.target.first[start..start + outputs];
                to.iter_mut().zip(sums).for_each(|(to, sum)| _ = to.write(sum));
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        let width = VECTORS * S::LANES;
        let out = self.target.first.as_mut_ptr().cast::<f32>();
        let panel = self.taps.len() * self.channels * width;
        for (block, weights) in self.weights.chunks_exact(panel).enumerate() {
            let first = block * width;
            let outputs = width.min(self.target.channels - first);
            for n in 0..self.images {
                // SAFETY: by the caller's sizes all pixels' windows lie in the planes, and the pixels in the target.
                unsafe {
                    let out = out.add(first);
                    if outputs > S::LANES {
                        self.tiles::<S, 2>(simd, n, weights, out, outputs);
                    } else {
                        self.tiles::<S, 1>(simd, n, weights, out, outputs);
                    }
                }
            }
        }
    }
}

impl Target<'_> {
    fn at(&self, n: usize, y: usize, x: usize) -> usize {
        n * self.image + y * self.row + x * self.pixel
    }
}

impl Correlate<'_> {
    /// Image, row and column of a pixel.
    fn place(&self, index: usize) -> (usize, usize, usize) {
        let (line, x) = (index / self.width, index % self.width);
        (line / self.height, line % self.height, x)
    }

    /// Covers one image with tiles: columns in pieces as equal as can be, then as many rows as fit. A piece has up to
    /// half a tile's columns and two rows or more of it, or else all of the tile's columns: fewer tiles to compile.
    ///
    /// # Safety
    /// As [`tile`](Self::tile), for every pixel of the image.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const V: usize>(&self, simd: S, n: usize, w: &[f32], out: *mut f32, outputs: usize) {
        let most = const { pixels::<S>() };
        let whole = most <= 6 || self.width.is_multiple_of(most);
        let pieces = self.width.div_ceil(if whole { most } else { most / 2 });
        for piece in 0..pieces {
            let x = piece * self.width / pieces;
            let columns = (piece + 1) * self.width / pieces - x;
            let most = (most / columns).min(3);
            let mut y = 0;
            while y < self.height {
                let rows = most.min(self.height - y);
                let from = n * self.image + y * self.row + x * BLOCK;
                let to = self.target.at(n, y, x);
                // SAFETY: the caller's.
                unsafe {
                    let from = self.planes.as_ptr().add(from);
                    self.tile_of::<S, V>(simd, (rows, columns), from, w.as_ptr(), out.add(to), outputs);
                }
                y += rows;
            }
        }
    }

    /// # Safety
    /// As [`tile`](Self::tile).
    #[inline(always)]
    unsafe fn tile_of<S: Simd, const V: usize>(
        &self,
        simd: S,
        size: (usize, usize),
        x: *const f32,
        w: *const f32,
        out: *mut f32,
        outputs: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            match size {
                (1, 1) => self.tile::<S, V, 1, 1>(simd, x, w, out, outputs),
                (1, 2) => self.tile::<S, V, 1, 2>(simd, x, w, out, outputs),
                (1, 3) => self.tile::<S, V, 1, 3>(simd, x, w, out, outputs),
                (1, 4) => self.tile::<S, V, 1, 4>(simd, x, w, out, outputs),
                (1, 5) => self.tile::<S, V, 1, 5>(simd, x, w, out, outputs),
                (1, 6) => self.tile::<S, V, 1, 6>(simd, x, w, out, outputs),
                (1, 7) => self.tile::<S, V, 1, 7>(simd, x, w, out, outputs),
                (1, 14) => self.tile::<S, V, 1, 14>(simd, x, w, out, outputs),
                (2, 1) => self.tile::<S, V, 2, 1>(simd, x, w, out, outputs),
                (2, 2) => self.tile::<S, V, 2, 2>(simd, x, w, out, outputs),
                (2, 3) => self.tile::<S, V, 2, 3>(simd, x, w, out, outputs),
                (2, 4) => self.tile::<S, V, 2, 4>(simd, x, w, out, outputs),
                (2, 5) => self.tile::<S, V, 2, 5>(simd, x, w, out, outputs),
                (2, 6) => self.tile::<S, V, 2, 6>(simd, x, w, out, outputs),
                (2, 7) => self.tile::<S, V, 2, 7>(simd, x, w, out, outputs),
                (3, 1) => self.tile::<S, V, 3, 1>(simd, x, w, out, outputs),
                (3, 2) => self.tile::<S, V, 3, 2>(simd, x, w, out, outputs),
                (3, 3) => self.tile::<S, V, 3, 3>(simd, x, w, out, outputs),
                (3, 4) => self.tile::<S, V, 3, 4>(simd, x, w, out, outputs),
                (rows, columns) => unreachable!("no tile of {rows} rows and {columns} columns"),
            }
        }
    }

    /// `R × P` pixels by `V` vectors of channels, of which the first `outputs` are written.
    ///
    /// # Safety
    /// `x` is the first pixel's place in a plane, with all taps of `R × P` pixels and all blocks of channels behind
    /// it; `w` is a panel of weights; `out` is the first pixel's place in the target, with room for the others.
    #[inline(always)]
    unsafe fn tile<S: Simd, const V: usize, const R: usize, const P: usize>(
        &self,
        simd: S,
        x: *const f32,
        mut w: *const f32,
        out: *mut f32,
        outputs: usize,
    ) {
        if const { R * P > pixels::<S>() } {
            unreachable!("tiles are chosen to fit the registers");
        }
        let mut sums = [[[simd.splat(0.0); V]; P]; R];
        // SAFETY: the caller's.
        unsafe {
            for first in (0..self.channels).step_by(BLOCK) {
                let channels = BLOCK.min(self.channels - first);
                let block = x.add(first / BLOCK * self.block);
                for &tap in self.taps {
                    let window = block.add(tap);
                    for c in 0..channels {
                        let mut weights = [simd.splat(0.0); V];
                        for (v, weight) in weights.iter_mut().enumerate() {
                            *weight = simd.load(w.add(v * S::LANES));
                        }
                        w = w.add(VECTORS * S::LANES);
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let row = window.add(r * self.row + c);
                            for (p, sums) in sums.iter_mut().enumerate() {
                                let pixel = simd.splat(*row.add(p * BLOCK));
                                for (sum, &weight) in sums.iter_mut().zip(&weights) {
                                    *sum = simd.fma(pixel, weight, *sum);
                                }
                            }
                        }
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (p, sums) in sums.iter().enumerate() {
                    let to = out.add(r * self.target.row + p * self.target.pixel);
                    store(simd, to, sums, outputs);
                }
            }
        }
    }
}

/// Writes `n` numbers from `V` vectors, more than `V − 1` vectors of them.
///
/// # Safety
/// `to` must be valid for writes of `n` numbers.
#[inline(always)]
unsafe fn store<S: Simd, const V: usize>(simd: S, to: *mut f32, sums: &[S::V; V], n: usize) {
    for (v, &sum) in sums.iter().enumerate() {
        let first = v * S::LANES;
        // SAFETY: the caller's.
        unsafe {
            if first + S::LANES <= n {
                simd.store(to.add(first), sum);
            } else {
                simd.store_first(to.add(first), n - first, sum);
            }
        }
    }
}

/// Pixels of the largest tile.
const fn pixels<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 14 } else { 6 }
}
