//! AVX-512: sixteen lanes, 32 registers, masks for the last vector of a row.

#![allow(unsafe_code, reason = "intrinsics; see the safety notes")]

use core::arch::x86_64::*;

use super::Simd;

/// Proof that the machine has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The machine must have AVX-512 F, BW, DQ and VL.
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

/// The lanes below `n`.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    debug_assert!(n <= 16, "a vector has 16 lanes");
    (0xffff_u32 >> (16 - n)) as __mmask16
}

// SAFETY of the blocks below: `self` proves that the instructions exist; pointers are the caller's word, and masked
// lanes are not touched.
impl Simd for Avx512 {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    const HALVES: bool = true;
    type V = __m512;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(n), p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: __m512) {
        unsafe { _mm512_mask_storeu_ps(p, first(n), v) }
    }

    #[inline(always)]
    unsafe fn load_halves(self, p: *const f32, q: *const f32, n: usize) -> __m512 {
        unsafe {
            let lower = _mm512_maskz_loadu_ps(first(n), p);
            // Eight numbers before `q` may be nowhere: those lanes are not touched, and the address wraps.
            _mm512_mask_loadu_ps(lower, first(n) << 8, q.wrapping_sub(8))
        }
    }

    #[inline(always)]
    unsafe fn load_twice(self, p: *const f32, n: usize) -> __m512 {
        unsafe {
            // A whole half is repeated as it is loaded, in one instruction.
            _mm512_broadcast_f32x8(if n == 8 {
                _mm256_loadu_ps(p)
            } else {
                _mm256_maskz_loadu_ps(first(n) as __mmask8, p)
            })
        }
    }

    #[inline(always)]
    unsafe fn store_halves(self, p: *mut f32, q: *mut f32, n: usize, v: __m512) {
        unsafe {
            _mm512_mask_storeu_ps(p, first(n), v);
            _mm512_mask_storeu_ps(q.wrapping_sub(8), first(n) << 8, v);
        }
    }

    #[inline(always)]
    fn halves(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(0xff00, a, b) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }

    #[inline(always)]
    fn where_gt(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x) }
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn pow2(self, n: __m512) -> __m512 {
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }

    #[inline(always)]
    fn sum_lanes(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    fn first_lane(self, a: __m512) -> f32 {
        unsafe { _mm512_cvtss_f32(a) }
    }

    #[inline(always)]
    unsafe fn transpose8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // AVX-512 contains AVX2, and a block of 16 leaves more of a small matrix over.
        unsafe { super::avx2::transpose8(from, from_stride, to, to_stride) }
    }

    #[inline(always)]
    fn scale(self, x: __m512, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(x, n) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, n: usize, v: __m512) {
        unsafe { _mm_mask_storeu_epi8(p.cast(), first(n), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v))) }
    }

    #[inline(always)]
    unsafe fn load_bytes(self, p: *const u8, n: usize) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p.cast()))) }
    }
}
