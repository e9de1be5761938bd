//! The adjoint in the weights: 16 sums of outer products over the tiles, transformed back once at the end.

#![allow(unsafe_code, reason = "multiplies through pointers; sizes are checked where slices come in")]

use super::packed::group;
use super::portable;
use super::product::{Product, padded_rows, panel};
use super::scratch::Scratch;
use super::tiles::{Tiles, Values};
use super::transform::{TapsAdjoint, both};
use crate::level::Kernel;
use crate::simd::Simd;

/// `x` `[B, H, W, C]` and `u` `[B, H, W, O]` have the sizes said, and `out` room for `[3, 3, C, O]`.
pub(super) struct WeightGrad<'a> {
    pub(super) x: &'a [f32],
    pub(super) u: &'a [f32],
    /// Images, height, width.
    pub(super) sizes: [usize; 3],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) out: *mut f32,
}

impl Kernel for WeightGrad<'_> {
    type Output = ();

    fn portable(self) {
        let channels = [self.inputs, self.outputs];
        let numbers = 9 * self.inputs * self.outputs;
        // SAFETY: `out` has this size, and zeros initialise it.
        let out = unsafe {
            self.out.write_bytes(0, numbers);
            std::slice::from_raw_parts_mut(self.out, numbers)
        };
        portable::weight_grad(self.x, self.u, self.sizes, channels, out);
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let [images, height, width] = self.sizes;
        let tiles = Tiles::new(images, height, width);
        let group = group::<S>(tiles.count, self.inputs, self.outputs);
        let (xs, us) = (Values::new::<S>(group, self.inputs), Values::new::<S>(group, self.outputs));
        // In the sums, input channels stand where tiles stand elsewhere.
        let sums = Values::new::<S>(padded_rows(self.inputs), self.outputs);
        let zeros = self.inputs.max(self.outputs);
        let mut scratch = Scratch::new(xs.len() + us.len() + sums.len() + zeros);
        // SAFETY: scratch has the three kinds of values and a pixel of zeros; the slices have their sizes.
        unsafe {
            let x = scratch.as_mut_ptr();
            let u = x.add(xs.len());
            let sum = u.add(us.len());
            let outside = sum.add(sums.len());
            outside.write_bytes(0, zeros);
            for first in (0..tiles.count).step_by(group) {
                let part = (first, group.min(tiles.count - first));
                tiles.take_pixels(s, (self.x.as_ptr(), self.inputs, outside), part, (x, xs));
                tiles.take_results(s, (self.u.as_ptr(), self.outputs, outside), part, (u, us));
                self.multiply(s, part, (x, xs), (u, us), (sum, sums));
            }
            self.put(s, (sum, sums));
        }
    }
}

impl WeightGrad<'_> {
    /// Adds the outer products of a group's tiles to the sums, or starts them.
    ///
    /// # Safety
    /// Scratch must have these values.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(
        &self,
        s: S,
        (first, tiles): (usize, usize),
        (x, xs): (*const f32, Values),
        (u, us): (*const f32, Values),
        (sum, sums): (*mut f32, Values),
    ) {
        for value in 0..16 {
            for output in (0..us.tile).step_by(panel::<S>()) {
                // SAFETY: the caller's. Channels padded to vectors are at least the rows that a product reads.
                unsafe {
                    let product = Product {
                        depth: tiles,
                        a: x.add(value * xs.value),
                        a_row: 1,
                        a_term: xs.tile,
                        b: u.add(value * us.value + output),
                        b_term: us.tile,
                        out: sum.add(value * sums.value + output),
                        out_row: sums.tile,
                        add: first > 0,
                    };
                    product.run(s, self.inputs, if us.tile - output >= panel::<S>() { 2 } else { 1 });
                }
            }
        }
    }

    /// Transforms the sums back and writes them.
    ///
    /// # Safety
    /// Scratch must have the sums, `out` room for the weights.
    #[inline(always)]
    unsafe fn put<S: Simd>(&self, s: S, (sum, sums): (*const f32, Values)) {
        for input in 0..self.inputs {
            for output in (0..self.outputs).step_by(S::LANES) {
                let mut square = [[s.splat(0.0); 4]; 4];
                // SAFETY: the caller's.
                unsafe {
                    for (i, value) in square.as_flattened_mut().iter_mut().enumerate() {
                        *value = s.load(sum.add(i * sums.value + input * sums.tile + output));
                    }
                    let to = self.out.add(input * self.outputs + output);
                    let n = S::LANES.min(self.outputs - output);
                    for (tap, &value) in both::<TapsAdjoint, S, 4, 3>(s, square).as_flattened().iter().enumerate() {
                        s.store_first(to.add(tap * self.inputs * self.outputs), n, value);
                    }
                }
            }
        }
    }
}
