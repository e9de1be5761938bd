//! An image cut into tiles of 2×2 pixels, and its numbers taken into scratch and back.
//!
//! Transforms run over the channels of a pixel, a vector at a time. Scratch holds the 16 values of a tile apart:
//! `[16][tiles][channels]`, channels padded to whole vectors.

#![allow(unsafe_code, reason = "reads and writes images and scratch through pointers; tiles hang over an image's edge")]

use super::transform::{Pixels, Results, ResultsAdjoint, Transform, both};
use crate::scratch::LINE;
use crate::simd::Simd;

/// Images of equal size, cut into tiles that are numbered through all images.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    height: usize,
    width: usize,
    down: usize,
    across: usize,
    pub(super) count: usize,
}

/// Where a tile's numbers lie in scratch.
#[derive(Clone, Copy)]
pub(super) struct Values {
    /// Numbers from one tile to the next: its channels, padded.
    pub(super) tile: usize,
    /// Numbers from one of the 16 values to the next.
    pub(super) value: usize,
}

impl Values {
    /// Of `tiles` tiles.
    pub(super) fn new<S: Simd>(tiles: usize, channels: usize) -> Self {
        let tile = channels.next_multiple_of(S::LANES);
        // One line more, or the 16 values would often lie a multiple of 4096 bytes apart and evict each other.
        Self { tile, value: (tiles * tile).next_multiple_of(LINE) + LINE }
    }

    /// Numbers in all.
    pub(super) fn len(self) -> usize {
        16 * self.value
    }
}

impl Tiles {
    pub(super) fn new(images: usize, height: usize, width: usize) -> Self {
        let (down, across) = (height.div_ceil(2), width.div_ceil(2));
        Self { height, width, down, across, count: images * down * across }
    }

    /// The pixels of `N` rows and columns around a tile, from `before` pixels above and left of it on; `outside` stands
    /// for those that no image has.
    ///
    /// # Safety
    /// `image` must have the pixels of all images, and `tile` be one of them.
    #[inline(always)]
    unsafe fn window<const N: usize>(
        &self,
        images: *const f32,
        channels: usize,
        outside: *const f32,
        tile: usize,
        before: usize,
    ) -> [[*const f32; N]; N] {
        let (row, column) = (tile / self.across, tile % self.across);
        let (image, row) = (row / self.down, row % self.down);
        // A row above the image wraps to a huge number, which is outside as well.
        let (top, left) = ((2 * row).wrapping_sub(before), (2 * column).wrapping_sub(before));
        let mut window = [[outside; N]; N];
        for (i, line) in window.iter_mut().enumerate() {
            let y = top.wrapping_add(i);
            if y >= self.height {
                continue;
            }
            let start = (image * self.height + y) * self.width;
            for (j, pixel) in line.iter_mut().enumerate() {
                let x = left.wrapping_add(j);
                if x < self.width {
                    // SAFETY: the pixel is inside an image.
                    *pixel = unsafe { images.add((start + x) * channels) };
                }
            }
        }
        window
    }

    /// `Bᵀ d B` of tiles `first..first + n`.
    ///
    /// # Safety
    /// `images` must have the pixels of all images with `channels` numbers each, `outside` as many zeros, `to` the
    /// values of `n` tiles.
    #[inline(always)]
    pub(super) unsafe fn take_pixels<S: Simd>(
        &self,
        s: S,
        (images, channels, outside): (*const f32, usize, *const f32),
        (first, n): (usize, usize),
        (to, values): (*mut f32, Values),
    ) {
        for tile in 0..n {
            // SAFETY: the caller's.
            unsafe {
                let window = self.window::<4>(images, channels, outside, first + tile, 1);
                let to = to.add(tile * values.tile);
                for_vectors::<Pixels, S, 4>(s, window, channels, to, values.value);
            }
        }
    }

    /// `A ȳ Aᵀ` of tiles `first..first + n`.
    ///
    /// # Safety
    /// As [`take_pixels`](Self::take_pixels).
    #[inline(always)]
    pub(super) unsafe fn take_results<S: Simd>(
        &self,
        s: S,
        (images, channels, outside): (*const f32, usize, *const f32),
        (first, n): (usize, usize),
        (to, values): (*mut f32, Values),
    ) {
        for tile in 0..n {
            // SAFETY: the caller's.
            unsafe {
                let window = self.window::<2>(images, channels, outside, first + tile, 0);
                let to = to.add(tile * values.tile);
                for_vectors::<ResultsAdjoint, S, 2>(s, window, channels, to, values.value);
            }
        }
    }

    /// Writes `Aᵀ m A` of tiles `first..first + n`.
    ///
    /// # Safety
    /// `from` must have the values of `n` tiles, `images` the pixels of all images with `channels` numbers each.
    #[inline(always)]
    pub(super) unsafe fn put_results<S: Simd>(
        &self,
        s: S,
        (from, values): (*const f32, Values),
        (first, n): (usize, usize),
        (images, channels): (*mut f32, usize),
    ) {
        for tile in 0..n {
            // SAFETY: the caller's; pixels outside are null and not written.
            unsafe {
                let window = self.window::<2>(images, channels, std::ptr::null(), first + tile, 0);
                let from = from.add(tile * values.tile);
                for channel in (0..channels).step_by(S::LANES) {
                    let mut square = [[s.splat(0.0); 4]; 4];
                    for (i, value) in square.as_flattened_mut().iter_mut().enumerate() {
                        *value = s.load(from.add(i * values.value + channel));
                    }
                    let square = both::<Results, S, 4, 2>(s, square);
                    let left = channels - channel;
                    for (&pixel, &value) in window.as_flattened().iter().zip(square.as_flattened()) {
                        if pixel.is_null() {
                            continue;
                        }
                        let pixel = pixel.add(channel).cast_mut();
                        if left >= S::LANES { s.store(pixel, value) } else { s.store_first(pixel, left, value) }
                    }
                }
            }
        }
    }
}

/// Transforms a window into its 16 values, vector by vector.
///
/// # Safety
/// The pixels of the window must have `channels` numbers; `to` must have room for them in whole vectors, 16 times,
/// `step` apart.
#[inline(always)]
unsafe fn for_vectors<T: Transform<N, 4>, S: Simd, const N: usize>(
    s: S,
    window: [[*const f32; N]; N],
    channels: usize,
    to: *mut f32,
    step: usize,
) {
    let mut channel = 0;
    while channel < channels {
        let left = channels - channel;
        let mut square = [[s.splat(0.0); N]; N];
        // SAFETY: the caller's.
        unsafe {
            if left >= S::LANES {
                for (value, &pixel) in square.as_flattened_mut().iter_mut().zip(window.as_flattened()) {
                    *value = s.load(pixel.add(channel));
                }
            } else {
                for (value, &pixel) in square.as_flattened_mut().iter_mut().zip(window.as_flattened()) {
                    *value = s.load_first(pixel.add(channel), left);
                }
            }
            let square = both::<T, S, N, 4>(s, square);
            for (i, &value) in square.as_flattened().iter().enumerate() {
                s.store(to.add(i * step + channel), value);
            }
        }
        channel += S::LANES;
    }
}
