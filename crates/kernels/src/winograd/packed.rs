//! The weights of a convolution or of its adjoint in the images, transformed and packed once for many images.

#![allow(unsafe_code, reason = "packs and multiplies through pointers; sizes are checked where slices come in")]

use super::portable;
use super::product::{Product, padded_rows, panel, tile_rows};
use super::scratch::{LINE, Line, Scratch};
use super::tiles::{Tiles, Values};
use super::transform::{Taps, both};
use crate::level::{Kernel, Level};
use crate::simd::Simd;

/// Which way the weights `[3, 3, C, O]` are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From `C` channels to `O`.
    Forward,
    /// The adjoint: from `O` channels to `C`, taps flipped.
    Adjoint,
}

/// Packed weights, from `inputs` channels to `outputs`.
#[derive(Debug)]
pub(crate) struct Packed {
    level: Level,
    /// Channels of the images that [`run`](Self::run) reads.
    inputs: usize,
    /// Channels of what it writes.
    outputs: usize,
    /// `[16][panels of outputs][inputs][panel]`; in the portable form `[9][inputs][outputs]`.
    weights: Scratch,
}

impl Packed {
    /// Packs weights `[3, 3, inputs, outputs]`, which have exactly these sizes.
    pub(crate) fn new(level: Level, w: &[f32], [inputs, outputs]: [usize; 2], direction: Direction) -> Self {
        assert_eq!(w.len(), 9 * inputs * outputs, "checked by the caller");
        let weights = level.run(Pack { w, inputs, outputs, direction });
        let (inputs, outputs) = match direction {
            Direction::Forward => (inputs, outputs),
            Direction::Adjoint => (outputs, inputs),
        };
        Self { level, inputs, outputs, weights }
    }

    /// Convolves images `[B, height, width, inputs]` into `out`, `[B, height, width, outputs]`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for fused blocks"))]
    pub(crate) fn run(&self, x: &[f32], [images, height, width]: [usize; 3], out: &mut [f32]) {
        let pixels = images * height * width;
        assert_eq!((x.len(), out.len()), (pixels * self.inputs, pixels * self.outputs), "checked by the caller");
        // SAFETY: just checked.
        unsafe { self.write(x, [images, height, width], out.as_mut_ptr()) }
    }

    /// As [`run`](Self::run), for a result that need not be initialised.
    ///
    /// # Safety
    /// `x` must have exactly the images' numbers, and `out` be valid for writes of the result's.
    pub(super) unsafe fn write(&self, x: &[f32], sizes: [usize; 3], out: *mut f32) {
        self.level.run(Run { packed: self, x, sizes, out });
    }

    fn weights(&self) -> *const f32 {
        self.weights.as_ptr()
    }
}

/// Where packed weights lie.
#[derive(Clone, Copy)]
struct Layout {
    inputs: usize,
    /// Output channels in whole vectors.
    padded: usize,
    /// Numbers from one of the 16 values to the next.
    value: usize,
}

impl Layout {
    fn new<S: Simd>(inputs: usize, outputs: usize) -> Self {
        let padded = outputs.next_multiple_of(S::LANES);
        // One line more: see `Values::new`.
        Self { inputs, padded, value: (inputs * padded).next_multiple_of(LINE) + LINE }
    }

    /// Vectors of the panel that starts at channel `output`: two, or the one that is left.
    fn vectors<S: Simd>(&self, output: usize) -> usize {
        if self.padded - output >= panel::<S>() { 2 } else { 1 }
    }

    /// Where the vector of channels `output..` for `input` lies, after the start of a value.
    fn vector<S: Simd>(&self, input: usize, output: usize) -> usize {
        let first = output - output % panel::<S>();
        first * self.inputs + input * self.vectors::<S>(first) * S::LANES + output - first
    }
}

struct Pack<'a> {
    w: &'a [f32],
    inputs: usize,
    outputs: usize,
    direction: Direction,
}

impl Kernel for Pack<'_> {
    type Output = Scratch;

    fn portable(self) -> Scratch {
        let mut packed = Scratch::new(self.w.len());
        // SAFETY: the buffer has at least as many numbers.
        let to = unsafe { std::slice::from_raw_parts_mut(packed.as_mut_ptr(), self.w.len()) };
        match self.direction {
            Direction::Forward => to.copy_from_slice(self.w),
            Direction::Adjoint => portable::flip(self.w, [self.inputs, self.outputs], to),
        }
        packed
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) -> Scratch {
        match self.direction {
            // SAFETY: the weights have the sizes that they are said to have.
            Direction::Forward => unsafe { self.forward(s) },
            // SAFETY: as above.
            Direction::Adjoint => unsafe { self.adjoint(s) },
        }
    }
}

impl Pack<'_> {
    /// # Safety
    /// The weights must have their sizes.
    #[inline(always)]
    unsafe fn forward<S: Simd>(&self, s: S) -> Scratch {
        let layout = Layout::new::<S>(self.inputs, self.outputs);
        let mut packed = Scratch::new(16 * layout.value);
        let to = packed.as_mut_ptr();
        for output in (0..self.outputs).step_by(S::LANES) {
            for input in 0..self.inputs {
                // SAFETY: the tap's row has `outputs` numbers, and the layout has room for whole vectors of them.
                unsafe {
                    let from = self.w.as_ptr().add(input * self.outputs + output);
                    let n = S::LANES.min(self.outputs - output);
                    let to = to.add(layout.vector::<S>(input, output));
                    let step = (self.inputs * self.outputs).cast_signed();
                    pack_vector(s, (from, step, n), to, layout.value);
                }
            }
        }
        packed
    }

    /// As [`forward`](Self::forward), with `inputs` and `outputs` exchanged: blocks of the weights are transposed first.
    ///
    /// # Safety
    /// The weights must have their sizes.
    #[inline(always)]
    unsafe fn adjoint<S: Simd>(&self, s: S) -> Scratch {
        let layout = Layout::new::<S>(self.outputs, self.inputs);
        let mut packed = Scratch::new(16 * layout.value);
        let to = packed.as_mut_ptr();
        const SQUARE: isize = (LINE * LINE).cast_signed();
        let mut block = [Line::default(); 9 * LINE];
        let block = block.as_mut_ptr().cast::<f32>();
        for input in (0..self.inputs).step_by(S::LANES) {
            let n = S::LANES.min(self.inputs - input);
            for output in (0..self.outputs).step_by(S::LANES) {
                let m = S::LANES.min(self.outputs - output);
                // SAFETY: the block has nine squares of at most `LINE` × `LINE` numbers; the weights have these rows.
                unsafe {
                    for tap in 0..9 {
                        let from = self.w.as_ptr().add((tap * self.inputs + input) * self.outputs + output);
                        transpose::<S>(from, self.outputs, [n, m], block.add(tap * LINE * LINE));
                    }
                    for o in 0..m {
                        // Backwards through the taps.
                        let from = block.add(8 * LINE * LINE + o * S::LANES);
                        let to = to.add(layout.vector::<S>(output + o, input));
                        pack_vector(s, (from, -SQUARE, S::LANES), to, layout.value);
                    }
                }
            }
        }
        packed
    }
}

/// Transposes `n` rows of `m` numbers into rows of whole vectors.
///
/// # Safety
/// `from` must have the rows, `to` a square of vectors.
#[inline(always)]
unsafe fn transpose<S: Simd>(from: *const f32, stride: usize, [n, m]: [usize; 2], to: *mut f32) {
    for row in 0..n {
        for column in 0..m {
            // SAFETY: the caller's.
            unsafe { *to.add(column * S::LANES + row) = *from.add(row * stride + column) };
        }
    }
}

/// Transforms nine taps, of `n` numbers each, `tap` numbers apart, and writes the 16 values, `step` apart.
///
/// # Safety
/// `from` must have the taps, `to` room for whole vectors.
#[inline(always)]
unsafe fn pack_vector<S: Simd>(s: S, (from, tap, n): (*const f32, isize, usize), to: *mut f32, step: usize) {
    let mut square = [[s.splat(0.0); 3]; 3];
    // SAFETY: the caller's.
    unsafe {
        for (i, value) in (0..).zip(square.as_flattened_mut()) {
            *value = s.load_first(from.offset(i * tap), n);
        }
        for (i, &value) in both::<Taps, S, 3, 4>(s, square).as_flattened().iter().enumerate() {
            s.store(to.add(i * step), value);
        }
    }
}

struct Run<'a> {
    packed: &'a Packed,
    x: &'a [f32],
    sizes: [usize; 3],
    out: *mut f32,
}

impl Kernel for Run<'_> {
    type Output = ();

    fn portable(self) {
        let Packed { inputs, outputs, .. } = *self.packed;
        let numbers = self.sizes.iter().product::<usize>() * outputs;
        // SAFETY: the portable form packs nine taps; `out` has this size, and zeros initialise it.
        let (w, out) = unsafe {
            self.out.write_bytes(0, numbers);
            let w = std::slice::from_raw_parts(self.packed.weights(), 9 * inputs * outputs);
            (w, std::slice::from_raw_parts_mut(self.out, numbers))
        };
        portable::convolve(self.x, self.sizes, w, [inputs, outputs], out);
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let Packed { inputs, outputs, .. } = *self.packed;
        let [images, height, width] = self.sizes;
        let tiles = Tiles::new(images, height, width);
        let group = group::<S>(tiles.count, inputs, outputs);
        let (from, to) = (Values::new::<S>(padded_rows(group), inputs), Values::new::<S>(padded_rows(group), outputs));
        let mut scratch = Scratch::new(from.len() + to.len() + inputs);
        // SAFETY: scratch has both kinds of values and a pixel of zeros; images and result are the caller's word.
        unsafe {
            let values = scratch.as_mut_ptr();
            let results = values.add(from.len());
            let outside = results.add(to.len());
            outside.write_bytes(0, inputs);
            for first in (0..tiles.count).step_by(group) {
                let part = (first, group.min(tiles.count - first));
                tiles.take_pixels(s, (self.x.as_ptr(), inputs, outside), part, (values, from));
                self.multiply(s, part.1, (values, from), (results, to));
                tiles.put_results(s, (results, to), part, (self.out, outputs));
            }
        }
    }
}

impl Run<'_> {
    /// The 16 products of a group's tiles with the weights.
    ///
    /// # Safety
    /// Scratch must have the values of the tiles, in [`padded_rows`].
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, s: S, tiles: usize, (a, from): (*const f32, Values), (out, to): (*mut f32, Values)) {
        let Packed { inputs, outputs, .. } = *self.packed;
        let layout = Layout::new::<S>(inputs, outputs);
        for value in 0..16 {
            for output in (0..layout.padded).step_by(panel::<S>()) {
                let vectors = layout.vectors::<S>(output);
                // SAFETY: the caller's; the packed weights have this layout.
                unsafe {
                    let product = Product {
                        depth: inputs,
                        a: a.add(value * from.value),
                        a_row: from.tile,
                        a_term: 1,
                        b: self.packed.weights().add(value * layout.value + output * inputs),
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

/// How many tiles are transformed before they are multiplied: whole register tiles whose values, before and after, take
/// about half a megabyte, so that they and the weights stay in the second cache.
pub(super) fn group<S: Simd>(tiles: usize, inputs: usize, outputs: usize) -> usize {
    let bytes = 16 * 4 * (inputs + outputs);
    let rows = tile_rows::<S>();
    let tiles_in_cache = (GROUP_BYTES / bytes / rows).max(1) * rows;
    tiles_in_cache.min(tiles)
}

const GROUP_BYTES: usize = 1 << 19;
