//! The product in registers.
//!
//! Tile: up to 8 rows × 5 vectors of columns whose sums stay in registers for the whole inner axis; 8 × 3, 6 × 4 and 5 × 5
//! fill the 32 registers of AVX-512 and NEON, 4 × 3 and 6 × 2 the 16 of AVX2. Rows are split evenly (10 rows are 5 + 5, not
//! 8 + 2), since a short tile waits for its own sums. The last vector of a row is masked; where at most half of it is in use,
//! two rows share it on vectors with [`HALVES`](Simd::HALVES): 40 columns take five vectors for two rows in place of six, 8
//! take one in place of two.

#![allow(unsafe_code, reason = "reads and writes by pointer; `Product::check` has proved every element in bounds")]
#![allow(
    clippy::needless_range_loop,
    reason = "constant indices keep an array of vectors in registers; iterators do not"
)]

use std::cell::RefCell;

use super::line::Line;
use super::split::{Run, Split, even, most_pairs, most_rows, most_summed, most_vectors};
use super::{After, Product, pack};
use crate::simd::Simd;

thread_local! {
    /// Transposed right operands, kept from call to call.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, p: &Product<'_>, out: &mut Vec<f32>) {
    let size = p.rows * p.cols;
    let results = if p.sum { 1 } else { p.tasks };
    out.reserve(results * size);
    let start = out.len();
    let packed = p.b.col != 1 && p.cols != 1;
    // Right operands that need no copy are there all at once, so tiles can be added up in registers.
    let (steps, tasks) = if p.sum && !packed { (1, p.tasks) } else { (p.tasks, 1) };
    let split = &Split::of::<S>(p.rows, p.cols, tasks > 1);
    // Taken and put back: a closure would be compiled without the instructions of its surroundings.
    let mut scratch = SCRATCH.take();
    for m in 0..steps {
        // SAFETY: `check` has proved the operands in bounds, `reserve` has made room for the results; every element is
        // written (by the first task, if they are added up) before it is counted.
        unsafe {
            if packed && (m == 0 || p.b.task != 0) {
                pack::transpose(simd, &p.b, offset(p, m), [p.inner, p.cols], &mut scratch);
            }
            let (b, stride) =
                if packed { (scratch.as_ptr(), p.cols) } else { (p.b.data.as_ptr().add(offset(p, m)), p.b.row) };
            let out = out.as_mut_ptr().add(start + if p.sum { 0 } else { m * size });
            // One place only, since all tiles are compiled where this is called.
            columns(simd, &Block { p, split, first: m, tasks, b, stride, out, add: p.sum && m > 0 });
        }
    }
    SCRATCH.set(scratch);
    // SAFETY: as above.
    unsafe { out.set_len(start + results * size) };
}

/// The product of a single task to `out`, or added to it.
///
/// # Safety
/// The operands must be in bounds, `out` good for the whole product, and the right operand lie along its rows.
#[inline(always)]
pub(super) unsafe fn single<S: Simd>(simd: S, p: &Product<'_>, out: *mut f32, add: bool) {
    let split = &Split::of::<S>(p.rows, p.cols, false);
    // SAFETY: the caller's.
    unsafe {
        columns(simd, &Block { p, split, first: 0, tasks: 1, b: p.b.data.as_ptr(), stride: p.b.row, out, add });
    }
}

/// Where a task's right operand begins. An empty one may begin behind its slice.
fn offset(p: &Product<'_>, m: usize) -> usize {
    if p.inner == 0 { 0 } else { m * p.b.task }
}

/// What goes into one output matrix: the tasks `first .. first + tasks`, added up.
struct Block<'a, 'p> {
    p: &'a Product<'p>,
    split: &'a Split,
    first: usize,
    tasks: usize,
    /// The first task's right operand with its rows along memory, and the distance of these.
    b: *const f32,
    stride: usize,
    out: *mut f32,
    /// Whether the result is added to what `out` holds.
    add: bool,
}

/// Rows of a line.
const fn height<const PAIR: bool>() -> usize {
    if PAIR { 2 } else { 1 }
}

/// Where a tile lies in the output: its first row and column, and the lanes in use of its last vector.
#[derive(Clone, Copy)]
struct Place {
    top: usize,
    left: usize,
    last: usize,
}

#[inline(always)]
unsafe fn columns<S: Simd>(simd: S, block: &Block<'_, '_>) {
    let cols = block.p.cols;
    for &(Run { first, len: vectors, count }, ref parts) in block.split.columns() {
        for i in 0..count {
            let left = (first + i * vectors) * S::LANES;
            let last = (cols - left).min(vectors * S::LANES) - (vectors - 1) * S::LANES;
            let place = Place { top: 0, left, last };
            // SAFETY: columns from `left` on, `vectors` of them with `last` lanes in the last, lie within the output.
            unsafe {
                // Tiles that are added up have half of the registers, too few for pairs to pay.
                if S::HALVES && 2 * last <= S::LANES && vectors <= 3 && block.tasks == 1 {
                    match vectors {
                        1 => pairs::<S, 1, 1>(simd, block, place),
                        2 => pairs::<S, 3, 2>(simd, block, place),
                        _ => pairs::<S, 5, 3>(simd, block, place),
                    }
                    continue;
                }
                match vectors {
                    1 => rows::<S, 1, false>(simd, block, parts, place),
                    2 => rows::<S, 2, false>(simd, block, parts, place),
                    3 => rows::<S, 3, false>(simd, block, parts, place),
                    4 => rows::<S, 4, false>(simd, block, parts, place),
                    _ => rows::<S, 5, false>(simd, block, parts, place),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn rows<S: Simd, const N: usize, const PAIR: bool>(
    simd: S,
    block: &Block<'_, '_>,
    parts: &[Run; 2],
    place: Place,
) {
    for &Run { first, len, count } in parts {
        if count == 0 || len == 0 {
            continue;
        }
        let place = Place { top: first * height::<PAIR>(), ..place };
        // SAFETY: `count` times `len` rows (or pairs) from `first` on lie within the output.
        unsafe {
            match len {
                1 => tiles::<S, 1, N, PAIR>(simd, block, place, count),
                2 => tiles::<S, 2, N, PAIR>(simd, block, place, count),
                3 => tiles::<S, 3, N, PAIR>(simd, block, place, count),
                4 => tiles::<S, 4, N, PAIR>(simd, block, place, count),
                5 => tiles::<S, 5, N, PAIR>(simd, block, place, count),
                6 => tiles::<S, 6, N, PAIR>(simd, block, place, count),
                7 => tiles::<S, 7, N, PAIR>(simd, block, place, count),
                _ => tiles::<S, 8, N, PAIR>(simd, block, place, count),
            }
        }
    }
}

/// All pairs of rows, with `N` vectors a pair, and the odd row, which has `ODD`.
#[inline(always)]
unsafe fn pairs<S: Simd, const N: usize, const ODD: usize>(simd: S, block: &Block<'_, '_>, place: Place) {
    let n = block.p.rows / 2;
    // SAFETY: pairs and the odd row lie within the output.
    unsafe {
        rows::<S, N, true>(simd, block, &even(n, most_pairs(N)), place);
        if block.p.rows % 2 == 1 {
            tiles::<S, 1, ODD, false>(simd, block, Place { top: 2 * n, ..place }, 1);
        }
    }
}

/// `count` tiles of `R` lines, one below the other. A line is a row of `N` vectors, or a pair of rows.
#[inline(always)]
unsafe fn tiles<S: Simd, const R: usize, const N: usize, const PAIR: bool>(
    simd: S,
    block: &Block<'_, '_>,
    place: Place,
    count: usize,
) {
    let most = const {
        match PAIR {
            true if S::HALVES => most_pairs(N),
            false if N <= most_vectors(S::REGISTERS) => most_rows(S::REGISTERS, N),
            _ => 0,
        }
    };
    // Larger tiles never occur, so none is compiled.
    if R > most {
        return;
    }
    let (line, height) = (Line::<S, N, PAIR> { simd, last: place.last }, height::<PAIR>());
    for i in 0..count {
        let place = Place { top: place.top + i * R * height, ..place };
        // Arrays of vectors are read and written by constant indices only: anything else would keep them in memory.
        // SAFETY: the caller vouches for the rows and columns.
        unsafe {
            let mut total = values::<S, R, N, PAIR>(line, block, 0, place);
            // Others are never added up.
            if !PAIR && R <= most_summed(most) {
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
            let right = line.right(b.add(k * block.stride));
            for r in 0..R {
                let x = a.add(r * height::<PAIR>() * p.a.row + k * p.a.col);
                sums[r] = line.multiply(x, p.a.row, right, sums[r]);
            }
        }
    }
    sums
}
