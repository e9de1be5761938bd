//! Long short-term memory (Hochreiter & Schmidhuber 1997, with Gers's forget gate), after its two products.
//!
//! ```text
//! i, f, g, o = σ, σ, tanh, σ of a + k      a = x W + b, k = h U  [B, 4H], the gates side by side
//! c' = f c + i g
//! h' = o tanh c'
//! ```
//! One division serves the four gates. The backward pass reads `i, f, g, o` as saved, `[B, 4H]`, and takes the tangent of
//! `c'` again, which costs less than to store it.

use super::{Cell, Units, each, grown, places, rest, room, sigmoid, written};
use crate::error::check_len;
use crate::level::Kernel;
use crate::math::{gate_ratio, tanh_ratio};
use crate::simd::Simd;
use crate::{Level, Result};

/// Where [`lstm`] appends the next state.
#[derive(Debug)]
pub struct LstmState<'a> {
    /// Outputs `[B, H]`.
    pub h: &'a mut Vec<f32>,
    /// Memory cells `[B, H]`.
    pub c: &'a mut Vec<f32>,
}

/// Appends the next state, and what [`lstm_backward`] needs, `[B, 4H]`, where it is asked for.
///
/// `from_input` and `from_hidden` are the products `[B, 4H]`, `c` the memory cells `[B, H]`. Gates are within `8·2⁻²⁴` of
/// the exact ones.
///
/// # Errors
/// If a slice does not have as many elements.
pub fn lstm(
    level: Level,
    [rows, units]: [usize; 2],
    from_input: &[f32],
    from_hidden: &[f32],
    c: &[f32],
    next: LstmState<'_>,
    saved: Option<&mut Vec<f32>>,
) -> Result<()> {
    check_len("lstm", "from_input", from_input.len(), &[rows, 4, units])?;
    check_len("lstm", "from_hidden", from_hidden.len(), &[rows, 4, units])?;
    check_len("lstm", "c", c.len(), &[rows, units])?;
    if !c.is_empty() {
        level.run(Forward { rows, units, from_input, from_hidden, c, next, saved });
    }
    Ok(())
}

/// What [`lstm_backward`] reads, each `[B, H]`.
#[derive(Clone, Copy, Debug)]
pub struct LstmStep<'a> {
    /// Memory cells before the step.
    pub c: &'a [f32],
    /// Memory cells after the step.
    pub next_c: &'a [f32],
    /// From above, of the outputs after the step.
    pub by_h: &'a [f32],
    /// From above, of the memory cells after the step.
    pub by_c: &'a [f32],
}

/// Where [`lstm_backward`] appends.
#[derive(Debug)]
pub struct LstmGrad<'a> {
    /// Of either product, `[B, 4H]`: they only occur as their sum.
    pub gates: &'a mut Vec<f32>,
    /// Of the memory cells before the step, `[B, H]`.
    pub c: &'a mut Vec<f32>,
}

/// Appends the derivatives of a step of which [`lstm`] saved the gates.
///
/// # Errors
/// If a slice does not have as many elements.
pub fn lstm_backward(
    level: Level,
    [rows, units]: [usize; 2],
    saved: &[f32],
    step: LstmStep<'_>,
    grad: LstmGrad<'_>,
) -> Result<()> {
    check_len("lstm_backward", "saved", saved.len(), &[rows, 4, units])?;
    let LstmStep { c, next_c, by_h, by_c } = step;
    for (name, slice) in [("c", c), ("next_c", next_c), ("by_h", by_h), ("by_c", by_c)] {
        check_len("lstm_backward", name, slice.len(), &[rows, units])?;
    }
    if !saved.is_empty() {
        level.run(Backward { rows, units, saved, step, grad });
    }
    Ok(())
}

struct Forward<'a> {
    rows: usize,
    units: usize,
    from_input: &'a [f32],
    from_hidden: &'a [f32],
    c: &'a [f32],
    next: LstmState<'a>,
    saved: Option<&'a mut Vec<f32>>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    fn portable(self) {
        let Self { rows, units, next, .. } = self;
        let (next_h, next_c) = (grown(next.h, rows * units), grown(next.c, rows * units));
        let mut saved = self.saved.map(|saved| grown(saved, 4 * rows * units));
        for (row, unit) in places(rows, units) {
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| {
                let at = (4 * row + gate) * units + unit;
                self.from_input[at] + self.from_hidden[at]
            });
            let [i, f, g, o] = [sigmoid(i), sigmoid(f), g.tanh(), sigmoid(o)];
            let at = row * units + unit;
            next_c[at] = f * self.c[at] + i * g;
            next_h[at] = o * next_c[at].tanh();
            if let Some(saved) = &mut saved {
                for (gate, value) in [i, f, g, o].into_iter().enumerate() {
                    saved[(4 * row + gate) * units + unit] = value;
                }
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let Self { rows, units, next, .. } = self;
        let pointers = [self.from_input.as_ptr(), self.from_hidden.as_ptr(), self.c.as_ptr()];
        let size = rows * units;
        let (next_h, next_c) = (room(next.h, size), room(next.c, size));
        // SAFETY: the slices have as many rows and units, and so have the vectors behind their ends.
        unsafe {
            match self.saved {
                Some(saved) => {
                    let cell = ForwardCell::<true> { units, pointers, next_h, next_c, saved: room(saved, 4 * size) };
                    each(s, cell, rows, units);
                    written(saved, 4 * size);
                }
                None => {
                    let cell = ForwardCell::<false> { units, pointers, next_h, next_c, saved: next_h };
                    each(s, cell, rows, units);
                }
            }
            written(next.h, size);
            written(next.c, size);
        }
    }
}

#[derive(Clone, Copy)]
struct ForwardCell<const SAVE: bool> {
    units: usize,
    /// Of the input, of the outputs before, and the memory cells before.
    pointers: [*const f32; 3],
    next_h: *mut f32,
    next_c: *mut f32,
    saved: *mut f32,
}

impl<const SAVE: bool> Cell for ForwardCell<SAVE> {
    #[inline(always)]
    unsafe fn at<S: Simd>(self, row: usize, at: Units<S>) {
        let (s, units) = (at.s, self.units);
        let [a, k, c] = self.pointers;
        // SAFETY: the caller vouches for the row and its units.
        unsafe {
            let (a, k) = (a.add(4 * row * units), k.add(4 * row * units));
            let mut sums = [s.splat(0.0); 4];
            for (gate, sum) in sums.iter_mut().enumerate() {
                *sum = s.add(at.load(a.add(gate * units)), at.load(k.add(gate * units)));
            }
            let [i, f, g, o] = lstm_gates(s, sums);
            let next = s.fma(f, at.load(c.add(row * units)), s.mul(i, g));
            let t = tanh_ratio(s, next);
            at.store(self.next_c.add(row * units), next);
            at.store(self.next_h.add(row * units), s.div(s.mul(o, t.over), t.under));
            if SAVE {
                for (gate, v) in [i, f, g, o].into_iter().enumerate() {
                    at.store(self.saved.add((4 * row + gate) * units), v);
                }
            }
        }
    }
}

/// The gates from the sums of their products.
#[inline(always)]
pub(super) fn lstm_gates<S: Simd>(s: S, [i, f, g, o]: [S::V; 4]) -> [S::V; 4] {
    let half = s.splat(0.5);
    let (i, f, g, o) = (gate_ratio(s, i), gate_ratio(s, f), tanh_ratio(s, g), gate_ratio(s, o));
    let (first, second) = (s.mul(i.under, f.under), s.mul(g.under, o.under));
    let inverse = s.div(s.splat(1.0), s.mul(first, second));
    // 1 / first and 1 / second.
    let (first, second) = (s.mul(inverse, second), s.mul(inverse, first));
    [
        s.fma(s.mul(i.over, f.under), first, half),
        s.fma(s.mul(f.over, i.under), first, half),
        s.mul(s.mul(g.over, o.under), second),
        s.fma(s.mul(o.over, g.under), second, half),
    ]
}

struct Backward<'a> {
    rows: usize,
    units: usize,
    saved: &'a [f32],
    step: LstmStep<'a>,
    grad: LstmGrad<'a>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    fn portable(self) {
        let Self { rows, units, step, grad, .. } = self;
        let (by_gates, by_c) = (grown(grad.gates, 4 * rows * units), grown(grad.c, rows * units));
        for (row, unit) in places(rows, units) {
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| self.saved[(4 * row + gate) * units + unit]);
            let at = row * units + unit;
            let t = step.next_c[at].tanh();
            let by_next = step.by_c[at] + step.by_h[at] * o * (1.0 - t * t);
            let by_i = by_next * g * (i * (1.0 - i));
            let by_f = by_next * step.c[at] * (f * (1.0 - f));
            let by_g = by_next * i * (1.0 - g * g);
            let by_o = step.by_h[at] * t * (o * (1.0 - o));
            for (gate, value) in [by_i, by_f, by_g, by_o].into_iter().enumerate() {
                by_gates[(4 * row + gate) * units + unit] = value;
            }
            by_c[at] = by_next * f;
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let Self { rows, units, step, grad, .. } = self;
        let size = rows * units;
        let cell = BackwardCell {
            units,
            saved: self.saved.as_ptr(),
            step: [step.c.as_ptr(), step.next_c.as_ptr(), step.by_h.as_ptr(), step.by_c.as_ptr()],
            by_gates: room(grad.gates, 4 * size),
            by_c: room(grad.c, size),
        };
        // SAFETY: the slices have as many rows and units, and so have the vectors behind their ends.
        unsafe {
            each(s, cell, rows, units);
            written(grad.gates, 4 * size);
            written(grad.c, size);
        }
    }
}

#[derive(Clone, Copy)]
struct BackwardCell {
    units: usize,
    saved: *const f32,
    /// The slices of the step, in its order.
    step: [*const f32; 4],
    by_gates: *mut f32,
    by_c: *mut f32,
}

impl Cell for BackwardCell {
    #[inline(always)]
    unsafe fn at<S: Simd>(self, row: usize, at: Units<S>) {
        let (s, units) = (at.s, self.units);
        // SAFETY: the caller vouches for the row and its units.
        unsafe {
            let saved = self.saved.add(4 * row * units);
            let (i, f) = (at.load(saved), at.load(saved.add(units)));
            let (g, o) = (at.load(saved.add(2 * units)), at.load(saved.add(3 * units)));
            let [c, next_c, by_h, by_c] = self.step;
            let (c, next_c) = (at.load(c.add(row * units)), at.load(next_c.add(row * units)));
            let (by_h, by_c) = (at.load(by_h.add(row * units)), at.load(by_c.add(row * units)));
            let t = tanh_ratio(s, next_c);
            let t = s.div(t.over, t.under);
            let by_next = s.fma(s.mul(by_h, o), rest(s, s.mul(t, t)), by_c);
            let by_i = s.mul(s.mul(by_next, g), s.mul(i, rest(s, i)));
            let by_f = s.mul(s.mul(by_next, c), s.mul(f, rest(s, f)));
            let by_g = s.mul(s.mul(by_next, i), rest(s, s.mul(g, g)));
            let by_o = s.mul(s.mul(by_h, t), s.mul(o, rest(s, o)));
            for (gate, v) in [by_i, by_f, by_g, by_o].into_iter().enumerate() {
                at.store(self.by_gates.add((4 * row + gate) * units), v);
            }
            at.store(self.by_c.add(row * units), s.mul(by_next, f));
        }
    }
}
