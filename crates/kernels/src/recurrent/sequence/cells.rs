//! What differs between cells: their gates.
//!
//! A step sums up to four products a unit, from the input, from the state or from both, and the rest is elementwise.

use crate::math::{gate_ratio, tanh_ratio};
use crate::recurrent::{lstm_gates, rest};
use crate::simd::Simd;

/// Sums a unit.
pub(super) const SUMS: usize = 4;

/// Most numbers a unit that the backward pass needs.
pub(super) const MOST_SAVED: usize = 5;

/// After a step.
pub(super) struct Next<V> {
    pub(super) h: V,
    /// What is carried on beside `h`.
    pub(super) c: V,
    /// The first [`SAVED`](Gates::SAVED) of them count.
    pub(super) saved: [V; MOST_SAVED],
}

/// Derivatives of a step.
pub(super) struct Back<V> {
    pub(super) sums: [V; SUMS],
    /// Of the state before, without what comes by way of the products.
    pub(super) h: V,
    pub(super) c: V,
}

/// A cell, after its products.
pub(super) trait Gates: Copy {
    /// Columns of the weights for each unit.
    const GATES: usize;
    /// Numbers a unit that the backward pass needs.
    const SAVED: usize;
    /// The sums `start .. start + GATES` that the input goes into.
    const FROM_INPUT: usize;
    /// The sums `start .. start + GATES` that the state goes into.
    const FROM_HIDDEN: usize;
    /// Whether memory cells `c` are carried beside `h`; they are saved last.
    const MEMORY: bool;

    /// The gate of the input's weights that goes into a sum.
    fn input_gate(sum: usize) -> usize;

    /// `old` is `c` where there are memory cells, else `h`.
    fn forward<S: Simd>(self, s: S, sums: [S::V; SUMS], old: S::V) -> Next<S::V>;

    /// From the derivatives by `h` and `c` after the step.
    fn derivatives<S: Simd>(self, s: S, saved: [S::V; MOST_SAVED], old: S::V, by_h: S::V, by_c: S::V) -> Back<S::V>;
}

/// The gated recurrent unit. Sums: the input's part of n, then r, z, and the state's part of n.
#[derive(Clone, Copy)]
pub(super) struct Gru;

impl Gates for Gru {
    const GATES: usize = 3;
    const SAVED: usize = 4;
    const FROM_INPUT: usize = 0;
    const FROM_HIDDEN: usize = 1;
    const MEMORY: bool = false;

    fn input_gate(sum: usize) -> usize {
        (sum + 2) % 3
    }

    #[inline(always)]
    fn forward<S: Simd>(self, s: S, [a, r, z, k]: [S::V; SUMS], h: S::V) -> Next<S::V> {
        let (one, half) = (s.splat(1.0), s.splat(0.5));
        let (r, z) = (gate_ratio(s, r), gate_ratio(s, z));
        let inverse = s.div(one, s.mul(r.under, z.under));
        let (r, z) = (s.mul(r.over, z.under), s.mul(z.over, r.under));
        let (r, z) = (s.fma(r, inverse, half), s.fma(z, inverse, half));
        let n = tanh_ratio(s, s.fma(r, k, a));
        let n = s.div(n.over, n.under);
        let h = s.fma(z, s.sub(h, n), n);
        Next { h, c: h, saved: [r, z, n, k, k] }
    }

    #[inline(always)]
    fn derivatives<S: Simd>(self, s: S, [r, z, n, k, _]: [S::V; MOST_SAVED], h: S::V, u: S::V, _: S::V) -> Back<S::V> {
        let by_n = s.mul(s.mul(u, rest(s, z)), rest(s, s.mul(n, n)));
        let by_r = s.mul(s.mul(by_n, k), s.mul(r, rest(s, r)));
        let by_z = s.mul(s.mul(u, s.sub(h, n)), s.mul(z, rest(s, z)));
        Back { sums: [by_n, by_r, by_z, s.mul(by_n, r)], h: s.mul(u, z), c: u }
    }
}

/// Long short-term memory. Sums: i, f, g, o.
#[derive(Clone, Copy)]
pub(super) struct Lstm;

impl Gates for Lstm {
    const GATES: usize = 4;
    const SAVED: usize = 5;
    const FROM_INPUT: usize = 0;
    const FROM_HIDDEN: usize = 0;
    const MEMORY: bool = true;

    fn input_gate(sum: usize) -> usize {
        sum
    }

    #[inline(always)]
    fn forward<S: Simd>(self, s: S, sums: [S::V; SUMS], c: S::V) -> Next<S::V> {
        let [i, f, g, o] = lstm_gates(s, sums);
        let c = s.fma(f, c, s.mul(i, g));
        let t = tanh_ratio(s, c);
        Next { h: s.div(s.mul(o, t.over), t.under), c, saved: [i, f, g, o, c] }
    }

    #[inline(always)]
    fn derivatives<S: Simd>(self, s: S, saved: [S::V; MOST_SAVED], c: S::V, by_h: S::V, by_c: S::V) -> Back<S::V> {
        let [i, f, g, o, next_c] = saved;
        let t = tanh_ratio(s, next_c);
        let t = s.div(t.over, t.under);
        let by_next = s.fma(s.mul(by_h, o), rest(s, s.mul(t, t)), by_c);
        let by_i = s.mul(s.mul(by_next, g), s.mul(i, rest(s, i)));
        let by_f = s.mul(s.mul(by_next, c), s.mul(f, rest(s, f)));
        let by_g = s.mul(s.mul(by_next, i), rest(s, s.mul(g, g)));
        let by_o = s.mul(s.mul(by_h, t), s.mul(o, rest(s, o)));
        Back { sums: [by_i, by_f, by_g, by_o], h: s.splat(0.0), c: s.mul(by_next, f) }
    }
}
