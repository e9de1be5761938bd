//! The tiles of a product, one after another: tasks, then parts of the columns, then parts of the rows.

#![allow(unsafe_code, reason = "reads and writes by pointer; `Product::check` has proved every element in bounds")]

use super::split::{Run, Split};
use super::tile::{Block, Place, height, tiles};
use super::{Product, pack};
use crate::scratch::Scratch;
use crate::simd::Simd;

#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, p: &Product<'_>, out: &mut Vec<f32>) {
    let size = p.rows * p.cols;
    let results = if p.sum { 1 } else { p.tasks };
    out.reserve(results * size);
    let start = out.len();
    let packed = p.b.col != 1 && p.cols != 1;
    // Right operands that need no copy are there all at once, so tiles can be added up in registers.
    let (steps, tasks) = if p.sum && !packed { (1, p.tasks) } else { (p.tasks, 1) };
    let split = &Split::of::<S>(p, tasks > 1);
    let mut scratch = if packed { Some(Scratch::new(p.inner * p.cols)) } else { None };
    for m in 0..steps {
        // SAFETY: `check` has proved the operands in bounds, `reserve` has made room for the results; every element is
        // written (by the first task, if they are added up) before it is counted.
        unsafe {
            let b = p.b.data.as_ptr().add(offset(p, m));
            let (b, stride) = match &mut scratch {
                Some(scratch) => {
                    if m == 0 || p.b.task != 0 {
                        pack::transpose(simd, b, [p.b.row, p.b.col], [p.inner, p.cols], scratch.as_mut_ptr());
                    }
                    (scratch.as_ptr(), p.cols)
                }
                None => (b, p.b.row),
            };
            let out = out.as_mut_ptr().add(start + if p.sum { 0 } else { m * size });
            // One place only, since all tiles are compiled where this is called.
            columns(simd, &Block { p, split, first: m, tasks, b, stride, out, add: p.sum && m > 0 });
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
    let split = &Split::of::<S>(p, false);
    // SAFETY: the caller's.
    unsafe {
        columns(simd, &Block { p, split, first: 0, tasks: 1, b: p.b.data.as_ptr(), stride: p.b.row, out, add });
    }
}

/// Where a task's right operand begins. An empty one may begin behind its slice.
fn offset(p: &Product<'_>, m: usize) -> usize {
    if p.inner == 0 { 0 } else { m * p.b.task }
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
                if let (true, Some(parts)) = (2 * last <= S::LANES, &block.split.pairs) {
                    match vectors {
                        1 => pairs::<S, 1, 1>(simd, block, parts, place),
                        2 => pairs::<S, 3, 2>(simd, block, parts, place),
                        _ => pairs::<S, 5, 3>(simd, block, parts, place),
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
unsafe fn pairs<S: Simd, const N: usize, const ODD: usize>(
    simd: S,
    block: &Block<'_, '_>,
    parts: &[Run; 2],
    place: Place,
) {
    // Known to the compiler, so that other vectors have no such tiles.
    if !S::HALVES {
        return;
    }
    // SAFETY: pairs and the odd row lie within the output.
    unsafe {
        rows::<S, N, true>(simd, block, parts, place);
        if block.p.rows % 2 == 1 {
            tiles::<S, 1, ODD, false>(simd, block, Place { top: block.p.rows - 1, ..place }, 1);
        }
    }
}
