//! The hyperbolic tangent on vectors: `x P(x²) / Q(x²)`.
//!
//! P and Q have degree 4 and constant 1, so that the result has small arguments' digits and sign; their other
//! coefficients were fitted for the least relative error up to the number from which the result is 1, 2^−25. A form by
//! way of `e²ˣ` costs half as many instructions again.

use super::polynomial;
use crate::simd::Simd;

const P: [f32; 5] = [1.0, 0.133_839_8, 0.003_499_045_3, 2.066_43e-5, 1.342_822_8e-8];
const Q: [f32; 5] = [1.0, 0.467_173, 0.025_890_26, 0.000_329_121_34, 7.807_292e-7];

/// From here on the result is 1.
const END: f32 = 9.02;

/// `tanh x`, within `6·2⁻²⁴` of the exact value, relatively; at most 1 in size, and odd to the last bit.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let x = clamp(s, x, END);
    let t = s.mul(x, x);
    let y = s.div(s.mul(x, polynomial(s, &P, t)), polynomial(s, &Q, t));
    clamp(s, y, 1.0)
}

/// `x` within `±bound`. The order of the arguments keeps a NaN.
#[inline(always)]
fn clamp<S: Simd>(s: S, x: S::V, bound: f32) -> S::V {
    s.min(s.splat(bound), s.max(s.splat(-bound), x))
}
