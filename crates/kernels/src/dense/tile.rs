//! The product in registers.
//!
//! Tile: up to 8 rows × 4 vectors of columns whose sums stay in registers for the whole inner axis; 8 × 3 and 6 × 4 fill
//! the 32 registers of AVX-512 and NEON, 4 × 3 and 6 × 2 the 16 of AVX2. Rows are split evenly (10 rows are 5 + 5, not
//! 8 + 2), since a short tile waits for its own sums. The last vector of a row is masked.

#![allow(unsafe_code, reason = "reads and writes by pointer; `Product::check` has proved every element in bounds")]
#![allow(
    clippy::needless_range_loop,
    reason = "constant indices keep an array of vectors in registers; iterators do not"
)]

use std::cell::RefCell;

use super::split::{Even, most_rows, most_vectors};
use super::{After, Base, Product, pack};
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
    // SAFETY: `check` has proved the operands in bounds, `reserve` has made room for the results; every element is
    // written (by the first task, if they are added up) before it is counted.
    unsafe {
        let to = out.as_mut_ptr().add(start);
        if packed {
            each_packed(simd, p, to);
        } else if p.sum {
            let b = p.b.data.as_ptr();
            columns(simd, &Block { p, first: 0, tasks: p.tasks, b, stride: p.b.row, out: to, add: false });
        } else {
            for m in 0..p.tasks {
                let b = p.b.data.as_ptr().add(offset(p, m));
                let out = to.add(m * size);
                columns(simd, &Block { p, first: m, tasks: 1, b, stride: p.b.row, out, add: false });
            }
        }
    }
    // SAFETY: as above.
    unsafe { out.set_len(start + results * size) };
}

/// The product of a single task to `out`, or added to it.
///
/// # Safety
/// The operands must be in bounds, `out` good for the whole product, and the right operand lie along its rows.
#[inline(always)]
pub(super) unsafe fn single<S: Simd>(simd: S, p: &Product<'_>, out: *mut f32, add: bool) {
    // SAFETY: the caller's.
    unsafe {
        columns(simd, &Block { p, first: 0, tasks: 1, b: p.b.data.as_ptr(), stride: p.b.row, out, add });
    }
}

/// With the right operands transposed one after another.
#[inline(always)]
unsafe fn each_packed<S: Simd>(simd: S, p: &Product<'_>, to: *mut f32) {
    // Taken and put back: a closure would be compiled without the instructions of its surroundings.
    let mut scratch = SCRATCH.take();
    for m in 0..p.tasks {
        // SAFETY: the caller vouches for the operands and for `to`.
        unsafe {
            if m == 0 || p.b.task != 0 {
                pack::transpose(simd, &p.b, offset(p, m), [p.inner, p.cols], &mut scratch);
            }
            let out = to.add(if p.sum { 0 } else { m * p.rows * p.cols });
            let (b, add) = (scratch.as_ptr(), p.sum && m > 0);
            columns(simd, &Block { p, first: m, tasks: 1, b, stride: p.cols, out, add });
        }
    }
    SCRATCH.set(scratch);
}

/// Where a task's right operand begins. An empty one may begin behind its slice.
fn offset(p: &Product<'_>, m: usize) -> usize {
    if p.inner == 0 { 0 } else { m * p.b.task }
}

/// What goes into one output matrix: the tasks `first .. first + tasks`, added up.
struct Block<'a, 'p> {
    p: &'a Product<'p>,
    first: usize,
    tasks: usize,
    /// The first task's right operand with its rows along memory, and the distance of these.
    b: *const f32,
    stride: usize,
    out: *mut f32,
    /// Whether the result is added to what `out` holds.
    add: bool,
}

#[inline(always)]
unsafe fn columns<S: Simd>(simd: S, block: &Block<'_, '_>) {
    let cols = block.p.cols;
    for (first, vectors) in Even::new(cols.div_ceil(S::LANES), most_vectors(S::REGISTERS)) {
        let left = first * S::LANES;
        // Lanes in use of the tile's last vector.
        let last = (cols - left).min(vectors * S::LANES) - (vectors - 1) * S::LANES;
        // SAFETY: columns from `left` on, `vectors` of them with `last` lanes in the last, lie within the output.
        unsafe {
            match vectors {
                1 => rows::<S, 1>(simd, block, left, last),
                2 => rows::<S, 2>(simd, block, left, last),
                3 => rows::<S, 3>(simd, block, left, last),
                _ => rows::<S, 4>(simd, block, left, last),
            }
        }
    }
}

#[inline(always)]
unsafe fn rows<S: Simd, const N: usize>(simd: S, block: &Block<'_, '_>, left: usize, last: usize) {
    // A sum over tasks has a second set of registers.
    let most = most_rows(S::REGISTERS, N);
    for (top, rows) in Even::new(block.p.rows, if block.tasks > 1 { most.div_ceil(2) } else { most }) {
        // SAFETY: rows `top .. top + rows` lie within the output.
        unsafe {
            match rows {
                1 => tile::<S, 1, N>(simd, block, top, left, last),
                2 => tile::<S, 2, N>(simd, block, top, left, last),
                3 => tile::<S, 3, N>(simd, block, top, left, last),
                4 => tile::<S, 4, N>(simd, block, top, left, last),
                5 => tile::<S, 5, N>(simd, block, top, left, last),
                6 => tile::<S, 6, N>(simd, block, top, left, last),
                7 => tile::<S, 7, N>(simd, block, top, left, last),
                _ => tile::<S, 8, N>(simd, block, top, left, last),
            }
        }
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const N: usize>(
    simd: S,
    block: &Block<'_, '_>,
    top: usize,
    left: usize,
    last: usize,
) {
    let p = block.p;
    // Arrays of vectors are read and written by constant indices only: anything else would keep them in memory.
    // SAFETY: rows, columns and inner indices stay below the sizes that `check` has proved in bounds.
    unsafe {
        let mut total = [[simd.splat(0.0); N]; R];
        for t in 0..block.tasks {
            let m = block.first + t;
            let mut sums = [[simd.splat(0.0); N]; R];
            if let (true, Some(base)) = (p.starts_at_base(), &p.base) {
                for r in 0..R {
                    for v in 0..N {
                        let lanes = if v + 1 == N { last } else { S::LANES };
                        sums[r][v] = load_base(simd, base, m, [top + r, left + v * S::LANES, lanes]);
                    }
                }
            }
            let mut sums = multiply::<S, R, N>(simd, block, t, [top, left, last], sums);
            if !p.starts_at_base() {
                for r in 0..R {
                    for v in 0..N {
                        let lanes = if v + 1 == N { last } else { S::LANES };
                        sums[r][v] = finish(simd, p, m, [top + r, left + v * S::LANES, lanes], sums[r][v]);
                    }
                }
            } else if let After::Relu = p.after {
                for r in 0..R {
                    for v in 0..N {
                        sums[r][v] = simd.max(simd.splat(0.0), sums[r][v]);
                    }
                }
            }
            if t == 0 {
                total = sums;
            } else {
                for r in 0..R {
                    for v in 0..N {
                        total[r][v] = simd.add(total[r][v], sums[r][v]);
                    }
                }
            }
        }
        for r in 0..R {
            for v in 0..N {
                let lanes = if v + 1 == N { last } else { S::LANES };
                let to = block.out.add((top + r) * p.cols + left + v * S::LANES);
                let y = total[r][v];
                let y = if block.add { simd.add(simd.load_first(to, lanes), y) } else { y };
                simd.store_first(to, lanes, y);
            }
        }
    }
}

/// `sums + A B` of the block's task `t`, for a tile.
#[inline(always)]
unsafe fn multiply<S: Simd, const R: usize, const N: usize>(
    simd: S,
    block: &Block<'_, '_>,
    t: usize,
    [top, left, last]: [usize; 3],
    mut sums: [[S::V; N]; R],
) -> [[S::V; N]; R] {
    let p = block.p;
    if p.inner == 0 {
        return sums;
    }
    // SAFETY: as for `tile`.
    unsafe {
        let a = p.a.data.as_ptr().add((block.first + t) * p.a.task + top * p.a.row);
        let b = block.b.add(t * p.b.task + left);
        for k in 0..p.inner {
            let row = b.add(k * block.stride);
            let mut right = [simd.splat(0.0); N];
            for v in 0..N - 1 {
                right[v] = simd.load(row.add(v * S::LANES));
            }
            right[N - 1] = simd.load_first(row.add((N - 1) * S::LANES), last);
            for r in 0..R {
                let x = simd.splat(*a.add(r * p.a.row + k * p.a.col));
                for v in 0..N {
                    sums[r][v] = simd.fma(x, right[v], sums[r][v]);
                }
            }
        }
    }
    sums
}

/// `lanes` columns of a row of task `m`'s base.
#[inline(always)]
unsafe fn load_base<S: Simd>(simd: S, base: &Base<'_>, m: usize, [row, col, lanes]: [usize; 3]) -> S::V {
    // SAFETY: the columns lie within the output, and so within the base.
    unsafe { simd.load_first(base.data.as_ptr().add(m * base.task + row * base.row + col), lanes) }
}

/// The epilogue of one vector of task `m`'s output: `lanes` columns of a row.
#[inline(always)]
unsafe fn finish<S: Simd>(simd: S, p: &Product<'_>, m: usize, [row, col, lanes]: [usize; 3], sum: S::V) -> S::V {
    let zero = simd.splat(0.0);
    // SAFETY: the columns lie within the output, and so within the mask and the base.
    unsafe {
        let base = match &p.base {
            Some(base) => load_base(simd, base, m, [row, col, lanes]),
            None => zero,
        };
        let y = simd.fma(simd.splat(p.alpha), sum, base);
        match p.after {
            After::Keep => y,
            After::Relu => simd.max(zero, y),
            After::Mask(mask) => {
                let mask = simd.load_first(mask.as_ptr().add((m * p.rows + row) * p.cols + col), lanes);
                simd.where_gt(mask, zero, y, base)
            }
        }
    }
}
