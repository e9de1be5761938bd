//! Which instructions a kernel runs on: asked of the machine once, or forced by `REKINDLE_SIMD`.

#![allow(unsafe_code, reason = "calls functions compiled for instructions that `Level` has proved to exist")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__cpuid;
use std::sync::OnceLock;

use crate::simd::Simd;
use crate::{Error, Result};

/// A set of instructions that this machine has.
///
/// A value can only be had from [`available`](Self::available) and its kin, so it proves that the instructions exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The variable that forces a level: `portable`, `neon`, `avx2` or `avx512`.
pub const VARIABLE: &str = "REKINDLE_SIMD";

impl Level {
    /// Plain Rust, for every machine: the oracle of the others.
    pub const PORTABLE: Self = Self(Set::Portable);

    /// Every level of this machine, the slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::PORTABLE];
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            levels.push(Self(Set::Neon));
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.push(Self(Set::Avx2));
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            if wide && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                levels.push(Self(Set::Avx512));
            }
        }
        levels
    }

    /// The level that `REKINDLE_SIMD` names, the fastest one where it is not set.
    ///
    /// # Errors
    /// If the variable names no level of this machine. A program should ask once at its start.
    pub fn requested() -> Result<Self> {
        let levels = Self::available();
        let best = *levels.last().expect("the portable level is always there");
        let Some(value) = std::env::var_os(VARIABLE) else { return Ok(best) };
        let value = value.to_string_lossy().into_owned();
        levels.iter().copied().find(|level| level.name() == value).ok_or_else(|| {
            let names: Vec<_> = levels.iter().map(|level| level.name()).collect();
            Error::Level { value, available: names.join(", ") }
        })
    }

    /// As [`requested`](Self::requested), read once; where the variable is wrong, the portable level.
    #[must_use]
    pub fn current() -> Self {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::requested().unwrap_or(Self::PORTABLE))
    }

    /// The name that `REKINDLE_SIMD` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    /// As [`run`](Self::run), on the vectors that suit rows of so many numbers: half as wide as they could be where that
    /// leaves fewer lanes empty and costs nothing else. Not for kernels whose results depend on the number of lanes.
    #[inline]
    pub(crate) fn run_rows<K: Kernel>(self, cols: usize, kernel: K) -> K::Output {
        let narrow = cols.div_ceil(8) % 2 == 1 && halves_wide_vectors();
        if narrow { self.run_narrow(kernel) } else { self.run(kernel) }
    }

    /// On vectors of half the width, where the level has such.
    #[inline]
    pub(crate) fn run_narrow<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: as for `run`.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { on_avx512vl(kernel) },
            _ => self.run(kernel),
        }
    }

    /// Runs a kernel on this level's instructions.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Set::Portable => kernel.portable(),
            // SAFETY, here and below: a `Level` exists only where the machine has its instructions.
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { on_neon(kernel) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { on_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { on_avx512(kernel) },
        }
    }
}

/// Whether the processor does a vector of AVX-512 in two halves, one after the other, so that two narrow ones cost no more:
/// AMD's Zen 4. Others do two wide ones at once.
fn halves_wide_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static HALVES: OnceLock<bool> = OnceLock::new();
        *HALVES.get_or_init(|| {
            // SAFETY: every x86-64 processor knows these two leaves.
            #[allow(unused_unsafe, reason = "safe in newer compilers")]
            let (vendor, version) = unsafe { (__cpuid(0), __cpuid(1).eax) };
            let amd = [vendor.ebx, vendor.edx, vendor.ecx] == [*b"Auth", *b"enti", *b"cAMD"].map(u32::from_le_bytes);
            // Family 0x19 holds Zen 3, which has no AVX-512, and Zen 4.
            amd && ((version >> 8) & 0xf) + ((version >> 20) & 0xff) == 0x19
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A computation in two forms.
pub(crate) trait Kernel {
    type Output;

    /// Plain Rust, written to be read: what the other form is tested against.
    fn portable(self) -> Self::Output;

    /// Over vectors. Must be `#[inline(always)]`, so that it is compiled for the instructions of its caller.
    fn simd<S: Simd>(self, simd: S) -> Self::Output;
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
unsafe fn on_neon<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    kernel.simd(unsafe { crate::simd::Neon::assume() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn on_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    kernel.simd(unsafe { crate::simd::Avx2::assume() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn on_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    kernel.simd(unsafe { crate::simd::Avx512::assume() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn on_avx512vl<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    kernel.simd(unsafe { crate::simd::Avx512Vl::assume() })
}
