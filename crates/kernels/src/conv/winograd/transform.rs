//! The transforms of F(2×2, 3×3), one axis at a time, and their extension to both axes.
//!
//! ```text
//! y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A            d: 4×4 pixels, g: 3×3 taps, y: 2×2 pixels
//! ḡ = Gᵀ [(A ȳ Aᵀ) ⊙ (Bᵀ d B)] G            the adjoint in g, for the weight gradient
//! ```
//! Lavin & Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016. The last row of `Bᵀ` and of `A` have the
//! other sign here, so that `A` needs no negation.

use crate::simd::Simd;

/// A transform of one axis, from `I` numbers to `J`. A trait and not a closure: a closure is not compiled for the
/// instructions of its caller.
pub(super) trait Transform<const I: usize, const J: usize> {
    fn apply<S: Simd>(s: S, numbers: [S::V; I]) -> [S::V; J];
}

/// `Bᵀ d`: four pixels of an image.
pub(super) struct Pixels;

impl Transform<4, 4> for Pixels {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [d0, d1, d2, d3]: [S::V; 4]) -> [S::V; 4] {
        [s.sub(d0, d2), s.add(d1, d2), s.sub(d2, d1), s.sub(d3, d1)]
    }
}

/// `G g`: three taps.
pub(super) struct Taps;

impl Transform<3, 4> for Taps {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; 4] {
        let half = s.splat(0.5);
        let (outer, middle) = (s.mul(s.add(g0, g2), half), s.mul(g1, half));
        [g0, s.add(outer, middle), s.sub(outer, middle), g2]
    }
}

/// `Aᵀ m`: two pixels of the result.
pub(super) struct Results;

impl Transform<4, 2> for Results {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [m0, m1, m2, m3]: [S::V; 4]) -> [S::V; 2] {
        [s.add(m0, s.add(m1, m2)), s.add(s.sub(m1, m2), m3)]
    }
}

/// `A y`, the adjoint of [`Results`].
pub(super) struct ResultsAdjoint;

impl Transform<2, 4> for ResultsAdjoint {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [y0, y1]: [S::V; 2]) -> [S::V; 4] {
        [y0, s.add(y0, y1), s.sub(y0, y1), y1]
    }
}

/// `Gᵀ p`, the adjoint of [`Taps`].
pub(super) struct TapsAdjoint;

impl Transform<4, 3> for TapsAdjoint {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [p0, p1, p2, p3]: [S::V; 4]) -> [S::V; 3] {
        let half = s.splat(0.5);
        let sum = s.mul(s.add(p1, p2), half);
        [s.add(p0, sum), s.mul(s.sub(p1, p2), half), s.add(sum, p3)]
    }
}

/// A transform along the columns and then along the rows of a square.
#[inline(always)]
pub(super) fn both<T: Transform<I, J>, S: Simd, const I: usize, const J: usize>(
    s: S,
    square: [[S::V; I]; I],
) -> [[S::V; J]; J] {
    let zero = s.splat(0.0);
    let mut half = [[zero; I]; J];
    for column in 0..I {
        let mut numbers = [zero; I];
        for (number, row) in numbers.iter_mut().zip(&square) {
            *number = row[column];
        }
        for (row, number) in half.iter_mut().zip(T::apply(s, numbers)) {
            row[column] = number;
        }
    }
    let mut whole = [[zero; J]; J];
    for (whole, half) in whole.iter_mut().zip(half) {
        *whole = T::apply(s, half);
    }
    whole
}
