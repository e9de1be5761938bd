//! The hyperbolic tangent on vectors: `x P(x²) / Q(x²)`.
//!
//! P and Q have degree 4 and constant 1, so that the result has small arguments' digits and sign; their other
//! coefficients were fitted for the least relative error up to the number from which the result is 1, 2^−25. A form by
//! way of `e²ˣ` costs half as many instructions again. Kernels of several functions leave the quotient open, and divide
//! once for all of them: a division takes as long as twenty multiplications.

use crate::simd::Simd;

const P: [f32; 5] = [1.0, 0.133_839_8, 0.003_499_045_3, 2.066_43e-5, 1.342_822_8e-8];
const Q: [f32; 5] = [1.0, 0.467_173, 0.025_890_26, 0.000_329_121_34, 7.807_292e-7];

/// From here on the result is 1.
const END: f32 = 9.02;

/// P and Q for `½ tanh(x/2)`: every power of x has another half.
const HALF_P: [f32; 5] = quarters(P, 0.25);
const HALF_Q: [f32; 5] = quarters(Q, 1.0);

const fn quarters(mut c: [f32; 5], first: f32) -> [f32; 5] {
    let (mut i, mut factor) = (0, first);
    while i < c.len() {
        c[i] *= factor;
        factor *= 0.25;
        i += 1;
    }
    c
}

/// A quotient not yet taken. `under` is between 1 and 500.
#[derive(Clone, Copy)]
pub(crate) struct Ratio<V> {
    pub(crate) over: V,
    pub(crate) under: V,
}

/// `tanh x`, within `6·2⁻²⁴` of the exact value, relatively; at most 1 in size, and odd to the last bit.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let y = tanh_ratio(s, x);
    clamp(s, s.div(y.over, y.under), 1.0)
}

/// `tanh x` before the division, after which it may pass ±1 by `5·2⁻²⁴`.
#[inline(always)]
pub(crate) fn tanh_ratio<S: Simd>(s: S, x: S::V) -> Ratio<S::V> {
    ratio(s, &P, &Q, clamp(s, x, END))
}

/// `1 / (1 + e⁻ˣ) − ½ = ½ tanh(x/2)` before the division.
///
/// With the half added it is the logistic function within `4·2⁻²⁴`, absolutely: what a gate needs, and fewer instructions
/// than the relatively accurate form.
#[inline(always)]
pub(crate) fn gate_ratio<S: Simd>(s: S, x: S::V) -> Ratio<S::V> {
    ratio(s, &HALF_P, &HALF_Q, clamp(s, x, 2.0 * END))
}

/// `x P(x²)` and `Q(x²)`, step by step together: neither sum waits for the other.
#[inline(always)]
fn ratio<S: Simd>(s: S, p: &[f32; 5], q: &[f32; 5], x: S::V) -> Ratio<S::V> {
    let t = s.mul(x, x);
    let (mut over, mut under) = (s.splat(p[4]), s.splat(q[4]));
    for (p, q) in p[..4].iter().zip(&q[..4]).rev() {
        over = s.fma(over, t, s.splat(*p));
        under = s.fma(under, t, s.splat(*q));
    }
    Ratio { over: s.mul(x, over), under }
}

/// `x` within `±bound`. The order of the arguments keeps a NaN.
#[inline(always)]
fn clamp<S: Simd>(s: S, x: S::V, bound: f32) -> S::V {
    s.min(s.splat(bound), s.max(s.splat(-bound), x))
}
