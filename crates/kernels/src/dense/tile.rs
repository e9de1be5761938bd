//! The product in registers.
//!
//! Tile: up to 8 rows × 5 vectors of columns whose sums stay in registers for the whole inner axis; 8 × 3, 6 × 4 and 5 × 5
//! fill the 32 registers of AVX-512 and NEON, 6 × 2 and 3 × 3 the 16 of AVX2 (4 × 3 would take all of them, and the compiler
//! then keeps one sum in memory, at whose pace the tile goes: twice the time). Rows are split evenly (10 rows are 5 + 5, not
//! 8 + 2), since a short tile waits for its own sums. The last vector of a row is masked; where at most half of it is in use,
//! two rows share it on vectors with [`HALVES`](Simd::HALVES): 40 columns take five vectors for two rows in place of six, 8
//! take one in place of two.

#![allow(unsafe_code, reason = "reads and writes by pointer; `Product::check` has proved every element in bounds")]
#![allow(
    clippy::needless_range_loop,
    reason = "constant indices keep an array of vectors in registers; iterators do not"
)]

use std::hint::black_box;

use super::line::Line;
use super::split::{Split, most_pairs, most_rows, most_summed, most_vectors};
use super::{After, Product};
use crate::simd::Simd;

/// What goes into one output matrix: the tasks `first .. first + tasks`, added up.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, 'p> {
    pub(super) p: &'a Product<'p>,
    pub(super) split: &'a Split,
    pub(super) first: usize,
    pub(super) tasks: usize,
    /// The first task's right operand with its rows along memory, and the distance of these.
    pub(super) b: *const f32,
    pub(super) stride: usize,
    pub(super) out: *mut f32,
    /// Whether the result is added to what `out` holds.
    pub(super) add: bool,
}

/// Rows of a line.
pub(super) const fn height<const PAIR: bool>() -> usize {
    if PAIR { 2 } else { 1 }
}

/// Where a tile lies in the output: its first row and column, and the lanes in use of its last vector.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) last: usize,
}

/// Most lines of a tile.
const fn most_lines<S: Simd, const N: usize, const PAIR: bool>() -> usize {
    match PAIR {
        true if S::HALVES => most_pairs(N),
        false if N <= most_vectors(S::REGISTERS) => most_rows(S::REGISTERS, N),
        _ => 0,
    }
}

/// `count` tiles of `R` lines, one below the other. A line is a row of `N` vectors, or a pair of rows.
#[inline(always)]
pub(super) unsafe fn tiles<S: Simd, const R: usize, const N: usize, const PAIR: bool>(
    simd: S,
    block: &Block<'_, '_>,
    place: Place,
    count: usize,
) {
    // Larger tiles never occur, so none is compiled.
    if const { R > most_lines::<S, N, PAIR>() } {
        return;
    }
    // What the compiler knows of these it turns into pointers for all sizes of tiles, some hundred, which it keeps in memory and
    // moves on at every step: a fifth of the time of a thin product, and half of the time of compiling.
    let (block, place) = black_box((block, place));
    let (line, height) = (Line::<S, N, PAIR> { simd, last: place.last }, height::<PAIR>());
    for i in 0..count {
        let place = Place { top: place.top + i * R * height, ..place };
        // Copies, which no write to the output can change.
        let p = *block.p;
        let block = &Block { p: &p, ..*block };
        // Arrays of vectors are read and written by constant indices only: anything else would keep them in memory.
        // SAFETY: the caller vouches for the rows and columns.
        unsafe {
            let mut total = values::<S, R, N, PAIR>(line, block, 0, place);
            // Others are never added up.
            if const { !PAIR && R <= most_summed(S::REGISTERS, most_lines::<S, N, PAIR>()) } {
                for t in 1..block.tasks {
                    let more = values::<S, R, N, PAIR>(line, block, t, place);
                    for r in 0..R {
                        for v in 0..N {
                            total[r][v] = simd.add(total[r][v], more[r][v]);
                        }
                    }
                }
            }
            let to = block.out.add(place.top * block.p.cols + place.left);
            for r in 0..R {
                let to = to.add(r * height * block.p.cols);
                let mut row = total[r];
                if block.add {
                    let sum = line.load(to, block.p.cols);
                    for v in 0..N {
                        row[v] = simd.add(sum[v], row[v]);
                    }
                }
                line.store(to, block.p.cols, row);
            }
        }
    }
}

/// What the block's task `t` has in a tile.
#[inline(always)]
unsafe fn values<S: Simd, const R: usize, const N: usize, const PAIR: bool>(
    line: Line<S, N, PAIR>,
    block: &Block<'_, '_>,
    t: usize,
    place: Place,
) -> [[S::V; N]; R] {
    let (p, m) = (block.p, block.first + t);
    let Place { top, left, .. } = place;
    let (simd, height) = (line.simd, height::<PAIR>());
    let zero = simd.splat(0.0);
    let mut sums = [[zero; N]; R];
    // SAFETY: rows, columns and inner indices stay below the sizes that `check` has proved in bounds.
    unsafe {
        let starts_at_base = p.starts_at_base();
        if let (true, Some(base)) = (starts_at_base, &p.base) {
            let from = base.data.as_ptr().add(m * base.task + top * base.row + left);
            for r in 0..R {
                sums[r] = line.load(from.add(r * height * base.row), base.row);
            }
        }
        if p.inner > 0 {
            let a = p.a.data.as_ptr().add(m * p.a.task + top * p.a.row);
            sums = multiply(line, block, a, block.b.add(t * p.b.task + left), sums);
        }
        if !starts_at_base {
            let alpha = simd.splat(p.alpha);
            for r in 0..R {
                let base = match &p.base {
                    Some(base) => {
                        let from = m * base.task + (top + r * height) * base.row + left;
                        line.load(base.data.as_ptr().add(from), base.row)
                    }
                    None => [zero; N],
                };
                for v in 0..N {
                    sums[r][v] = simd.fma(alpha, sums[r][v], base[v]);
                }
            }
        }
        match p.after {
            After::Keep => {}
            After::Relu => {
                for r in 0..R {
                    for v in 0..N {
                        sums[r][v] = simd.max(zero, sums[r][v]);
                    }
                }
            }
            After::Mask(mask) => {
                let mask = mask.as_ptr().add((m * p.rows + top) * p.cols + left);
                for r in 0..R {
                    let mask = line.load(mask.add(r * height * p.cols), p.cols);
                    for v in 0..N {
                        sums[r][v] = simd.where_gt(mask[v], zero, sums[r][v], zero);
                    }
                }
            }
        }
    }
    sums
}

/// `sums + A B` of a tile whose first row of `A` begins at `a`, and whose columns of `B` begin at `b`.
#[inline(always)]
unsafe fn multiply<S: Simd, const R: usize, const N: usize, const PAIR: bool>(
    line: Line<S, N, PAIR>,
    block: &Block<'_, '_>,
    a: *const f32,
    b: *const f32,
    mut sums: [[S::V; N]; R],
) -> [[S::V; N]; R] {
    let p = block.p;
    // SAFETY: as for `values`.
    unsafe {
        for k in 0..p.inner {
            let right = line.load_shared(b.add(k * block.stride));
            for r in 0..R {
                let x = a.add(r * height::<PAIR>() * p.a.row + k * p.a.col);
                sums[r] = line.multiply(x, p.a.row, right, sums[r]);
            }
        }
    }
    sums
}
