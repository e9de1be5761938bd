//! `x − log Σ eˣ` over rows, and its derivative.
//!
//! A row at a time, in three passes over the row while it is in the nearest cache: its largest element, the
//! exponentials' sum, the difference. The sum is taken in f64 over written-out lanes: rows are short, and a loss deserves
//! its digits.

#![allow(unsafe_code, reason = "loads and stores by pointer; see the safety notes")]

use super::{Function, each, exp_vector};
use crate::error::check_len;
use crate::level::Kernel;
use crate::simd::Simd;
use crate::{Error, Level, Result};

/// Partial sums of a row, written out so that every level adds in the same order.
const LANES: usize = 8;

/// Appends `x − log Σ eˣ` of every row of `n` elements.
///
/// A row with a NaN or `+∞` in it is NaN throughout, and so is a row of nothing but `−∞`.
///
/// # Errors
/// If `x` is not made of rows of `n`.
pub fn log_softmax(level: Level, x: &[f32], n: usize, out: &mut Vec<f32>) -> Result<()> {
    check_rows("log_softmax", x, n)?;
    level.run(Forward { x, n, out });
    Ok(())
}

/// Appends the derivative `u − eʸ Σ u` of every row, where `y` is what [`log_softmax`] gave and `u` what came from above.
///
/// # Errors
/// If `y` is not made of rows of `n`, or `u` is not as long.
pub fn log_softmax_backward(level: Level, y: &[f32], u: &[f32], n: usize, out: &mut Vec<f32>) -> Result<()> {
    check_rows("log_softmax_backward", y, n)?;
    check_len("log_softmax_backward", "u", u.len(), &[y.len()])?;
    level.run(Backward { y, u, n, out });
    Ok(())
}

fn check_rows(kernel: &'static str, x: &[f32], n: usize) -> Result<()> {
    if x.len().is_multiple_of(n) {
        return Ok(());
    }
    Err(Error::shape(kernel, format!("{} elements are not rows of {n}", x.len())))
}

struct Forward<'a> {
    x: &'a [f32],
    n: usize,
    out: &'a mut Vec<f32>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    fn portable(self) {
        for row in self.x.chunks_exact(self.n.max(1)) {
            let max = largest(row);
            let sum: f64 = row.iter().map(|x| f64::from((x - max).exp())).sum();
            let log = sum.ln() as f32;
            self.out.extend(row.iter().map(|x| x - max - log));
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let (len, n) = (self.out.len(), self.n);
        self.out.reserve(self.x.len());
        // SAFETY: a row of `x` has n numbers, and behind its end `out` has room for as many as `x` has. `each` writes all n
        // of a row before they are read as a slice.
        unsafe {
            let mut y = self.out.as_mut_ptr().add(len);
            for row in self.x.chunks_exact(n.max(1)) {
                let max = largest(row);
                each(s, Power { max }, [row.as_ptr()], y, n);
                let log = sum(core::slice::from_raw_parts(y, n)).ln() as f32;
                each(s, Difference { max, log }, [row.as_ptr()], y, n);
                y = y.add(n);
            }
            self.out.set_len(len + self.x.len());
        }
    }
}

struct Backward<'a> {
    y: &'a [f32],
    u: &'a [f32],
    n: usize,
    out: &'a mut Vec<f32>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    fn portable(self) {
        let n = self.n.max(1);
        for (y, u) in self.y.chunks_exact(n).zip(self.u.chunks_exact(n)) {
            let slope = Slope { sum: sum(u) as f32 };
            self.out.extend(y.iter().zip(u).map(|(&y, &u)| slope.scalar([y, u])));
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let (len, n) = (self.out.len(), self.n.max(1));
        self.out.reserve(self.y.len());
        // SAFETY: a row of `y` and of `u` has n numbers, and behind its end `out` has room for as many as `y` has; all of
        // them are written.
        unsafe {
            let mut out = self.out.as_mut_ptr().add(len);
            for (y, u) in self.y.chunks_exact(n).zip(self.u.chunks_exact(n)) {
                each(s, Slope { sum: sum(u) as f32 }, [y.as_ptr(), u.as_ptr()], out, n);
                out = out.add(n);
            }
            self.out.set_len(len + self.y.len());
        }
    }
}

/// `e^(x − max)`
#[derive(Clone, Copy)]
struct Power {
    max: f32,
}

impl Function<1> for Power {
    fn scalar(self, [x]: [f32; 1]) -> f32 {
        (x - self.max).exp()
    }

    #[inline(always)]
    fn vector<S: Simd>(self, s: S, [x]: [S::V; 1]) -> S::V {
        exp_vector(s, s.sub(x, s.splat(self.max)))
    }
}

/// `(x − max) − log`: of numbers near zero, which loses less than `x − (max + log)` would.
#[derive(Clone, Copy)]
struct Difference {
    max: f32,
    log: f32,
}

impl Function<1> for Difference {
    fn scalar(self, [x]: [f32; 1]) -> f32 {
        x - self.max - self.log
    }

    #[inline(always)]
    fn vector<S: Simd>(self, s: S, [x]: [S::V; 1]) -> S::V {
        s.sub(s.sub(x, s.splat(self.max)), s.splat(self.log))
    }
}

/// `u − eʸ sum`
#[derive(Clone, Copy)]
struct Slope {
    sum: f32,
}

impl Function<2> for Slope {
    fn scalar(self, [y, u]: [f32; 2]) -> f32 {
        u - y.exp() * self.sum
    }

    #[inline(always)]
    fn vector<S: Simd>(self, s: S, [y, u]: [S::V; 2]) -> S::V {
        s.sub(u, s.mul(exp_vector(s, y), s.splat(self.sum)))
    }
}

/// The largest element that is a number.
#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let larger = |max: f32, v: f32| if v > max { v } else { max };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let whole = row.chunks_exact(LANES);
    let rest = whole.remainder().iter().fold(f32::NEG_INFINITY, |max, &v| larger(max, v));
    for chunk in whole {
        lanes = core::array::from_fn(|i| larger(lanes[i], chunk[i]));
    }
    lanes.into_iter().fold(rest, larger)
}

#[inline(always)]
fn sum(row: &[f32]) -> f64 {
    let mut lanes = [0f64; LANES];
    let whole = row.chunks_exact(LANES);
    let rest: f64 = whole.remainder().iter().map(|&v| f64::from(v)).sum();
    for chunk in whole {
        lanes = core::array::from_fn(|i| lanes[i] + f64::from(chunk[i]));
    }
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}
