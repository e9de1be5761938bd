//! Weights from images: 16 sums of outer products over all tiles, transformed back once at the end.

#![allow(unsafe_code, reason = "multiplies through pointers into scratch, images and results")]

use std::mem::MaybeUninit;

use super::images::group;
use super::product::{Product, padded_rows, panel};
use super::tiles::{Tiles, Values};
use super::transform::{TapsAdjoint, both};
use super::{ConvShape, portable};
use crate::level::{Kernel, Level};
use crate::memory::append;
use crate::scratch::Scratch;
use crate::simd::Simd;

/// The sums so far, over any number of images of one size.
#[derive(Debug)]
pub(crate) struct WeightSums {
    level: Level,
    height: usize,
    width: usize,
    inputs: usize,
    outputs: usize,
    /// Whether the sums hold anything yet.
    started: bool,
    /// `[16][inputs][outputs]`, padded; in the portable form `[9][inputs][outputs]`.
    sums: Scratch,
}

impl WeightSums {
    /// Sums of nothing. The shape's number of images is not used.
    pub(crate) fn new(level: Level, shape: &ConvShape) -> Self {
        let ConvShape { height, width, inputs, outputs, .. } = *shape;
        let sums = level.run(Room { inputs, outputs });
        Self { level, height, width, inputs, outputs, started: false, sums }
    }

    /// Adds the images `x` and what their results are weighted by, `u`.
    pub(crate) fn add(&mut self, x: &[f32], u: &[f32]) {
        let pixels = self.height * self.width;
        let images = x.len() / (pixels * self.inputs).max(1);
        assert_eq!((x.len(), u.len()), (images * pixels * self.inputs, images * pixels * self.outputs));
        if images > 0 {
            self.level.run(Add { sums: self, images, x, u });
        }
    }

    /// The weights `[3, 3, inputs, outputs]`.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        let len = 9 * self.inputs * self.outputs;
        if !self.started {
            return vec![0.0; len];
        }
        let mut out = Vec::new();
        // SAFETY: the transform back writes every weight.
        unsafe { append(&mut out, len, |out| self.level.run(Finish { sums: &mut self, out })) };
        out
    }

    /// Where sums lie: input channels stand where tiles stand elsewhere.
    fn values<S: Simd>(inputs: usize, outputs: usize) -> Values {
        Values::new::<S>(padded_rows(inputs), outputs)
    }

    /// The sums of the portable form.
    fn portable(&mut self) -> &mut [f32] {
        let len = 9 * self.inputs * self.outputs;
        // SAFETY: the portable form has room for as many.
        unsafe { std::slice::from_raw_parts_mut(self.sums.as_mut_ptr(), len) }
    }
}

/// Room for the sums.
struct Room {
    inputs: usize,
    outputs: usize,
}

impl Kernel for Room {
    type Output = Scratch;

    fn portable(self) -> Scratch {
        Scratch::new(9 * self.inputs * self.outputs)
    }

    #[inline(always)]
    fn simd<S: Simd>(self, _: S) -> Scratch {
        Scratch::new(WeightSums::values::<S>(self.inputs, self.outputs).len())
    }
}

struct Add<'a> {
    sums: &'a mut WeightSums,
    images: usize,
    x: &'a [f32],
    u: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    fn portable(self) {
        let WeightSums { height, width, inputs, outputs, started, .. } = *self.sums;
        let sums = self.sums.portable();
        if !started {
            sums.fill(0.0);
        }
        portable::weight_grad(self.x, self.u, [self.images, height, width], [inputs, outputs], sums);
        self.sums.started = true;
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let WeightSums { height, width, inputs, outputs, .. } = *self.sums;
        let tiles = Tiles::new(self.images, height, width);
        let group = group::<S>(tiles.count, inputs, outputs);
        let (xs, us) = (Values::new::<S>(group, inputs), Values::new::<S>(group, outputs));
        let zeros = inputs.max(outputs);
        let mut scratch = Scratch::new(xs.len() + us.len() + zeros);
        // SAFETY: scratch has both kinds of values and a pixel of zeros; the slices have their sizes.
        unsafe {
            let x = scratch.as_mut_ptr();
            let u = x.add(xs.len());
            let outside = u.add(us.len());
            outside.write_bytes(0, zeros);
            for first in (0..tiles.count).step_by(group) {
                let part = (first, group.min(tiles.count - first));
                tiles.take_pixels(s, (self.x.as_ptr(), inputs, outside), part, (x, xs));
                tiles.take_results(s, (self.u.as_ptr(), outputs, outside), part, (u, us));
                self.sums.multiply(s, part.1, (x, xs), (u, us));
                self.sums.started = true;
            }
        }
    }
}

impl WeightSums {
    /// Adds the outer products of a group's tiles, or starts with them.
    ///
    /// # Safety
    /// Scratch must have the values of the tiles.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(
        &mut self,
        s: S,
        tiles: usize,
        (x, xs): (*const f32, Values),
        (u, us): (*const f32, Values),
    ) {
        let sums = Self::values::<S>(self.inputs, self.outputs);
        for value in 0..16 {
            for output in (0..us.tile).step_by(panel::<S>()) {
                // SAFETY: the caller's. A product may read three channels too many: they are in `x` all the same, in the
                // next tile or in the line behind the last one.
                unsafe {
                    let product = Product {
                        depth: tiles,
                        a: x.add(value * xs.value),
                        a_row: 1,
                        a_term: xs.tile,
                        b: u.add(value * us.value + output),
                        b_term: us.tile,
                        out: self.sums.as_mut_ptr().add(value * sums.value + output),
                        out_row: sums.tile,
                        add: self.started,
                    };
                    product.run(s, self.inputs, if us.tile - output >= panel::<S>() { 2 } else { 1 });
                }
            }
        }
    }
}

struct Finish<'a> {
    sums: &'a mut WeightSums,
    out: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Finish<'_> {
    type Output = ();

    fn portable(self) {
        for (out, &sum) in self.out.iter_mut().zip(self.sums.portable().iter()) {
            out.write(sum);
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let WeightSums { inputs, outputs, ref sums, .. } = *self.sums;
        let values = WeightSums::values::<S>(inputs, outputs);
        for input in 0..inputs {
            for output in (0..outputs).step_by(S::LANES) {
                let n = S::LANES.min(outputs - output);
                let mut square = [[s.splat(0.0); 4]; 4];
                // SAFETY: the sums have these values, and `out` nine taps.
                unsafe {
                    let from = sums.as_ptr().add(input * values.tile + output);
                    for (i, value) in square.as_flattened_mut().iter_mut().enumerate() {
                        *value = s.load(from.add(i * values.value));
                    }
                    let to = self.out.as_mut_ptr().cast::<f32>().add(input * outputs + output);
                    for (tap, &value) in both::<TapsAdjoint, S, 4, 3>(s, square).as_flattened().iter().enumerate() {
                        s.store_first(to.add(tap * inputs * outputs), n, value);
                    }
                }
            }
        }
    }
}
