//! Images from images: the convolution, and its adjoint in the images.

#![allow(unsafe_code, reason = "multiplies through pointers into scratch, images and results")]

use std::mem::MaybeUninit;

use super::product::{Product, padded_rows, panel, tile_rows};
use super::tiles::{Tiles, Values};
use super::weights::{Layout, Pack};
use super::{ConvShape, portable};
use crate::level::{Kernel, Level};
use crate::scratch::Scratch;
use crate::simd::Simd;

/// Packed weights, for any number of images of one size.
#[derive(Debug)]
pub(crate) struct Packed {
    level: Level,
    height: usize,
    width: usize,
    /// Channels of the images that come in.
    inputs: usize,
    /// Channels of those that go out.
    outputs: usize,
    weights: Scratch,
}

impl Packed {
    /// From the inputs' channels to the outputs'. `w` must have the shape's size; the number of images is not used.
    pub(crate) fn conv(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        Self::new(level, shape, w, false)
    }

    /// From the outputs' channels to the inputs'.
    pub(crate) fn conv_t(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        Self::new(level, shape, w, true)
    }

    fn new(level: Level, shape: &ConvShape, w: &[f32], adjoint: bool) -> Self {
        let ConvShape { height, width, inputs, outputs, .. } = *shape;
        assert_eq!(w.len(), 9 * inputs * outputs, "checked by the caller");
        let weights = level.run(Pack { w, inputs, outputs, adjoint });
        let (inputs, outputs) = if adjoint { (outputs, inputs) } else { (inputs, outputs) };
        Self { level, height, width, inputs, outputs, weights }
    }

    /// Convolves any number of images, and writes every element of `out`.
    pub(crate) fn run(&self, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        let pixels = self.height * self.width;
        let images = out.len() / (pixels * self.outputs).max(1);
        assert_eq!((x.len(), out.len()), (images * pixels * self.inputs, images * pixels * self.outputs));
        self.level.run(Run { packed: self, images, x, out });
    }
}

/// How many tiles are transformed before they are multiplied: whole register tiles whose values, before and after, take
/// half a megabyte, so that they and the weights stay in the second cache. Half and twice as much are slower by 3 %.
pub(super) fn group<S: Simd>(tiles: usize, inputs: usize, outputs: usize) -> usize {
    const BYTES: usize = 1 << 19;
    let rows = tile_rows::<S>();
    let fit = BYTES / (16 * size_of::<f32>() * (inputs + outputs));
    ((fit / rows).max(1) * rows).min(tiles).max(1)
}

struct Run<'a> {
    packed: &'a Packed,
    images: usize,
    x: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Run<'_> {
    type Output = ();

    fn portable(self) {
        let Packed { height, width, inputs, outputs, ref weights, .. } = *self.packed;
        // SAFETY: the portable form packs as many numbers as there are weights; zeros initialise the result.
        let (w, out) = unsafe {
            let w = std::slice::from_raw_parts(weights.as_ptr(), 9 * inputs * outputs);
            self.out.fill(MaybeUninit::new(0.0));
            (w, std::slice::from_raw_parts_mut(self.out.as_mut_ptr().cast(), self.out.len()))
        };
        portable::convolve(self.x, [self.images, height, width], w, [inputs, outputs], out);
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let Packed { height, width, inputs, outputs, .. } = *self.packed;
        let tiles = Tiles::new(self.images, height, width);
        let group = group::<S>(tiles.count, inputs, outputs);
        let (from, to) = (Values::new::<S>(padded_rows(group), inputs), Values::new::<S>(padded_rows(group), outputs));
        let mut scratch = Scratch::new(from.len() + to.len() + inputs);
        // SAFETY: scratch has both kinds of values and a pixel of zeros; images and result have their sizes.
        unsafe {
            let values = scratch.as_mut_ptr();
            let results = values.add(from.len());
            let outside = results.add(to.len());
            outside.write_bytes(0, inputs);
            for first in (0..tiles.count).step_by(group) {
                let part = (first, group.min(tiles.count - first));
                tiles.take_pixels(s, (self.x.as_ptr(), inputs, outside), part, (values, from));
                self.packed.multiply(s, part.1, (values, from), (results, to));
                tiles.put_results(s, (results, to), part, (self.out.as_mut_ptr().cast(), outputs));
            }
        }
    }
}

impl Packed {
    /// The 16 products of a group's tiles with the weights.
    ///
    /// # Safety
    /// Scratch must have the values of the tiles, in [`padded_rows`].
    #[inline(always)]
    unsafe fn multiply<S: Simd>(
        &self,
        s: S,
        tiles: usize,
        (a, from): (*const f32, Values),
        (out, to): (*mut f32, Values),
    ) {
        let layout = Layout::new::<S>(self.inputs, self.outputs);
        for value in 0..16 {
            for output in (0..layout.padded).step_by(panel::<S>()) {
                let vectors = layout.vectors::<S>(output);
                // SAFETY: the caller's; the packed weights have this layout.
                unsafe {
                    let product = Product {
                        depth: self.inputs,
                        a: a.add(value * from.value),
                        a_row: from.tile,
                        a_term: 1,
                        b: self.weights.as_ptr().add(value * layout.value + output * self.inputs),
                        b_term: vectors * S::LANES,
                        out: out.add(value * to.value + output),
                        out_row: to.tile,
                        add: false,
                    };
                    product.run(s, tiles, vectors);
                }
            }
        }
    }
}
