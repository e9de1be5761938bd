//! Gated recurrent unit (Cho et al. 2014, in PyTorch's form), after its two products.
//!
//! ```text
//! r = σ(a_r + k_r)        reset           a = x W + b  [B, 3H], the gates side by side in the order r, z, n
//! z = σ(a_z + k_z)        update          k = h U + c  [B, 3H]
//! n = tanh(a_n + r k_n)   candidate
//! h' = n + z (h − n)
//! ```
//! so `h' = (1 − z) n + z h`. One division serves both gates. The backward pass reads `r, z, n, k_n` as saved, `[B, 4H]`.

use super::{Cell, Units, each, grown, places, rest, room, sigmoid, written};
use crate::error::check_len;
use crate::level::Kernel;
use crate::math::{gate_ratio, tanh_ratio};
use crate::simd::Simd;
use crate::{Level, Result};

/// Appends the next states `[B, H]`, and what [`gru_backward`] needs, `[B, 4H]`, where it is asked for.
///
/// `from_input` and `from_hidden` are the products `[B, 3H]`, `h` the states `[B, H]`. Gates are within `6·2⁻²⁴` of the
/// exact ones.
///
/// # Errors
/// If a slice does not have as many elements.
pub fn gru(
    level: Level,
    [rows, units]: [usize; 2],
    from_input: &[f32],
    from_hidden: &[f32],
    h: &[f32],
    next: &mut Vec<f32>,
    saved: Option<&mut Vec<f32>>,
) -> Result<()> {
    check_len("gru", "from_input", from_input.len(), &[rows, 3, units])?;
    check_len("gru", "from_hidden", from_hidden.len(), &[rows, 3, units])?;
    check_len("gru", "h", h.len(), &[rows, units])?;
    if !h.is_empty() {
        level.run(Forward { rows, units, from_input, from_hidden, h, next, saved });
    }
    Ok(())
}

/// Where [`gru_backward`] appends.
#[derive(Debug)]
pub struct GruGrad<'a> {
    /// Of the input's product, `[B, 3H]`.
    pub from_input: &'a mut Vec<f32>,
    /// Of the states' product, `[B, 3H]`.
    pub from_hidden: &'a mut Vec<f32>,
    /// Of the states, `[B, H]`, without what comes by way of their product.
    pub h: &'a mut Vec<f32>,
}

/// Appends the derivatives of a step that [`gru`] saved, for `u [B, H]` from above.
///
/// # Errors
/// If a slice does not have as many elements.
pub fn gru_backward(
    level: Level,
    [rows, units]: [usize; 2],
    saved: &[f32],
    h: &[f32],
    u: &[f32],
    grad: GruGrad<'_>,
) -> Result<()> {
    check_len("gru_backward", "saved", saved.len(), &[rows, 4, units])?;
    check_len("gru_backward", "h", h.len(), &[rows, units])?;
    check_len("gru_backward", "u", u.len(), &[rows, units])?;
    if !h.is_empty() {
        level.run(Backward { rows, units, saved, h, u, grad });
    }
    Ok(())
}

struct Forward<'a> {
    rows: usize,
    units: usize,
    from_input: &'a [f32],
    from_hidden: &'a [f32],
    h: &'a [f32],
    next: &'a mut Vec<f32>,
    saved: Option<&'a mut Vec<f32>>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    fn portable(self) {
        let Self { rows, units, next, .. } = self;
        let next = grown(next, rows * units);
        let mut saved = self.saved.map(|saved| grown(saved, 4 * rows * units));
        for (row, i) in places(rows, units) {
            let a = |gate: usize| self.from_input[(3 * row + gate) * units + i];
            let k = |gate: usize| self.from_hidden[(3 * row + gate) * units + i];
            let r = sigmoid(a(0) + k(0));
            let z = sigmoid(a(1) + k(1));
            let n = (a(2) + r * k(2)).tanh();
            next[row * units + i] = n + z * (self.h[row * units + i] - n);
            if let Some(saved) = &mut saved {
                for (j, value) in [r, z, n, k(2)].into_iter().enumerate() {
                    saved[(4 * row + j) * units + i] = value;
                }
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let Self { rows, units, next, .. } = self;
        let pointers = [self.from_input.as_ptr(), self.from_hidden.as_ptr(), self.h.as_ptr()];
        let size = rows * units;
        // SAFETY: the slices have as many rows and units, and so have the vectors behind their ends.
        unsafe {
            let out = room(next, size);
            match self.saved {
                Some(saved) => {
                    let cell = ForwardCell::<true> { units, pointers, next: out, saved: room(saved, 4 * size) };
                    each(s, cell, rows, units);
                    written(saved, 4 * size);
                }
                None => each(s, ForwardCell::<false> { units, pointers, next: out, saved: out }, rows, units),
            }
            written(next, size);
        }
    }
}

#[derive(Clone, Copy)]
struct ForwardCell<const SAVE: bool> {
    units: usize,
    pointers: [*const f32; 3],
    next: *mut f32,
    saved: *mut f32,
}

impl<const SAVE: bool> Cell for ForwardCell<SAVE> {
    #[inline(always)]
    unsafe fn at<S: Simd>(self, row: usize, at: Units<S>) {
        let (s, units) = (at.s, self.units);
        let [a, k, h] = self.pointers;
        // SAFETY: the caller vouches for the row and its units.
        unsafe {
            let (a, k) = (a.add(3 * row * units), k.add(3 * row * units));
            let r = gate_ratio(s, s.add(at.load(a), at.load(k)));
            let z = gate_ratio(s, s.add(at.load(a.add(units)), at.load(k.add(units))));
            let (one, half) = (s.splat(1.0), s.splat(0.5));
            let inverse = s.div(one, s.mul(r.under, z.under));
            let (r, z) = (s.mul(r.over, z.under), s.mul(z.over, r.under));
            let (r, z) = (s.fma(r, inverse, half), s.fma(z, inverse, half));
            let kn = at.load(k.add(2 * units));
            let n = tanh_ratio(s, s.fma(r, kn, at.load(a.add(2 * units))));
            let n = s.div(n.over, n.under);
            let h = at.load(h.add(row * units));
            at.store(self.next.add(row * units), s.fma(z, s.sub(h, n), n));
            if SAVE {
                let saved = self.saved.add(4 * row * units);
                at.store(saved, r);
                at.store(saved.add(units), z);
                at.store(saved.add(2 * units), n);
                at.store(saved.add(3 * units), kn);
            }
        }
    }
}

struct Backward<'a> {
    rows: usize,
    units: usize,
    saved: &'a [f32],
    h: &'a [f32],
    u: &'a [f32],
    grad: GruGrad<'a>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    fn portable(self) {
        let Self { rows, units, grad, .. } = self;
        let by_input = grown(grad.from_input, 3 * rows * units);
        let by_hidden = grown(grad.from_hidden, 3 * rows * units);
        let by_h = grown(grad.h, rows * units);
        for (row, i) in places(rows, units) {
            let [r, z, n, k] = [0, 1, 2, 3].map(|j| self.saved[(4 * row + j) * units + i]);
            let [h, u] = [self.h, self.u].map(|x| x[row * units + i]);
            let by_n = u * (1.0 - z) * (1.0 - n * n);
            let by_r = by_n * k * (r * (1.0 - r));
            let by_z = u * (h - n) * (z * (1.0 - z));
            for (gate, value) in [by_r, by_z, by_n].into_iter().enumerate() {
                by_input[(3 * row + gate) * units + i] = value;
            }
            for (gate, value) in [by_r, by_z, by_n * r].into_iter().enumerate() {
                by_hidden[(3 * row + gate) * units + i] = value;
            }
            by_h[row * units + i] = u * z;
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, s: S) {
        let Self { rows, units, grad, .. } = self;
        let size = rows * units;
        let cell = BackwardCell {
            units,
            pointers: [self.saved.as_ptr(), self.h.as_ptr(), self.u.as_ptr()],
            by_input: room(grad.from_input, 3 * size),
            by_hidden: room(grad.from_hidden, 3 * size),
            by_h: room(grad.h, size),
        };
        // SAFETY: the slices have as many rows and units, and so have the vectors behind their ends.
        unsafe {
            each(s, cell, rows, units);
            written(grad.from_input, 3 * size);
            written(grad.from_hidden, 3 * size);
            written(grad.h, size);
        }
    }
}

#[derive(Clone, Copy)]
struct BackwardCell {
    units: usize,
    pointers: [*const f32; 3],
    by_input: *mut f32,
    by_hidden: *mut f32,
    by_h: *mut f32,
}

impl Cell for BackwardCell {
    #[inline(always)]
    unsafe fn at<S: Simd>(self, row: usize, at: Units<S>) {
        let (s, units) = (at.s, self.units);
        let [saved, h, u] = self.pointers;
        // SAFETY: the caller vouches for the row and its units.
        unsafe {
            let saved = saved.add(4 * row * units);
            let (r, z) = (at.load(saved), at.load(saved.add(units)));
            let (n, k) = (at.load(saved.add(2 * units)), at.load(saved.add(3 * units)));
            let (h, u) = (at.load(h.add(row * units)), at.load(u.add(row * units)));
            let by_n = s.mul(s.mul(u, rest(s, z)), rest(s, s.mul(n, n)));
            let by_r = s.mul(s.mul(by_n, k), s.mul(r, rest(s, r)));
            let by_z = s.mul(s.mul(u, s.sub(h, n)), s.mul(z, rest(s, z)));
            let (by_input, by_hidden) = (self.by_input.add(3 * row * units), self.by_hidden.add(3 * row * units));
            for out in [by_input, by_hidden] {
                at.store(out, by_r);
                at.store(out.add(units), by_z);
            }
            at.store(by_input.add(2 * units), by_n);
            at.store(by_hidden.add(2 * units), s.mul(by_n, r));
            at.store(self.by_h.add(row * units), s.mul(u, z));
        }
    }
}
