//! AVX-512 on vectors of half its width: eight lanes, but 32 registers and masks.

#![allow(unsafe_code, reason = "intrinsics; see the safety notes")]

use core::arch::x86_64::*;

use super::{Avx2, Simd};

/// Proof that the machine has what [`Avx512`](super::Avx512) asks for. What needs no mask is AVX2's, and compiled for the
/// registers of AVX-512 all the same.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vl(Avx2);

impl Avx512Vl {
    /// # Safety
    /// The machine must have AVX-512 F, BW, DQ and VL, AVX2 and FMA.
    pub(crate) unsafe fn assume() -> Self {
        // SAFETY: the caller's.
        Self(unsafe { Avx2::assume() })
    }
}

/// The lanes below `n`.
#[inline(always)]
fn first(n: usize) -> __mmask8 {
    debug_assert!(n <= 8, "a vector has 8 lanes");
    (0xff_u32 >> (8 - n)) as __mmask8
}

// SAFETY of the blocks below: `self` proves that the instructions exist; pointers are the caller's word, and masked
// lanes are not touched.
impl Simd for Avx512Vl {
    const LANES: usize = 8;
    const REGISTERS: usize = 32;
    type V = __m256;

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m256 {
        unsafe { _mm256_maskz_loadu_ps(first(n), p) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: __m256) {
        unsafe { _mm256_mask_storeu_ps(p, first(n), v) }
    }

    #[inline(always)]
    fn where_gt(self, a: __m256, b: __m256, x: __m256, y: __m256) -> __m256 {
        unsafe { _mm256_mask_blend_ps(_mm256_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        self.0.splat(x)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        unsafe { self.0.load(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        unsafe { self.0.store(p, v) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        self.0.add(a, b)
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        self.0.sub(a, b)
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        self.0.mul(a, b)
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        self.0.div(a, b)
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        self.0.fma(a, b, c)
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        self.0.max(a, b)
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        self.0.min(a, b)
    }

    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        self.0.sqrt(a)
    }

    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        self.0.round(a)
    }

    #[inline(always)]
    fn pow2(self, n: __m256) -> __m256 {
        self.0.pow2(n)
    }

    #[inline(always)]
    fn sum_lanes(self, a: __m256) -> f32 {
        self.0.sum_lanes(a)
    }

    #[inline(always)]
    fn first_lane(self, a: __m256) -> f32 {
        self.0.first_lane(a)
    }

    #[inline(always)]
    unsafe fn transpose8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe { self.0.transpose8(from, from_stride, to, to_stride) }
    }
}
