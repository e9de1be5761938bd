//! Mean and variance of every channel: of one image about its own mean in f32, of all images together in f64.
//!
//! A tile is four vectors of channels, four independent sums, over all pixels.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use super::lanes::{Strips, each_strip, load, store};
use crate::level::Kernel;
use crate::simd::Simd;

/// One image's moments of every channel.
#[derive(Debug)]
pub(super) struct ImageMoments {
    /// The mean, up to the rounding of a long sum.
    mean: Vec<f32>,
    /// The sum of the distances from it, which is what the rounding has left.
    rest: Vec<f32>,
    /// The sum of the squared distances from it.
    square: Vec<f32>,
}

/// The moments of the pixels so far (Chan, Golub and LeVeque, 1979).
#[derive(Debug)]
pub(super) struct Statistics {
    pixels: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
    image: ImageMoments,
}

impl Statistics {
    pub(super) fn new(channels: usize) -> Self {
        let zeros = || vec![0f32; channels];
        let image = ImageMoments { mean: zeros(), rest: zeros(), square: zeros() };
        Self { pixels: 0.0, mean: vec![0.0; channels], square: vec![0.0; channels], image }
    }

    /// Adds an image of `pixels` pixels, whose moments `measure` writes.
    pub(super) fn add(&mut self, pixels: usize, measure: impl FnOnce(&mut ImageMoments)) {
        measure(&mut self.image);
        let new = pixels as f64;
        let all = self.pixels + new;
        for (c, (mean, square)) in self.mean.iter_mut().zip(&mut self.square).enumerate() {
            let rest = f64::from(self.image.rest[c]) / new;
            let distance = f64::from(self.image.mean[c]) + rest - *mean;
            *mean += distance * (new / all);
            let within = f64::from(self.image.square[c]) - rest * rest * new;
            // Rounding may leave less than nothing; a NaN stays.
            let within = if within < 0.0 { 0.0 } else { within };
            *square += within + distance * distance * (self.pixels * new / all);
        }
        self.pixels = all;
    }

    /// The mean, and one over the standard deviation.
    pub(super) fn finish(&self, eps: f32) -> (Vec<f32>, Vec<f32>) {
        let pixels = self.pixels.max(1.0);
        let rstd = self.square.iter().map(|square| 1.0 / (square / pixels + f64::from(eps)).sqrt());
        (self.mean.iter().map(|&mean| mean as f32).collect(), rstd.map(|rstd| rstd as f32).collect())
    }
}

/// Measures one image `[pixels, channels]`, which has pixels.
pub(super) struct Moments<'a> {
    pub(super) y: &'a [f32],
    pub(super) into: &'a mut ImageMoments,
}

impl Kernel for Moments<'_> {
    type Output = ();

    fn portable(self) {
        let ImageMoments { mean, rest, square } = self.into;
        let channels = mean.len();
        let pixels = (self.y.len() / channels) as f32;
        for numbers in [&mut *mean, &mut *rest, &mut *square] {
            numbers.fill(0.0);
        }
        for pixel in self.y.chunks_exact(channels) {
            mean.iter_mut().zip(pixel).for_each(|(mean, y)| *mean += y);
        }
        mean.iter_mut().for_each(|mean| *mean /= pixels);
        for pixel in self.y.chunks_exact(channels) {
            for (c, y) in pixel.iter().enumerate() {
                let distance = y - mean[c];
                rest[c] += distance;
                square[c] += distance * distance;
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(mut self, simd: S) {
        each_strip(simd, self.into.mean.len(), &mut self);
    }
}

impl Strips for Moments<'_> {
    #[inline(always)]
    unsafe fn some<S: Simd, const V: usize>(&mut self, simd: S, c: usize, n: usize) {
        let channels = self.into.mean.len();
        let pixels = self.y.len() / channels;
        // SAFETY: the caller's; every pixel has as many channels.
        unsafe {
            let y = self.y.as_ptr().add(c);
            let mut mean = [simd.splat(0.0); V];
            for pixel in 0..pixels {
                for (v, mean) in mean.iter_mut().enumerate() {
                    *mean = simd.add(*mean, load(simd, y.add(pixel * channels + v * S::LANES), n));
                }
            }
            for mean in &mut mean {
                *mean = simd.div(*mean, simd.splat(pixels as f32));
            }
            let (mut rest, mut square) = ([simd.splat(0.0); V], [simd.splat(0.0); V]);
            for pixel in 0..pixels {
                for v in 0..V {
                    let y = load(simd, y.add(pixel * channels + v * S::LANES), n);
                    let distance = simd.sub(y, mean[v]);
                    rest[v] = simd.add(rest[v], distance);
                    square[v] = simd.fma(distance, distance, square[v]);
                }
            }
            for v in 0..V {
                let at = c + v * S::LANES;
                store(simd, self.into.mean.as_mut_ptr().add(at), n, mean[v]);
                store(simd, self.into.rest.as_mut_ptr().add(at), n, rest[v]);
                store(simd, self.into.square.as_mut_ptr().add(at), n, square[v]);
            }
        }
    }
}
