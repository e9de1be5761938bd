//! Weights, transformed and packed in the order in which the products read them.
//!
//! `[16][panels of output channels][input channels][panel]`: a panel is as wide as the register tile, the last one
//! perhaps one vector only.

#![allow(unsafe_code, reason = "reads weights and writes packed ones through pointers")]

use super::portable;
use super::product::panel;
use super::transform::{Taps, both};
use crate::level::Kernel;
use crate::scratch::{LINE, Scratch};
use crate::simd::Simd;

/// Where packed weights lie.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    inputs: usize,
    /// Output channels in whole vectors.
    pub(super) padded: usize,
    /// Numbers from one of the 16 values to the next.
    pub(super) value: usize,
}

impl Layout {
    pub(super) fn new<S: Simd>(inputs: usize, outputs: usize) -> Self {
        let padded = outputs.next_multiple_of(S::LANES);
        // One line more: see `Values::new`.
        Self { inputs, padded, value: (inputs * padded).next_multiple_of(LINE) + LINE }
    }

    /// Vectors of the panel that starts at channel `output`.
    pub(super) fn vectors<S: Simd>(&self, output: usize) -> usize {
        if self.padded - output >= panel::<S>() { 2 } else { 1 }
    }

    /// Where the vector of channels `output..` for `input` lies, after the start of a value.
    fn vector<S: Simd>(&self, input: usize, output: usize) -> usize {
        let first = output - output % panel::<S>();
        first * self.inputs + input * self.vectors::<S>(first) * S::LANES + output - first
    }
}

/// Packs weights `[3, 3, inputs, outputs]`, which must have these sizes; in the portable form they are not transformed.
pub(super) struct Pack<'a> {
    pub(super) w: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Whether the two kinds of channels change their parts and the taps are turned round.
    pub(super) adjoint: bool,
}

impl Kernel for Pack<'_> {
    type Output = Scratch;

    fn portable(self) -> Scratch {
        let mut packed = Scratch::new(self.w.len());
        // SAFETY: the buffer has at least as many numbers.
        let to = unsafe { std::slice::from_raw_parts_mut(packed.as_mut_ptr(), self.w.len()) };
        if self.adjoint {
            portable::turn(self.w, [self.inputs, self.outputs], to);
        } else {
            to.copy_from_slice(self.w);
        }
        packed
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) -> Scratch {
        // SAFETY: the weights have the sizes that they are said to have.
        unsafe { if self.adjoint { self.turned(s) } else { self.straight(s) } }
    }
}

impl Pack<'_> {
    /// # Safety
    /// The weights must have their sizes.
    #[inline(always)]
    unsafe fn straight<S: Simd>(&self, s: S) -> Scratch {
        let layout = Layout::new::<S>(self.inputs, self.outputs);
        let mut packed = Scratch::new(16 * layout.value);
        let tap = self.inputs * self.outputs;
        for output in (0..self.outputs).step_by(S::LANES) {
            let n = S::LANES.min(self.outputs - output);
            for input in 0..self.inputs {
                // SAFETY: each tap has `n` numbers from here on, and the layout has room for whole vectors.
                unsafe {
                    let from = self.w.as_ptr().add(input * self.outputs + output);
                    let to = packed.as_mut_ptr().add(layout.vector::<S>(input, output));
                    pack_vector(s, (from, tap, n), to, layout.value);
                }
            }
        }
        packed
    }

    /// Vectors run over the channels of `inputs`, which do not lie side by side: square blocks are transposed first.
    ///
    /// # Safety
    /// The weights must have their sizes.
    #[inline(always)]
    unsafe fn turned<S: Simd>(&self, s: S) -> Scratch {
        const SQUARE: usize = LINE * LINE;
        let layout = Layout::new::<S>(self.outputs, self.inputs);
        let mut packed = Scratch::new(16 * layout.value);
        let mut block = [0f32; 9 * SQUARE];
        for input in (0..self.inputs).step_by(LINE) {
            let n = LINE.min(self.inputs - input);
            for output in (0..self.outputs).step_by(LINE) {
                let m = LINE.min(self.outputs - output);
                // SAFETY: the block has nine squares, and the weights these rows and columns. Whole vectors from the
                // block stay in it, and the layout has room for them.
                unsafe {
                    for tap in 0..9 {
                        let from = self.w.as_ptr().add((tap * self.inputs + input) * self.outputs + output);
                        // The last tap first.
                        transpose(s, (from, self.outputs), [n, m], block.as_mut_ptr().add((8 - tap) * SQUARE));
                    }
                    for row in 0..m {
                        for column in (0..n).step_by(S::LANES) {
                            let from = block.as_ptr().add(row * LINE + column);
                            let to = packed.as_mut_ptr().add(layout.vector::<S>(output + row, input + column));
                            pack_vector(s, (from, SQUARE, S::LANES), to, layout.value);
                        }
                    }
                }
            }
        }
        packed
    }
}

/// Transposes `n` rows of `m` numbers, at most a line each way, into lines.
///
/// # Safety
/// `from` must have the rows, `to` a square of lines.
#[inline(always)]
unsafe fn transpose<S: Simd>(s: S, (from, stride): (*const f32, usize), [n, m]: [usize; 2], to: *mut f32) {
    for row in (0..n).step_by(8) {
        for column in (0..m).step_by(8) {
            let (height, width) = ((n - row).min(8), (m - column).min(8));
            // SAFETY: the caller's.
            unsafe {
                let (from, to) = (from.add(row * stride + column), to.add(column * LINE + row));
                if height == 8 && width == 8 {
                    s.transpose8(from, stride, to, LINE);
                } else {
                    for i in 0..height {
                        for j in 0..width {
                            *to.add(j * LINE + i) = *from.add(i * stride + j);
                        }
                    }
                }
            }
        }
    }
}

/// Transforms nine taps, `n` numbers each, `tap` numbers apart, and writes the 16 values, `step` apart.
///
/// # Safety
/// `from` must have the taps, `to` room for whole vectors.
#[inline(always)]
unsafe fn pack_vector<S: Simd>(s: S, (from, tap, n): (*const f32, usize, usize), to: *mut f32, step: usize) {
    let mut square = [[s.splat(0.0); 3]; 3];
    // SAFETY: the caller's.
    unsafe {
        for (i, value) in square.as_flattened_mut().iter_mut().enumerate() {
            *value = s.load_first(from.add(i * tap), n);
        }
        for (i, &value) in both::<Taps, S, 3, 4>(s, square).as_flattened().iter().enumerate() {
            s.store(to.add(i * step), value);
        }
    }
}
