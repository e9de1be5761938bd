//! NEON: four lanes, 32 registers. There are no masks; the last vector of a row passes through a small buffer.

#![allow(unsafe_code, reason = "intrinsics; see the safety notes")]

use core::arch::aarch64::*;

use super::Simd;

/// Proof that the machine has NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// # Safety
    /// The machine must have NEON.
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

// SAFETY of the blocks below: `self` proves that the instructions exist; pointers are the caller's word, and lanes
// from `n` on are copied to and from the buffer only.
impl Simd for Neon {
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    type V = float32x4_t;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> float32x4_t {
        if n == 4 {
            return unsafe { vld1q_f32(p) };
        }
        debug_assert!(n < 4, "a vector has 4 lanes");
        let mut buffer = [0f32; 4];
        unsafe {
            core::ptr::copy_nonoverlapping(p, buffer.as_mut_ptr(), n);
            vld1q_f32(buffer.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        unsafe { vst1q_f32(p, v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: float32x4_t) {
        if n == 4 {
            return unsafe { vst1q_f32(p, v) };
        }
        debug_assert!(n < 4, "a vector has 4 lanes");
        let mut buffer = [0f32; 4];
        unsafe {
            vst1q_f32(buffer.as_mut_ptr(), v);
            core::ptr::copy_nonoverlapping(buffer.as_ptr(), p, n);
        }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // NEON's own maximum answers NaN where either is one; the contract names `b`.
        self.where_gt(a, b, a, b)
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.where_gt(b, a, a, b)
    }

    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        unsafe { vsqrtq_f32(a) }
    }

    #[inline(always)]
    fn where_gt(self, a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcgtq_f32(a, b), x, y) }
    }

    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        unsafe { vrndnq_f32(a) }
    }

    #[inline(always)]
    fn pow2(self, n: float32x4_t) -> float32x4_t {
        unsafe {
            let biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        }
    }

    #[inline(always)]
    fn sum_lanes(self, a: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(a) }
    }

    #[inline(always)]
    fn first_lane(self, a: float32x4_t) -> f32 {
        unsafe { vgetq_lane_f32::<0>(a) }
    }

    #[inline(always)]
    unsafe fn transpose8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for (i, j) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
            unsafe { transpose4(from.add(j * from_stride + i), from_stride, to.add(i * to_stride + j), to_stride) }
        }
    }
}

/// Pairs, then halves change places.
#[inline(always)]
unsafe fn transpose4(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    unsafe {
        let row = |j: usize| vld1q_f32(from.add(j * from_stride));
        let (low, high) = (vtrnq_f32(row(0), row(1)), vtrnq_f32(row(2), row(3)));
        let put = |i: usize, v| vst1q_f32(to.add(i * to_stride), v);
        put(0, vcombine_f32(vget_low_f32(low.0), vget_low_f32(high.0)));
        put(1, vcombine_f32(vget_low_f32(low.1), vget_low_f32(high.1)));
        put(2, vcombine_f32(vget_high_f32(low.0), vget_high_f32(high.0)));
        put(3, vcombine_f32(vget_high_f32(low.1), vget_high_f32(high.1)));
    }
}
