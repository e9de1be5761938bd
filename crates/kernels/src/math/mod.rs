//! Elementary functions: as building blocks of other kernels, and over slices.
//!
//! One vector after another, with no tile: the work is arithmetic on one register, and the processor overlaps
//! neighbouring vectors by itself. The last vector runs the same arithmetic behind a mask, so an element's bits do not
//! depend on its place. Results of the vector levels agree to the last bit; the portable level calls the standard
//! library. NaN gives NaN, infinities give the limits.

#![allow(unsafe_code, reason = "loads and stores by pointer; see the safety notes")]

mod exp;
mod log_softmax;
mod tanh;

pub use log_softmax::{log_softmax, log_softmax_backward};

use exp::{exp as exp_vector, sigmoid as sigmoid_vector};
use tanh::tanh as tanh_vector;
pub(crate) use tanh::{gate_ratio, tanh_ratio};

use crate::Level;
use crate::level::Kernel;
use crate::simd::Simd;

/// Appends `eˣ` of every element, within `2·2⁻²⁴` of the exact value, or one step of the denormal numbers.
pub fn exp(level: Level, x: &[f32], out: &mut Vec<f32>) {
    level.run(Map { function: Exp, x, out });
}

/// Appends `tanh x` of every element, within `6·2⁻²⁴` of the exact value, relatively.
pub fn tanh(level: Level, x: &[f32], out: &mut Vec<f32>) {
    level.run(Map { function: Tanh, x, out });
}

/// Appends `1 / (1 + e⁻ˣ)` of every element, within `4·2⁻²⁴` of the exact value; 0 may stand for results below `2⁻¹²⁶`.
pub fn sigmoid(level: Level, x: &[f32], out: &mut Vec<f32>) {
    level.run(Map { function: Sigmoid, x, out });
}

/// A function of N numbers. (A closure would not always be inlined, and the vector form must be.)
trait Function<const N: usize>: Copy {
    fn scalar(self, x: [f32; N]) -> f32;
    fn vector<S: Simd>(self, s: S, x: [S::V; N]) -> S::V;
}

/// Writes the function of `n` elements of every argument to `out`.
///
/// # Safety
/// The arguments must be valid for reads, and `out` for writes, of `n` numbers.
#[inline(always)]
unsafe fn each<S: Simd, F: Function<N>, const N: usize>(s: S, f: F, x: [*const f32; N], out: *mut f32, n: usize) {
    let (whole, rest) = (n - n % S::LANES, n % S::LANES);
    let mut v = [s.splat(0.0); N];
    for i in (0..whole).step_by(S::LANES) {
        for (v, x) in v.iter_mut().zip(x) {
            // SAFETY, here and below: the caller vouches for n numbers.
            *v = unsafe { s.load(x.add(i)) };
        }
        unsafe { s.store(out.add(i), f.vector(s, v)) };
    }
    if rest > 0 {
        for (v, x) in v.iter_mut().zip(x) {
            *v = unsafe { s.load_first(x.add(whole), rest) };
        }
        unsafe { s.store_first(out.add(whole), rest, f.vector(s, v)) };
    }
}

#[derive(Clone, Copy)]
struct Exp;

impl Function<1> for Exp {
    fn scalar(self, [x]: [f32; 1]) -> f32 {
        x.exp()
    }

    #[inline(always)]
    fn vector<S: Simd>(self, s: S, [x]: [S::V; 1]) -> S::V {
        exp_vector(s, x)
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl Function<1> for Tanh {
    fn scalar(self, [x]: [f32; 1]) -> f32 {
        x.tanh()
    }

    #[inline(always)]
    fn vector<S: Simd>(self, s: S, [x]: [S::V; 1]) -> S::V {
        tanh_vector(s, x)
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl Function<1> for Sigmoid {
    fn scalar(self, [x]: [f32; 1]) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    #[inline(always)]
    fn vector<S: Simd>(self, s: S, [x]: [S::V; 1]) -> S::V {
        sigmoid_vector(s, x)
    }
}

/// A function of every element of a slice.
struct Map<'a, F> {
    function: F,
    x: &'a [f32],
    out: &'a mut Vec<f32>,
}

impl<F: Function<1>> Kernel for Map<'_, F> {
    type Output = ();

    fn portable(self) {
        self.out.extend(self.x.iter().map(|&x| self.function.scalar([x])));
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let (n, len) = (self.x.len(), self.out.len());
        self.out.reserve(n);
        // SAFETY: `x` has n numbers, and `out` has room for n more behind its end; all of them are written.
        unsafe {
            each(s, self.function, [self.x.as_ptr()], self.out.as_mut_ptr().add(len), n);
            self.out.set_len(len + n);
        }
    }
}
