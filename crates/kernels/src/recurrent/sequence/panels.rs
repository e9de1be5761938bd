//! Matrices cut into panels, and products of them in registers.
//!
//! A panel is two vectors wide and its rows lie one behind the other, so every operand of a product is read along memory
//! and by constant distances. Register tile: 14 rows × 2 vectors where there are 32 registers, 6 × 2 where there are 16;
//! for weight gradients 8 × 2 (4 × 2), which divides a panel. Nothing is masked: panels are padded, and rows that are
//! too many are computed and never read.
//!
//! Each element is one chain of multiply-adds in the order of the inner axis, whatever the tile.

#![allow(unsafe_code, reason = "reads and writes scratch through pointers, in the innermost loops of the module")]

use crate::simd::Simd;

/// Numbers in a row of a panel.
pub(super) const fn width<S: Simd>() -> usize {
    2 * S::LANES
}

/// Rows that go through a step together: a few register tiles.
pub(super) const fn block_rows<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 28 } else { 24 }
}

/// Rows behind the last one of a panel that a register tile may read.
pub(super) const SLACK: usize = 14;

/// A sum over an inner axis: `Σ_k a[row][k] b[k]`.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// Terms of the sum.
    pub(super) depth: usize,
    /// The left side in panels along the inner axis.
    pub(super) a: *const f32,
    /// From a panel of `a` to the next.
    pub(super) a_panel: usize,
    /// The right side, one panel.
    pub(super) b: *const f32,
}

/// `out[row] = Σ_k a[row][k] b[k] + Σ_k a'[row][k] b'[k]` for one panel of columns, added to what is there if `add`.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub(super) terms: [Terms; 2],
    /// One panel.
    pub(super) out: *mut f32,
    pub(super) add: bool,
}

impl Terms {
    /// A sum of nothing.
    pub(super) fn none() -> Self {
        Self { depth: 0, a: core::ptr::null(), a_panel: 0, b: core::ptr::null() }
    }
}

impl Product {
    /// # Safety
    /// The operands must have as many terms; each `a` must be valid for reads, and `out` for reads and writes, of `rows` rows
    /// rounded up to register tiles (at most [`block_rows`] where `rows` is).
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(self, s: S, rows: usize) {
        let mut row = 0;
        while row < rows {
            let left = rows - row;
            // SAFETY: the caller's.
            unsafe {
                row += if S::REGISTERS >= 32 {
                    match left {
                        9.. => self.tile::<S, 14>(s, row),
                        5.. => self.tile::<S, 8>(s, row),
                        _ => self.tile::<S, 4>(s, row),
                    }
                } else {
                    match left {
                        5.. => self.tile::<S, 6>(s, row),
                        3.. => self.tile::<S, 4>(s, row),
                        _ => self.tile::<S, 2>(s, row),
                    }
                };
            }
        }
    }

    /// # Safety
    /// As for [`run`](Self::run).
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize>(self, s: S, row: usize) -> usize {
        let w = width::<S>();
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [[s.splat(0.0); 2]; R];
            for Terms { depth, a, a_panel, b } in self.terms {
                let (mut a, mut b, mut left) = (a.wrapping_add(row * w), b, depth);
                while left > 0 {
                    let n = left.min(w);
                    for k in 0..n {
                        let columns = [s.load(b), s.load(b.add(S::LANES))];
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let x = s.splat(*a.add(r * w + k));
                            *sums = [s.fma(x, columns[0], sums[0]), s.fma(x, columns[1], sums[1])];
                        }
                        b = b.add(w);
                    }
                    (a, left) = (a.wrapping_add(a_panel), left - n);
                }
            }
            let out = self.out.add(row * w);
            for (r, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let out = out.add(r * w + v * S::LANES);
                    s.store(out, if self.add { s.add(s.load(out), sum) } else { sum });
                }
            }
        }
        R
    }
}

/// Columns of the left side that a tile of [`outer`] takes: a divisor of [`width`].
pub(super) const fn outer_rows<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 8 } else { 4 }
}

/// `out[i] += Σ_k a[k][i] b[k]`, for `rows` columns `i` of `a` rounded up to tiles; all are one panel or more of `depth` rows.
///
/// # Safety
/// `a` must have `depth` rows in panels `a_panel` apart, `b` one panel of them, and `out` a row for each column of `a`.
#[inline(always)]
pub(super) unsafe fn outer<S: Simd>(
    s: S,
    depth: usize,
    [a, b]: [*const f32; 2],
    a_panel: usize,
    rows: usize,
    out: *mut f32,
) {
    let w = width::<S>();
    for i in (0..rows).step_by(outer_rows::<S>()) {
        // SAFETY: the caller's.
        unsafe {
            let a = a.add(i / w * a_panel + i % w);
            let out = out.add(i * w);
            if S::REGISTERS >= 32 {
                outer_tile::<S, 8>(s, depth, a, b, out);
            } else {
                outer_tile::<S, 4>(s, depth, a, b, out);
            }
        }
    }
}

/// # Safety
/// As for [`outer`].
#[inline(always)]
unsafe fn outer_tile<S: Simd, const R: usize>(s: S, depth: usize, a: *const f32, b: *const f32, out: *mut f32) {
    let w = width::<S>();
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[s.splat(0.0); 2]; R];
        for k in 0..depth {
            let (a, b) = (a.add(k * w), b.add(k * w));
            let columns = [s.load(b), s.load(b.add(S::LANES))];
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(*a.add(r));
                *sums = [s.fma(x, columns[0], sums[0]), s.fma(x, columns[1], sums[1])];
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let out = out.add(r * w + v * S::LANES);
                s.store(out, s.add(s.load(out), sum));
            }
        }
    }
}

/// A matrix inside of a slice: element `(i, j)` is `data[i·row + j·col]`, and one of the distances is 1.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) data: *const f32,
    pub(super) row: usize,
    pub(super) col: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

/// Copies a matrix into panels `to_panel` apart. What pads a panel is left as it is.
///
/// # Safety
/// The matrix must be valid for reads, and `to` for writes of its panels.
#[inline(always)]
pub(super) unsafe fn pack<S: Simd>(s: S, from: Matrix, to: *mut f32, to_panel: usize) {
    let w = width::<S>();
    let Matrix { data, row, col, rows, cols } = from;
    for j in (0..cols).step_by(w) {
        let n = w.min(cols - j);
        // SAFETY: the caller's; `i` and `j` stay within the matrix.
        unsafe {
            let (from, to) = (data.add(j * col), to.add(j / w * to_panel));
            if col == 1 {
                for i in 0..rows {
                    core::ptr::copy_nonoverlapping(from.add(i * row), to.add(i * w), n);
                }
            } else {
                for i in (0..rows).step_by(8) {
                    for j in (0..n).step_by(8) {
                        let (from, to) = (from.add(i * row + j * col), to.add(i * w + j));
                        let (height, across) = ((rows - i).min(8), (n - j).min(8));
                        if height == 8 && across == 8 && row == 1 {
                            s.transpose8(from, col, to, w);
                        } else {
                            for (i, j) in (0..height).flat_map(|i| (0..across).map(move |j| (i, j))) {
                                *to.add(i * w + j) = *from.add(i * row + j * col);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Copies panels `from_panel` apart into a matrix whose rows lie `to_row` apart.
///
/// # Safety
/// The panels must be valid for reads, and `to` for writes of `rows × cols` numbers.
#[inline(always)]
pub(super) unsafe fn unpack<S: Simd>(
    _: S,
    from: *const f32,
    from_panel: usize,
    [rows, cols]: [usize; 2],
    to: *mut f32,
    to_row: usize,
) {
    let w = width::<S>();
    for j in (0..cols).step_by(w) {
        for i in 0..rows {
            // SAFETY: the caller's.
            unsafe {
                let from = from.add(j / w * from_panel + i * w);
                core::ptr::copy_nonoverlapping(from, to.add(i * to_row + j), w.min(cols - j));
            }
        }
    }
}
