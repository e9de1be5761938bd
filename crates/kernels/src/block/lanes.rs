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

/// Work on the channels of images, some vectors of them at a time while the pixels go by.
pub(crate) trait Strips {
    /// `V` vectors of channels from `c` on, of which only a single one may have fewer than all lanes.
    ///
    /// # Safety
    /// There must be that many channels.
    unsafe fn some<S: Simd, const V: usize>(&mut self, simd: S, c: usize, n: usize);
}

/// Runs `work` on all channels, four vectors at a time as far as they go.
#[inline(always)]
pub(crate) fn each_strip<S: Simd>(simd: S, channels: usize, work: &mut impl Strips) {
    let mut c = 0;
    // SAFETY: the vectors end at the last channel.
    unsafe {
        while c + 4 * S::LANES <= channels {
            work.some::<S, 4>(simd, c, S::LANES);
            c += 4 * S::LANES;
        }
        while c < channels {
            work.some::<S, 1>(simd, c, S::LANES.min(channels - c));
            c += S::LANES;
        }
    }
}
