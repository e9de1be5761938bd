//! `eˣ` and the logistic function on vectors.
//!
//! `x = n ln 2 + r` with an integer n and `|r| ≤ ½ ln 2`; then `eˣ = 2ⁿ eʳ`, and `eʳ` is a polynomial of degree 6 whose
//! coefficients were fitted for the least relative error, 2^−28. Every step is a fused multiply-add or an exact
//! operation, so all vector levels give the same bits.

use crate::simd::Simd;

/// ln 2 in two parts, so that `x − n ln 2` keeps its digits.
const LN_2: [f32; 2] = [core::f32::consts::LN_2, -1.904_654_2e-9];

/// `eʳ`, the constant first.
const SERIES: [f32; 7] = [1.0, 1.0, 0.499_999_94, 0.166_665_21, 0.041_668_27, 0.008_368_679, 0.001_382_037_2];

/// `(p, n)` with `eˣ = p 2ⁿ` and `p` near 1.
#[inline(always)]
fn split<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let n = s.round(s.mul(x, s.splat(core::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-LN_2[0]), x);
    let r = s.fma(n, s.splat(-LN_2[1]), r);
    (polynomial(s, &SERIES, r), n)
}

/// `eˣ`, within `2·2⁻²⁴` of the exact value or one step of the denormal numbers.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // Beyond these the result is 0 or infinite; the order of the arguments keeps a NaN.
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    let (p, n) = split(s, x);
    s.scale(p, n)
}

/// `1 / (1 + e⁻ˣ)`, within `4·2⁻²⁴` of the exact value. Where that is below `2⁻¹²⁶`, the result may be 0.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    // In these bounds 2ⁿ is one power, infinite at the upper end, where the result is 0.
    let (one, minus) = (s.splat(1.0), s.sub(s.splat(0.0), x));
    let (p, n) = split(s, s.min(s.splat(89.0), s.max(s.splat(-87.0), minus)));
    s.div(one, s.fma(p, s.pow2(n), one))
}

/// `c₀ + c₁ x + c₂ x² + …` by Horner's rule.
#[inline(always)]
fn polynomial<S: Simd>(s: S, coefficients: &[f32], x: S::V) -> S::V {
    let (last, rest) = coefficients.split_last().expect("a polynomial has a coefficient");
    let mut sum = s.splat(*last);
    for &c in rest.iter().rev() {
        sum = s.fma(sum, x, s.splat(c));
    }
    sum
}
