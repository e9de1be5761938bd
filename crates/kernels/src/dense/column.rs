//! The product with a single column, a matrix times a vector.
//!
//! Tile: four rows, each with one vector of partial sums along the inner axis, so that the additions of one row do not
//! wait for those of another. The lanes of a row are added by halves in the end.

#![allow(unsafe_code, reason = "reads by pointer; `Product::check` has proved every element in bounds")]
#![allow(
    clippy::needless_range_loop,
    reason = "constant indices keep an array of vectors in registers; iterators do not"
)]

use super::{Product, portable};
use crate::simd::Simd;

/// Rows of a tile.
const ROWS: usize = 4;

/// Whether this form can run: both operands must lie along the inner axis.
pub(super) fn fits(p: &Product<'_>) -> bool {
    p.cols == 1 && p.a.col == 1 && p.b.row == 1 && p.inner > 1
}

#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, p: &Product<'_>, out: &mut Vec<f32>) {
    let start = out.len();
    out.reserve(if p.sum { p.rows } else { p.tasks * p.rows });
    for m in 0..p.tasks {
        let mut i = 0;
        while i + ROWS <= p.rows {
            // SAFETY: rows `i .. i + ROWS` are below `rows`.
            let sums = unsafe { rows::<S, ROWS>(simd, p, m, i) };
            for r in 0..ROWS {
                put(p, m, i + r, sums[r], start, out);
            }
            i += ROWS;
        }
        while i < p.rows {
            // SAFETY: as above, for one row.
            let sums = unsafe { rows::<S, 1>(simd, p, m, i) };
            put(p, m, i, sums[0], start, out);
            i += 1;
        }
    }
}

/// Finishes an element and stores it.
#[inline(always)]
fn put(p: &Product<'_>, m: usize, i: usize, sum: f32, start: usize, out: &mut Vec<f32>) {
    let y = portable::finish(p, m, i, 0, sum);
    if p.sum && m > 0 { out[start + i] += y } else { out.push(y) }
}

/// The products of `R` rows.
///
/// # Safety
/// The rows must be within the left operand.
#[inline(always)]
unsafe fn rows<S: Simd, const R: usize>(simd: S, p: &Product<'_>, m: usize, first: usize) -> [f32; R] {
    let mut sums = [simd.splat(0.0); R];
    // SAFETY: `first + r` is a row by the caller's word, and `k + lanes` does not pass the inner axis.
    unsafe {
        let a = p.a.data.as_ptr().add(m * p.a.task + first * p.a.row);
        let b = p.b.data.as_ptr().add(m * p.b.task);
        let mut k = 0;
        while k < p.inner {
            let lanes = S::LANES.min(p.inner - k);
            let right = simd.load_first(b.add(k), lanes);
            for r in 0..R {
                sums[r] = simd.fma(simd.load_first(a.add(r * p.a.row + k), lanes), right, sums[r]);
            }
            k += S::LANES;
        }
    }
    let mut totals = [0.0; R];
    for r in 0..R {
        totals[r] = simd.sum_lanes(sums[r]);
    }
    totals
}
