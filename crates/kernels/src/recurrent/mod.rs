//! The elementwise part of recurrent cells, forward and backward, each in one pass.
//!
//! The products `x W + b` and `h U + c` come from a dense kernel; here the gates of a row are computed a vector of units
//! at a time, all gates of the same units together, so that everything between the products stays in registers. Four
//! vectors stand side by side: a gate is a chain of twenty dependent operations, and one chain leaves the processor idle.
//!
//! Rows are independent: a caller who takes some dozens of rows at a time through product and cell finds the gates in the
//! nearest caches.

#![allow(unsafe_code, reason = "loads and stores by pointer; see the safety notes")]

mod gru;
mod lstm;
mod sequence;

pub use gru::{GruGrad, gru, gru_backward};
pub use lstm::{LstmGrad, LstmState, LstmStep, lstm, lstm_backward};
pub use sequence::{Cell as SequenceCell, Saved, Sequence, SequenceGrads, Wanted, sequence, sequence_backward};

use lstm::lstm_gates;

use crate::simd::{Simd, Twice};

/// Some units of a row: a vector of them from unit `i` on, or the `n` that are left at its end.
#[derive(Clone, Copy)]
struct Units<S> {
    s: S,
    i: usize,
    n: usize,
}

impl<S: Simd> Units<S> {
    /// # Safety
    /// `row` must be valid for reads of these units.
    #[inline(always)]
    unsafe fn load(self, row: *const f32) -> S::V {
        // SAFETY: the caller's word.
        unsafe {
            if self.n == S::LANES { self.s.load(row.add(self.i)) } else { self.s.load_first(row.add(self.i), self.n) }
        }
    }

    /// # Safety
    /// `row` must be valid for writes of these units.
    #[inline(always)]
    unsafe fn store(self, row: *mut f32, v: S::V) {
        // SAFETY: the caller's word.
        unsafe {
            if self.n == S::LANES {
                self.s.store(row.add(self.i), v);
            } else {
                self.s.store_first(row.add(self.i), self.n, v);
            }
        }
    }
}

/// What a cell does with some units of one row.
trait Cell: Copy {
    /// # Safety
    /// `row` and the units must lie within what the cell's pointers are valid for.
    unsafe fn at<S: Simd>(self, row: usize, units: Units<S>);
}

/// Runs a cell over all rows and units, four vectors side by side as far as they go.
///
/// # Safety
/// The cell's pointers must be valid for so many rows and units.
#[inline(always)]
unsafe fn each<S: Simd, C: Cell>(s: S, cell: C, rows: usize, units: usize) {
    let (four, one) = (4 * S::LANES, S::LANES);
    for row in 0..rows {
        let mut i = 0;
        // SAFETY, here and below: the caller's word.
        while i + four <= units {
            unsafe { cell.at(row, Units { s: Twice(Twice(s)), i, n: four }) };
            i += four;
        }
        while i < units {
            unsafe { cell.at(row, Units { s, i, n: one.min(units - i) }) };
            i += one;
        }
    }
}

/// Room for `n` more numbers behind the end of a vector.
///
/// The vector's length does not change: it is the caller who says with [`written`] that the numbers are there.
fn room(out: &mut Vec<f32>, n: usize) -> *mut f32 {
    out.reserve(n);
    out.spare_capacity_mut().as_mut_ptr().cast()
}

/// Takes `n` more numbers into a vector.
///
/// # Safety
/// They must have been written where [`room`] said, and the vector not touched since.
unsafe fn written(out: &mut Vec<f32>, n: usize) {
    // SAFETY: the caller's word.
    unsafe { out.set_len(out.len() + n) };
}

/// `1 − x`
#[inline(always)]
fn rest<S: Simd>(s: S, x: S::V) -> S::V {
    s.sub(s.splat(1.0), x)
}

/// `n` zeros more in a vector: what a portable form writes over.
fn grown(out: &mut Vec<f32>, n: usize) -> &mut [f32] {
    let len = out.len();
    out.resize(len + n, 0.0);
    &mut out[len..]
}

/// Every row and unit.
fn places(rows: usize, units: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..units).map(move |i| (row, i)))
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
