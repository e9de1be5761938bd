//! A line of a tile: a row of the output, or two rows that share a vector.

#![allow(unsafe_code, reason = "reads and writes by pointer; `Product::check` has proved every element in bounds")]
#![allow(
    clippy::needless_range_loop,
    reason = "constant indices keep an array of vectors in registers; iterators do not"
)]

use crate::simd::Simd;

/// How `N` vectors lie over the columns of a row, the last one with `last` lanes in use. With `PAIR` they are the whole
/// vectors of one row, those of the next, and one of which each row has half.
#[derive(Clone, Copy)]
pub(super) struct Line<S, const N: usize, const PAIR: bool> {
    pub(super) simd: S,
    pub(super) last: usize,
}

// SAFETY of the blocks below: the caller vouches for the numbers of the line's columns, in two rows if it is a pair.
impl<S: Simd, const N: usize, const PAIR: bool> Line<S, N, PAIR> {
    /// Whole vectors of a row.
    const WHOLE: usize = if PAIR { (N - 1) / 2 } else { N - 1 };
    /// Where the last vector begins in a row.
    const LAST: usize = Self::WHOLE * S::LANES;

    /// The line at `from`; the second row lies `stride` behind.
    #[inline(always)]
    pub(super) unsafe fn load(self, from: *const f32, stride: usize) -> [S::V; N] {
        let (simd, mut line) = (self.simd, [self.simd.splat(0.0); N]);
        unsafe {
            for v in 0..Self::WHOLE {
                line[v] = simd.load(from.add(v * S::LANES));
                if PAIR {
                    line[Self::WHOLE + v] = simd.load(from.add(stride + v * S::LANES));
                }
            }
            line[N - 1] = if PAIR {
                simd.load_halves(from.add(Self::LAST), from.add(stride + Self::LAST), self.last)
            } else {
                simd.load_first(from.add(Self::LAST), self.last)
            };
        }
        line
    }

    /// The line of which both rows are the one at `from`.
    #[inline(always)]
    pub(super) unsafe fn load_shared(self, from: *const f32) -> [S::V; N] {
        let mut line = unsafe { self.load(from, 0) };
        if PAIR {
            // Cheaper than two halves; the compiler leaves out the loads that this replaces.
            line[N - 1] = unsafe { self.simd.load_twice(from.add(Self::LAST), self.last) };
        }
        line
    }

    /// Writes what [`load`](Self::load) reads.
    #[inline(always)]
    pub(super) unsafe fn store(self, to: *mut f32, stride: usize, line: [S::V; N]) {
        unsafe {
            for v in 0..Self::WHOLE {
                self.simd.store(to.add(v * S::LANES), line[v]);
                if PAIR {
                    self.simd.store(to.add(stride + v * S::LANES), line[Self::WHOLE + v]);
                }
            }
            if PAIR {
                self.simd.store_halves(to.add(Self::LAST), to.add(stride + Self::LAST), self.last, line[N - 1]);
            } else {
                self.simd.store_first(to.add(Self::LAST), self.last, line[N - 1]);
            }
        }
    }

    /// `line + a right` of one inner index: `a` the number at `a`, for the second row that `stride` behind; `right` a row of
    /// the right operand from [`load_shared`](Self::load_shared).
    #[inline(always)]
    pub(super) unsafe fn multiply(
        self,
        a: *const f32,
        stride: usize,
        right: [S::V; N],
        mut line: [S::V; N],
    ) -> [S::V; N] {
        let simd = self.simd;
        let x = unsafe { simd.splat(*a) };
        let y = if PAIR { unsafe { simd.splat(*a.add(stride)) } } else { x };
        for v in 0..Self::WHOLE {
            line[v] = simd.fma(x, right[v], line[v]);
            if PAIR {
                line[Self::WHOLE + v] = simd.fma(y, right[v], line[Self::WHOLE + v]);
            }
        }
        line[N - 1] = simd.fma(if PAIR { simd.halves(x, y) } else { x }, right[N - 1], line[N - 1]);
        line
    }
}
