//! One vector of `f32`, in the instruction sets that kernels are compiled for.
//!
//! A kernel is written once over [`Simd`] and compiled once for each set ([`Level::run`](crate::Level)). A value of a
//! type that implements it proves that the machine has the instructions, so only what touches memory is `unsafe`.

#![allow(unsafe_code, reason = "declares the methods that touch memory; their contracts stand beside them")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512vl;
#[cfg(target_arch = "aarch64")]
mod neon;
mod twice;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512vl::Avx512Vl;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use twice::Twice;

/// Vectors of [`LANES`](Simd::LANES) numbers. Every method is inlined into its kernel.
pub(crate) trait Simd: Copy {
    /// Numbers in a vector.
    const LANES: usize;
    /// Vectors that the processor holds at once: what the size of a kernel's tile is chosen by.
    const REGISTERS: usize;
    /// Whether the methods for halves are there: half vectors of two rows then share a vector, where a kernel knows how.
    const HALVES: bool = false;
    /// The vector.
    type V: Copy;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;

    /// # Safety
    /// `p` must be valid for reads of `LANES` numbers.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// The first `n ≤ LANES` numbers, zeros behind them.
    ///
    /// # Safety
    /// `p` must be valid for reads of `n` numbers.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V;

    /// # Safety
    /// `p` must be valid for writes of `LANES` numbers.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// Writes the first `n ≤ LANES` lanes.
    ///
    /// # Safety
    /// `p` must be valid for writes of `n` numbers.
    unsafe fn store_first(self, p: *mut f32, n: usize, v: Self::V);

    /// The first `n ≤ LANES / 2` numbers of `p` in the lower half and those of `q` in the upper one, zeros behind both.
    ///
    /// # Safety
    /// `p` and `q` must be valid for reads of `n` numbers.
    #[inline(always)]
    unsafe fn load_halves(self, _p: *const f32, _q: *const f32, _n: usize) -> Self::V {
        unreachable!("asked only where `HALVES` is set")
    }

    /// The first `n ≤ LANES / 2` numbers in both halves, zeros behind them: [`load_halves`](Self::load_halves) of one place.
    ///
    /// # Safety
    /// `p` must be valid for reads of `n` numbers.
    #[inline(always)]
    unsafe fn load_twice(self, _p: *const f32, _n: usize) -> Self::V {
        unreachable!("asked only where `HALVES` is set")
    }

    /// Writes what [`load_halves`](Self::load_halves) reads.
    ///
    /// # Safety
    /// `p` and `q` must be valid for writes of `n` numbers.
    #[inline(always)]
    unsafe fn store_halves(self, _p: *mut f32, _q: *mut f32, _n: usize, _v: Self::V) {
        unreachable!("asked only where `HALVES` is set")
    }

    /// The lower half of `a` and the upper half of `b`.
    #[inline(always)]
    fn halves(self, _a: Self::V, _b: Self::V) -> Self::V {
        unreachable!("asked only where `HALVES` is set")
    }

    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a b + c`, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// The larger one; `b` where one of them is not a number, so that `max(0, x)` keeps a NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// The smaller one; `b` where one of them is not a number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;

    fn sqrt(self, a: Self::V) -> Self::V;

    /// `x` where `a > b`, else `y` (also where `a` or `b` is not a number).
    fn where_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;

    /// The nearest integer, halves to even.
    fn round(self, a: Self::V) -> Self::V;

    /// `2ⁿ` for integers `−126 ≤ n ≤ 127`, infinity for 128.
    fn pow2(self, n: Self::V) -> Self::V;

    /// The sum of all lanes, by halves.
    fn sum_lanes(self, a: Self::V) -> f32;

    /// The number in the first lane.
    fn first_lane(self, a: Self::V) -> f32;

    /// Transposes a block: `to[i·to_stride + j] = from[j·from_stride + i]` for `i, j < 8`.
    ///
    /// # Safety
    /// Both blocks must be valid, `from` for reads and `to` for writes, and must not overlap.
    unsafe fn transpose8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);

    /// `x 2ⁿ` for `½ ≤ x ≤ 2` and integers `−250 ≤ n ≤ 250`, rounded once.
    #[inline(always)]
    fn scale(self, x: Self::V, n: Self::V) -> Self::V {
        // The first product is exact: half the exponent stays clear of both ends.
        let half = self.round(self.mul(n, self.splat(0.5)));
        self.mul(self.mul(x, self.pow2(half)), self.pow2(self.sub(n, half)))
    }

    /// Writes the first `n ≤ LANES` lanes, integers from 0 to 255, as bytes.
    ///
    /// # Safety
    /// `p` must be valid for writes of `n` bytes.
    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, n: usize, v: Self::V) {
        let mut buffer = [0f32; 32];
        // SAFETY: no vector has more than 32 lanes; the lanes are bytes and `p` is good for `n` by the caller's word.
        unsafe {
            self.store(buffer.as_mut_ptr(), v);
            for (i, x) in buffer[..n].iter().enumerate() {
                p.add(i).write(x.to_int_unchecked());
            }
        }
    }

    /// The first `n ≤ LANES` bytes as numbers, zeros behind them.
    ///
    /// # Safety
    /// `p` must be valid for reads of `n` bytes.
    #[inline(always)]
    unsafe fn load_bytes(self, p: *const u8, n: usize) -> Self::V {
        let mut buffer = [0f32; 32];
        // SAFETY: as above.
        unsafe {
            for (i, x) in buffer[..n].iter_mut().enumerate() {
                *x = f32::from(p.add(i).read());
            }
            self.load(buffer.as_ptr())
        }
    }
}
