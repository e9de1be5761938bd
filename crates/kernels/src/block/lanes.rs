//! A vector that may be the last of a row: whole vectors are read and written whole, as masks are dear without AVX-512.

#![allow(unsafe_code, reason = "vectors are read and written through pointers")]

use crate::simd::Simd;

/// The first `n ≤ LANES` numbers, zeros behind them.
///
/// # Safety
/// `p` must be valid for reads of `n` numbers.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(simd: S, p: *const f32, n: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe { if n == S::LANES { simd.load(p) } else { simd.load_first(p, n) } }
}

/// Writes the first `n ≤ LANES` lanes.
///
/// # Safety
/// `p` must be valid for writes of `n` numbers.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(simd: S, p: *mut f32, n: usize, v: S::V) {
    // SAFETY: the caller's.
    unsafe { if n == S::LANES { simd.store(p, v) } else { simd.store_first(p, n, v) } }
}
