//! Sums over an axis.
//!
//! Columns are taken a strip at a time: up to eight vectors of running sums in registers (two where a vector ends the
//! row, and the rest), enough to overlap the additions, while the rows go by. Each column is a plain sum in the order of
//! its rows. A row of its own (`inner = 1`) is summed over 16 written-out lanes, then by halves. So every level gives the
//! same bits.

#![allow(unsafe_code, reason = "loads and stores by pointer; see the safety notes")]

use crate::error::check_len;
use crate::level::Kernel;
use crate::simd::Simd;
use crate::{Error, Level, Result};

/// Partial sums of a row of its own.
const LANES: usize = 16;

/// Vectors in a wide strip.
const STRIP: usize = 8;

/// Appends the sum over the middle axis: `[outer, n, inner] → [outer, inner]`. A sum of nothing is 0.
///
/// # Errors
/// If `x` does not have as many elements.
pub fn sum(level: Level, x: &[f32], [outer, n, inner]: [usize; 3], out: &mut Vec<f32>) -> Result<()> {
    check_len("sum", "x", x.len(), &[outer, n, inner])?;
    if x.is_empty() {
        zeros([outer, inner], out)?;
    } else if inner == 1 {
        level.run(Rows { x, n, out });
    } else {
        level.run(Columns { x, n, inner, out });
    }
    Ok(())
}

/// Sums of nothing. Where there are no elements, nothing has said yet that there is room for the result.
fn zeros([outer, inner]: [usize; 2], out: &mut Vec<f32>) -> Result<()> {
    let n = outer.checked_mul(inner).filter(|&n| out.try_reserve(n).is_ok());
    let n = n.ok_or_else(|| Error::shape("sum", format!("no room for {outer} × {inner} sums of nothing")))?;
    out.resize(out.len() + n, 0.0);
    Ok(())
}

struct Rows<'a> {
    x: &'a [f32],
    n: usize,
    out: &'a mut Vec<f32>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn portable(self) {
        self.out.extend(self.x.chunks_exact(self.n).map(sum_row));
    }

    /// The compiler finds the vectors: the lanes are written out.
    #[inline(always)]
    fn simd<S: Simd>(self, _: S) {
        self.portable();
    }
}

#[inline(always)]
fn sum_row(row: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = row.chunks_exact(LANES);
    let rest = whole.remainder();
    for chunk in whole {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += v;
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane += v;
    }
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
    }
    lanes[0]
}

/// None of the sizes is zero.
struct Columns<'a> {
    x: &'a [f32],
    n: usize,
    inner: usize,
    out: &'a mut Vec<f32>,
}

impl Kernel for Columns<'_> {
    type Output = ();

    fn portable(self) {
        for block in self.x.chunks_exact(self.n * self.inner) {
            let start = self.out.len();
            let (first, others) = block.split_at(self.inner);
            self.out.extend_from_slice(first);
            for row in others.chunks_exact(self.inner) {
                self.out[start..].iter_mut().zip(row).for_each(|(sum, &v)| *sum += v);
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let (n, inner, len) = (self.n, self.inner, self.out.len());
        let total = self.x.len() / n;
        self.out.reserve(total);
        // SAFETY: a block has n rows of `inner` numbers, and the strips lie side by side in a row; `out` has room for one row
        // a block behind its end, all of which is written.
        unsafe {
            let mut out = self.out.as_mut_ptr().add(len);
            for block in self.x.chunks_exact(n * inner) {
                let mut x = block.as_ptr();
                let mut left = inner;
                while left >= STRIP * S::LANES {
                    strip::<S, STRIP>(s, x, n, inner, out, S::LANES);
                    (x, out, left) = (x.add(STRIP * S::LANES), out.add(STRIP * S::LANES), left - STRIP * S::LANES);
                }
                while left > 0 {
                    let last = left.min(2 * S::LANES);
                    if last > S::LANES {
                        strip::<S, 2>(s, x, n, inner, out, last - S::LANES);
                    } else {
                        strip::<S, 1>(s, x, n, inner, out, last);
                    }
                    (x, out, left) = (x.add(last), out.add(last), left - last);
                }
            }
            self.out.set_len(len + total);
        }
    }
}

/// Sums `n` rows of `V` vectors, the last of which has `last` numbers; rows are `stride` apart.
///
/// # Safety
/// The rows must be valid for reads, and `out` for writes, of as many numbers; `n` is not zero, and `last ≤ S::LANES`.
#[inline(always)]
unsafe fn strip<S: Simd, const V: usize>(s: S, x: *const f32, n: usize, stride: usize, out: *mut f32, last: usize) {
    if last == S::LANES {
        // SAFETY: the caller's word.
        unsafe { strip_of::<S, V, true>(s, x, n, stride, out, last) }
    } else {
        // SAFETY: the caller's word.
        unsafe { strip_of::<S, V, false>(s, x, n, stride, out, last) }
    }
}

/// [`strip`], with whether its last vector is a whole one known to the compiler.
#[inline(always)]
unsafe fn strip_of<S: Simd, const V: usize, const WHOLE: bool>(
    s: S,
    x: *const f32,
    n: usize,
    stride: usize,
    out: *mut f32,
    last: usize,
) {
    // SAFETY: the caller of `strip` vouches for n rows, and for V − 1 vectors and `last` numbers in each.
    unsafe {
        let mut sums = [s.splat(0.0); V];
        for row in 0..n {
            let x = x.add(row * stride);
            for (v, sum) in sums.iter_mut().enumerate() {
                let p = x.add(v * S::LANES);
                let term = if WHOLE || v + 1 < V { s.load(p) } else { s.load_first(p, last) };
                *sum = if row == 0 { term } else { s.add(*sum, term) };
            }
        }
        for (v, &sum) in sums.iter().enumerate() {
            let p = out.add(v * S::LANES);
            if WHOLE || v + 1 < V { s.store(p, sum) } else { s.store_first(p, last, sum) }
        }
    }
}
