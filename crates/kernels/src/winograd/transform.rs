//! The transforms of F(2×2, 3×3), one axis at a time, and their extension to both axes.
//!
//! ```text
//! y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A            d: 4×4 pixels, g: 3×3 taps, y: 2×2 pixels
//! ḡ = Gᵀ [(A ȳ Aᵀ) ⊙ (Bᵀ d B)] G            the adjoint in g, for the weight gradient
//! ```
//! Lavin & Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016. The last row of `Bᵀ` and of `A` have the
//! other sign here, so that `A` needs no negation.

use crate::simd::Simd;

/// `Bᵀ d`: four pixels of an image.
#[inline(always)]
pub(super) fn pixels<S: Simd>(s: S, [d0, d1, d2, d3]: [S::V; 4]) -> [S::V; 4] {
    [s.sub(d0, d2), s.add(d1, d2), s.sub(d2, d1), s.sub(d3, d1)]
}

/// `G g`: three taps.
#[inline(always)]
pub(super) fn taps<S: Simd>(s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; 4] {
    let half = s.splat(0.5);
    let (outer, middle) = (s.mul(s.add(g0, g2), half), s.mul(g1, half));
    [g0, s.add(outer, middle), s.sub(outer, middle), g2]
}

/// `Aᵀ m`: two pixels of the result.
#[inline(always)]
pub(super) fn results<S: Simd>(s: S, [m0, m1, m2, m3]: [S::V; 4]) -> [S::V; 2] {
    [s.add(m0, s.add(m1, m2)), s.add(s.sub(m1, m2), m3)]
}

/// `A y`, the adjoint of [`results`].
#[inline(always)]
pub(super) fn results_adjoint<S: Simd>(s: S, [y0, y1]: [S::V; 2]) -> [S::V; 4] {
    [y0, s.add(y0, y1), s.sub(y0, y1), y1]
}

/// `Gᵀ p`, the adjoint of [`taps`].
#[inline(always)]
pub(super) fn taps_adjoint<S: Simd>(s: S, [p0, p1, p2, p3]: [S::V; 4]) -> [S::V; 3] {
    let half = s.splat(0.5);
    let sum = s.mul(s.add(p1, p2), half);
    [s.add(p0, sum), s.mul(s.sub(p1, p2), half), s.add(sum, p3)]
}

/// A transform of one axis, along the columns and then along the rows of a square.
#[inline(always)]
pub(super) fn both<S: Simd, const I: usize, const J: usize>(
    s: S,
    square: [[S::V; I]; I],
    transform: impl Fn(S, [S::V; I]) -> [S::V; J],
) -> [[S::V; J]; J] {
    let zero = s.splat(0.0);
    let mut half = [[zero; I]; J];
    for column in 0..I {
        let mut values = [zero; I];
        for row in 0..I {
            values[row] = square[row][column];
        }
        let values = transform(s, values);
        for row in 0..J {
            half[row][column] = values[row];
        }
    }
    let mut whole = [[zero; J]; J];
    for row in 0..J {
        whole[row] = transform(s, half[row]);
    }
    whole
}
