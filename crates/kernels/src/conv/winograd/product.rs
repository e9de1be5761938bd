//! A small dense product over scratch: the 16 of them are where the multiplications of this module are.
//!
//! The register tile is 14 rows × 2 vectors where there are 32 registers (28 sums, two vectors of `b`, one number of
//! `a`), and 6 × 2 where there are 16. Scratch is padded, so nothing is masked: the last rows of a product are computed
//! as 8 or 4 rows (4 or 2), of which some are never read.

#![allow(unsafe_code, reason = "reads and writes scratch through pointers, in the innermost loop of the module")]

use crate::simd::Simd;

/// Rows of the register tile.
pub(super) const fn tile_rows<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 14 } else { 6 }
}

/// Numbers in a row of the register tile.
pub(super) const fn panel<S: Simd>() -> usize {
    2 * S::LANES
}

/// Rows of scratch that a product with `rows` rows may read and write: the last tile has up to three too many.
pub(super) const fn padded_rows(rows: usize) -> usize {
    rows + 3
}

/// `out[row][column] = Σ_k a[row][k] b[k][column]`, added to what is there if `add`.
#[derive(Clone, Copy)]
pub(super) struct Product {
    /// Terms of a sum.
    pub(super) depth: usize,
    pub(super) a: *const f32,
    /// Numbers from a row of `a` to the next.
    pub(super) a_row: usize,
    /// Numbers from a term of `a` to the next.
    pub(super) a_term: usize,
    pub(super) b: *const f32,
    /// Numbers from a term of `b` to the next.
    pub(super) b_term: usize,
    pub(super) out: *mut f32,
    pub(super) out_row: usize,
    pub(super) add: bool,
}

impl Product {
    /// One panel of columns, one vector or two wide.
    ///
    /// # Safety
    /// `a` and `out` must have [`padded_rows`]`(rows)` rows, and `b` and `out` the columns of the panel.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(self, s: S, rows: usize, vectors: usize) {
        // SAFETY: the caller's.
        unsafe {
            if vectors == 2 {
                self.panel::<S, 2>(s, rows);
            } else {
                self.panel::<S, 1>(s, rows);
            }
        }
    }

    /// # Safety
    /// As [`run`](Self::run).
    #[inline(always)]
    unsafe fn panel<S: Simd, const N: usize>(self, s: S, rows: usize) {
        let mut row = 0;
        while row < rows {
            let left = rows - row;
            // SAFETY: the caller's; the tile that is chosen has at most three rows more than are left.
            unsafe {
                row += if S::REGISTERS >= 32 {
                    match left {
                        13.. => self.tile::<S, 14, N>(s, row),
                        5.. => self.tile::<S, 8, N>(s, row),
                        _ => self.tile::<S, 4, N>(s, row),
                    }
                } else {
                    match left {
                        5.. => self.tile::<S, 6, N>(s, row),
                        3.. => self.tile::<S, 4, N>(s, row),
                        _ => self.tile::<S, 2, N>(s, row),
                    }
                };
            }
        }
    }

    /// `R` rows from `row` on, of `N` vectors; answers `R`.
    ///
    /// # Safety
    /// `a` and `out` must have these rows, and `b` and `out` these columns.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const N: usize>(self, s: S, row: usize) -> usize {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [[s.splat(0.0); N]; R];
            let (mut a, mut b) = (self.a.add(row * self.a_row), self.b);
            for _ in 0..self.depth {
                let mut columns = [s.splat(0.0); N];
                for (n, column) in columns.iter_mut().enumerate() {
                    *column = s.load(b.add(n * S::LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let number = s.splat(*a.add(r * self.a_row));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = s.fma(number, column, *sum);
                    }
                }
                (a, b) = (a.wrapping_add(self.a_term), b.wrapping_add(self.b_term));
            }
            for (r, sums) in sums.iter().enumerate() {
                let out = self.out.add((row + r) * self.out_row);
                for (n, &sum) in sums.iter().enumerate() {
                    let out = out.add(n * S::LANES);
                    s.store(out, if self.add { s.add(s.load(out), sum) } else { sum });
                }
            }
        }
        R
    }
}
