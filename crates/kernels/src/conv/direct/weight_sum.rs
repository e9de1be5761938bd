//! The sum over pixels that makes weights: `out[tap, c, o] += Σ x[p + tap, c] · u[p, o]`.
//!
//! The tile is a row of three taps, four channels and two vectors of output channels where there are 32 registers, 24
//! sums with room for two vectors of `u` and one number of `x`; two channels where there are 16. What is left over of
//! the channels has tiles of its own; a single channel, the usual first layer, takes all nine taps at once.

#![allow(unsafe_code, reason = "tiles read and write through pointers")]

use super::planes::BLOCK;
use crate::level::Kernel;
use crate::simd::Simd;

/// One sum over the pixels of padded planes and packed seeds.
pub(super) struct WeightSum<'a> {
    /// `[images, channel blocks, rows, columns, 16]` in steps of the three numbers below.
    pub(super) planes: &'a [f32],
    pub(super) image: usize,
    pub(super) block: usize,
    pub(super) row: usize,
    /// Channels of the planes.
    pub(super) channels: usize,
    /// Where in a block the first pixel's window has its taps.
    pub(super) taps: &'a [usize; 9],
    /// `[images, height, width, seed]`, where `seed` is a multiple of the vector's lanes.
    pub(super) seeds: &'a [f32],
    pub(super) seed: usize,
    pub(super) images: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) outputs: usize,
    /// `[9, channels, outputs]`.
    pub(super) out: &'a mut [f32],
}

/// Vectors of output channels in a tile.
const VECTORS: usize = 2;

impl Kernel for WeightSum<'_> {
    type Output = ();

    fn portable(self) {
        let mut sums = vec![0f32; self.outputs];
        for (tap, &offset) in self.taps.iter().enumerate() {
            for c in 0..self.channels {
                let start = offset + c / BLOCK * self.block + c % BLOCK;
                sums.fill(0.0);
                for (index, seeds) in self.seeds.chunks_exact(self.seed).enumerate() {
                    let (line, x) = (index / self.width, index % self.width);
                    let (n, y) = (line / self.height, line % self.height);
                    let pixel = self.planes[start + n * self.image + y * self.row + x * BLOCK];
                    sums.iter_mut().zip(seeds).for_each(|(sum, u)| *sum += pixel * u);
                }
                let to = &mut self.out[(tap * self.channels + c) * self.outputs..];
                to.iter_mut().zip(&sums).for_each(|(to, sum)| *to += sum);
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(mut self, simd: S) {
        let width = VECTORS * S::LANES;
        for first in (0..self.outputs).step_by(width) {
            let outputs = width.min(self.outputs - first);
            // SAFETY: as in `tile`, by the caller's sizes.
            unsafe {
                let u = self.seeds.as_ptr().add(first);
                if outputs > S::LANES {
                    self.all::<S, 2>(simd, u, first, outputs);
                } else {
                    self.all::<S, 1>(simd, u, first, outputs);
                }
            }
        }
    }
}

impl WeightSum<'_> {
    /// All taps and channels of a block of output channels.
    ///
    /// # Safety
    /// As [`tile`](Self::tile).
    #[inline(always)]
    unsafe fn all<S: Simd, const V: usize>(&mut self, simd: S, u: *const f32, first: usize, outputs: usize) {
        let most = if S::REGISTERS >= 32 { 4 } else { 2 };
        let mut c = 0;
        while c < self.channels {
            let channels = most.min(self.channels - c);
            // SAFETY: the caller's.
            unsafe {
                if channels == 1 && S::REGISTERS >= 32 {
                    self.tile::<S, V, 9, 1>(simd, u, (0, c), first, outputs);
                } else {
                    for tap in [0, 3, 6] {
                        match channels {
                            1 => self.tile::<S, V, 3, 1>(simd, u, (tap, c), first, outputs),
                            2 => self.tile::<S, V, 3, 2>(simd, u, (tap, c), first, outputs),
                            3 => self.tile::<S, V, 3, 3>(simd, u, (tap, c), first, outputs),
                            _ => self.tile::<S, V, 3, 4>(simd, u, (tap, c), first, outputs),
                        }
                    }
                }
            }
            c += channels;
        }
    }

    /// `T` taps by `C` channels from `(tap, c)` on, by `V` vectors of output channels from `first` on, of which
    /// `outputs` are written.
    ///
    /// # Safety
    /// `u` is the first pixel's seed of channel `first`, with `V` vectors for every pixel; all pixels' windows lie in
    /// the planes, the `C` channels in one block of them.
    #[inline(always)]
    unsafe fn tile<S: Simd, const V: usize, const T: usize, const C: usize>(
        &mut self,
        simd: S,
        mut u: *const f32,
        (tap, c): (usize, usize),
        first: usize,
        outputs: usize,
    ) {
        if const { T * C * V > S::REGISTERS - 3 } {
            unreachable!("tiles are chosen to fit the registers");
        }
        let mut sums = [[[simd.splat(0.0); V]; C]; T];
        // SAFETY: the caller's.
        unsafe {
            let start = self.planes.as_ptr().add(c / BLOCK * self.block + c % BLOCK);
            for n in 0..self.images {
                for y in 0..self.height {
                    let mut windows = [start.add(n * self.image + y * self.row); T];
                    for (t, window) in windows.iter_mut().enumerate() {
                        *window = window.add(self.taps[tap + t]);
                    }
                    for x in 0..self.width {
                        add_products(simd, u, &windows, x * BLOCK, &mut sums);
                        u = u.add(self.seed);
                    }
                }
            }
            for (t, sums) in sums.iter().enumerate() {
                for (i, sums) in sums.iter().enumerate() {
                    let to = ((tap + t) * self.channels + c + i) * self.outputs + first;
                    add_to(simd, self.out.as_mut_ptr().add(to), sums, outputs);
                }
            }
        }
    }
}

/// Adds one pixel's products.
///
/// # Safety
/// `u` must be good for `V` vectors, each window for `C` numbers from `at` on.
#[inline(always)]
unsafe fn add_products<S: Simd, const V: usize, const T: usize, const C: usize>(
    simd: S,
    u: *const f32,
    windows: &[*const f32; T],
    at: usize,
    sums: &mut [[[S::V; V]; C]; T],
) {
    let mut seeds = [simd.splat(0.0); V];
    // SAFETY: the caller's.
    unsafe {
        for (v, seed) in seeds.iter_mut().enumerate() {
            *seed = simd.load(u.add(v * S::LANES));
        }
        for (sums, window) in sums.iter_mut().zip(windows) {
            for (c, sums) in sums.iter_mut().enumerate() {
                let pixel = simd.splat(*window.add(at + c));
                for (sum, &seed) in sums.iter_mut().zip(&seeds) {
                    *sum = simd.fma(pixel, seed, *sum);
                }
            }
        }
    }
}

/// Adds `n` numbers from `V` vectors, more than `V − 1` vectors of them.
///
/// # Safety
/// `to` must be valid for reads and writes of `n` numbers.
#[inline(always)]
unsafe fn add_to<S: Simd, const V: usize>(simd: S, to: *mut f32, sums: &[S::V; V], n: usize) {
    for (v, &sum) in sums.iter().enumerate() {
        let first = v * S::LANES;
        // SAFETY: the caller's.
        unsafe {
            let to = to.add(first);
            if first + S::LANES <= n {
                simd.store(to, simd.add(simd.load(to), sum));
            } else {
                simd.store_first(to, n - first, simd.add(simd.load_first(to, n - first), sum));
            }
        }
    }
}
