//! A right operand whose columns lie along memory, copied so that its rows do.
//!
//! Tile: 8 × 8 numbers, which the registers of AVX2 transpose without touching memory in between.

#![allow(unsafe_code, reason = "reads and writes by pointer; `Product::check` has proved every element in bounds")]

use super::Operand;
use crate::Level;
use crate::level::Kernel;
use crate::simd::Simd;

/// Copies the `[inner, cols]` numbers at `from`, where rows are `row` and columns `col` apart, into rows of `cols` numbers.
///
/// # Safety
/// All of them must be valid for reads, and `to` for as many writes.
#[inline(always)]
pub(super) unsafe fn transpose<S: Simd>(
    simd: S,
    from: *const f32,
    [row, col]: [usize; 2],
    [inner, cols]: [usize; 2],
    to: *mut f32,
) {
    // SAFETY: blocks stay within `inner × cols` on both sides.
    unsafe {
        for k in (0..inner).step_by(8) {
            let height = (inner - k).min(8);
            for j in (0..cols).step_by(8) {
                let width = (cols - j).min(8);
                let (from, to) = (from.add(j * col + k * row), to.add(k * cols + j));
                if height == 8 && width == 8 && row == 1 {
                    simd.transpose8(from, col, to, cols);
                } else {
                    for (k, j) in (0..height).flat_map(|k| (0..width).map(move |j| (k, j))) {
                        *to.add(k * cols + j) = *from.add(j * col + k * row);
                    }
                }
            }
        }
    }
}

/// The matrix `w [rows, cols]` as `[cols, rows]`.
pub(crate) fn transposed(level: Level, w: &[f32], [rows, cols]: [usize; 2]) -> Vec<f32> {
    assert_eq!(w.len(), rows * cols, "a matrix of {rows} rows and {cols} columns");
    let mut out = Vec::new();
    level.run(Transpose { b: Operand::rows(w, cols).transposed(), sizes: [cols, rows], out: &mut out });
    out
}

struct Transpose<'a, 'o> {
    b: Operand<'a>,
    sizes: [usize; 2],
    out: &'o mut Vec<f32>,
}

impl Kernel for Transpose<'_, '_> {
    type Output = ();

    fn portable(self) {
        let [rows, cols] = self.sizes;
        let at = |k: usize, j: usize| self.b.data[k * self.b.row + j * self.b.col];
        self.out.extend((0..rows).flat_map(|k| (0..cols).map(move |j| at(k, j))));
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        let (Operand { data, row, col, .. }, len) = (self.b, self.b.data.len());
        self.out.reserve(len);
        // SAFETY: `transposed` has made the operand of the whole matrix, all of which is written before it is counted.
        unsafe {
            transpose(simd, data.as_ptr(), [row, col], self.sizes, self.out.as_mut_ptr());
            self.out.set_len(len);
        }
    }
}
