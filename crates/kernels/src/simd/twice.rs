//! Two vectors side by side as one.
//!
//! For long chains of dependent operations: the processor looks only so far ahead, and with two chains side by side it
//! finds twice as much that can run.

#![allow(unsafe_code, reason = "passes pointers on; see the safety notes")]

use super::Simd;

/// Two vectors of `S`.
#[derive(Clone, Copy)]
pub(crate) struct Twice<S>(pub(crate) S);

// SAFETY of the blocks below: the caller vouches for both halves; the second half starts `S::LANES` behind the first one,
// and is empty where that is past the end.
impl<S: Simd> Simd for Twice<S> {
    const LANES: usize = 2 * S::LANES;
    const REGISTERS: usize = S::REGISTERS / 2;
    type V = [S::V; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [self.0.splat(x); 2]
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::V {
        unsafe { [self.0.load(p), self.0.load(p.add(S::LANES))] }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V {
        let first = n.min(S::LANES);
        unsafe { [self.0.load_first(p, first), self.0.load_first(p.add(first), n - first)] }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::V) {
        unsafe {
            self.0.store(p, v[0]);
            self.0.store(p.add(S::LANES), v[1]);
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: Self::V) {
        let first = n.min(S::LANES);
        unsafe {
            self.0.store_first(p, first, v[0]);
            self.0.store_first(p.add(first), n - first, v[1]);
        }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        [self.0.add(a[0], b[0]), self.0.add(a[1], b[1])]
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        [self.0.sub(a[0], b[0]), self.0.sub(a[1], b[1])]
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        [self.0.mul(a[0], b[0]), self.0.mul(a[1], b[1])]
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        [self.0.div(a[0], b[0]), self.0.div(a[1], b[1])]
    }

    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        [self.0.fma(a[0], b[0], c[0]), self.0.fma(a[1], b[1], c[1])]
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        [self.0.max(a[0], b[0]), self.0.max(a[1], b[1])]
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        [self.0.min(a[0], b[0]), self.0.min(a[1], b[1])]
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        [self.0.sqrt(a[0]), self.0.sqrt(a[1])]
    }

    #[inline(always)]
    fn where_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        [self.0.where_gt(a[0], b[0], x[0], y[0]), self.0.where_gt(a[1], b[1], x[1], y[1])]
    }

    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        [self.0.round(a[0]), self.0.round(a[1])]
    }

    #[inline(always)]
    fn pow2(self, n: Self::V) -> Self::V {
        [self.0.pow2(n[0]), self.0.pow2(n[1])]
    }

    #[inline(always)]
    fn scale(self, x: Self::V, n: Self::V) -> Self::V {
        [self.0.scale(x[0], n[0]), self.0.scale(x[1], n[1])]
    }

    #[inline(always)]
    fn sum_lanes(self, a: Self::V) -> f32 {
        self.0.sum_lanes(self.0.add(a[0], a[1]))
    }

    #[inline(always)]
    fn first_lane(self, a: Self::V) -> f32 {
        self.0.first_lane(a[0])
    }

    #[inline(always)]
    unsafe fn transpose8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe { self.0.transpose8(from, from_stride, to, to_stride) }
    }
}
