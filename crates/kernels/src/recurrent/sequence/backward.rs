//! The steps of a sequence back again, a block of rows at a time.

#![allow(unsafe_code, reason = "reads and writes by pointer; the slices' lengths have been proved before")]

use super::cells::{Gates, MOST_SAVED, SUMS};
use super::forward::{begins_with_zeros, into_panels, is_finite, load};
use super::panels::{Matrix, Product, SLACK, Terms, block_rows, outer, pack, unpack, width};
use super::scratch::Scratch;
use super::{Sequence, room, written};
use crate::simd::{Simd, Twice};

/// Rows, times steps, whose derivatives are kept before they go into the weights' gradients: their product is long
/// enough then to pay for reading the gradients, and they stay in the second-level cache.
const KEPT_ROWS: usize = 140;

/// Which gradients are wanted beside those of weights and biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of the inputs.
    pub x: bool,
    /// Of the first state, and of the first memory cells.
    pub start: bool,
}

/// Where the gradients go, each of the shape of what it belongs to.
#[derive(Debug, Default)]
pub struct SequenceGrads {
    /// Of the inputs; empty where it is not wanted.
    pub x: Vec<f32>,
    /// Of the first state; empty where it is not wanted.
    pub h: Vec<f32>,
    /// Of the first memory cells; empty where it is not wanted, and for a GRU.
    pub c: Vec<f32>,
    /// Of the input's weights.
    pub input: Vec<f32>,
    /// Of the bias.
    pub bias: Vec<f32>,
    /// Of the state's weights.
    pub hidden: Vec<f32>,
    /// Of the state's bias; empty for an LSTM.
    pub hidden_bias: Vec<f32>,
}

#[inline(always)]
pub(super) fn run<S: Simd, G: Gates>(
    s: S,
    cell: G,
    seq: &Sequence<'_>,
    [saved, out, u]: [&[f32]; 3],
    wanted: Wanted,
    grads: &mut SequenceGrads,
) {
    let (w, block) = (width::<S>(), block_rows::<S>());
    let (d, h) = (seq.inputs, seq.units);
    let (padded, padded_d) = (h.next_multiple_of(w), d.next_multiple_of(w));
    let per_gate = padded / w;
    let most = block.min(seq.rows).max(1);
    let slots = (KEPT_ROWS / most).clamp(1, seq.steps.max(1));
    let kept = slots * most + SLACK;
    let weights = G::GATES * padded;
    let (scratch, [hidden, input, sums, hs, xs, by_h, by_c, by_x, by_hidden, by_input, by_bias]) = Scratch::parts([
        weights * padded,
        if wanted.x { weights * padded_d } else { 0 },
        SUMS * padded * kept,
        padded * kept,
        padded_d * kept,
        padded * block,
        padded * block,
        block * w,
        weights * padded,
        weights * padded_d,
        SUMS * padded,
    ]);
    let all = seq.tasks * seq.rows;
    let (x_size, start_size) = (seq.steps * all * d, all * h);
    let pass = Pass {
        seq,
        padded,
        padded_d,
        per_gate,
        kept: kept * w,
        slots,
        hidden,
        input,
        sums,
        hs,
        xs,
        by_h,
        by_c,
        by_x,
        by_hidden,
        by_input,
        by_bias,
        saved: saved.as_ptr(),
        out: out.as_ptr(),
        u: u.as_ptr(),
        to_x: if wanted.x { Some(room(&mut grads.x, x_size)) } else { None },
        to_h: if wanted.start { Some(room(&mut grads.h, start_size)) } else { None },
        to_c: if wanted.start && G::MEMORY { Some(room(&mut grads.c, start_size)) } else { None },
    };
    // SAFETY: the slices' lengths have been proved; the parts of scratch have the sizes that `Pass` works with; every
    // element of the gradients is written before it is counted.
    unsafe {
        for task in 0..seq.tasks {
            pass.pack(s, cell, task);
            by_hidden.write_bytes(0, weights * padded);
            by_input.write_bytes(0, weights * padded_d);
            by_bias.write_bytes(0, SUMS * padded);
            let finite = is_finite(&seq.hidden[task * G::GATES * h * h..][..G::GATES * h * h]);
            for row in (0..seq.rows).step_by(block) {
                pass.block(s, cell, [task * seq.rows + row, block.min(seq.rows - row)], finite);
            }
            pass.unpack(s, cell, grads);
        }
        if wanted.x {
            written(&mut grads.x, x_size);
        }
        if wanted.start {
            written(&mut grads.h, start_size);
        }
        if wanted.start && G::MEMORY {
            written(&mut grads.c, start_size);
        }
    }
    drop(scratch);
}

#[derive(Clone, Copy)]
struct Pass<'a> {
    seq: &'a Sequence<'a>,
    padded: usize,
    padded_d: usize,
    /// Panels of a gate.
    per_gate: usize,
    /// From a panel of what is kept to the next.
    kept: usize,
    /// Steps that are kept.
    slots: usize,
    /// Transposed weights: columns are units of the state before (inputs), rows the units of the gates.
    hidden: *mut f32,
    input: *mut f32,
    /// What is kept: the derivatives by the sums, the states before them and the inputs.
    sums: *mut f32,
    hs: *mut f32,
    xs: *mut f32,
    by_h: *mut f32,
    by_c: *mut f32,
    by_x: *mut f32,
    by_hidden: *mut f32,
    by_input: *mut f32,
    by_bias: *mut f32,
    saved: *const f32,
    out: *const f32,
    u: *const f32,
    to_x: Option<*mut f32>,
    to_h: Option<*mut f32>,
    to_c: Option<*mut f32>,
}

impl Pass<'_> {
    /// The gate of the weights at place `i` of the sums they go into.
    #[inline(always)]
    fn input_gates<G: Gates>() -> impl Iterator<Item = (usize, usize)> {
        (0..G::GATES).map(|i| (i, G::input_gate(G::FROM_INPUT + i)))
    }

    /// A task's weights, transposed.
    #[inline(always)]
    unsafe fn pack<S: Simd, G: Gates>(self, s: S, _: G, task: usize) {
        let (w, d, h) = (width::<S>(), self.seq.inputs, self.seq.units);
        let col = G::GATES * h;
        // SAFETY: a task's weights have `col` columns, `h` for each gate, and the parts of scratch as many panels.
        unsafe {
            if self.padded > h {
                self.hidden.write_bytes(0, G::GATES * self.padded * self.padded);
            }
            for gate in 0..G::GATES {
                let data = self.seq.hidden.as_ptr().add(task * h * col + gate * h);
                let from = Matrix { data, row: 1, col, rows: h, cols: h };
                pack(s, from, self.hidden.add(gate * self.padded * w), G::GATES * self.padded * w);
            }
            if self.to_x.is_some() {
                self.input.write_bytes(0, G::GATES * self.padded * self.padded_d);
                for (i, gate) in Self::input_gates::<G>() {
                    let data = self.seq.input.as_ptr().add(task * d * col + gate * h);
                    let from = Matrix { data, row: 1, col, rows: h, cols: d };
                    pack(s, from, self.input.add(i * self.padded * w), G::GATES * self.padded * w);
                }
            }
        }
    }

    /// All steps of the rows from `at` on, counted over the tasks.
    #[inline(always)]
    unsafe fn block<S: Simd, G: Gates>(self, s: S, cell: G, [at, rows]: [usize; 2], finite: bool) {
        let seq = self.seq;
        let (w, block, d, h) = (width::<S>(), block_rows::<S>(), seq.inputs, seq.units);
        let all = seq.tasks * seq.rows;
        let zeros = begins_with_zeros(seq, [at, rows], finite);
        // SAFETY: the block's rows lie within the slices, its panels within scratch.
        unsafe {
            self.by_h.write_bytes(0, self.padded * block);
            if G::MEMORY {
                into_panels(s, self.u.add((seq.steps * all + at) * h), [rows, h], self.by_c, block * w);
            }
            let saved = self.saved.add(at * seq.steps * G::SAVED * self.padded);
            let mut slot = 0;
            for t in (0..seq.steps).rev() {
                let first = slot * rows * w;
                for panel in 0..self.per_gate {
                    self.gates(s, cell, panel, [at, rows, t], saved, first);
                }
                let x = seq.x.as_ptr().add((t * all + at) * d);
                into_panels(s, x, [rows, d], self.xs.add(first), self.kept);
                if t > 0 || self.to_h.is_some() {
                    let a = self.sums.add(G::FROM_HIDDEN * self.per_gate * self.kept + first);
                    self.by_state(s, cell, a, rows);
                }
                if let Some(to) = self.to_x {
                    let a = self.sums.add(G::FROM_INPUT * self.per_gate * self.kept + first);
                    let panel_rows = G::GATES * self.padded * w;
                    for panel in 0..self.padded_d / w {
                        let b = self.input.add(panel * panel_rows);
                        let out = self.by_x;
                        let depth = G::GATES * self.padded;
                        Product { terms: [Terms { depth, a, a_panel: self.kept, b }, Terms::none()], out, add: false }
                            .run(s, rows);
                        let to = to.add((t * all + at) * d + panel * w);
                        unpack(s, out, 0, [rows, w.min(d - panel * w)], to, d);
                    }
                }
                slot += 1;
                if slot == self.slots || t == 0 {
                    // Zeros before the first step give nothing to the weights.
                    let states = slot - usize::from(t == 0 && zeros);
                    self.flush(s, cell, slot * rows, states * rows);
                    slot = 0;
                }
            }
            if let Some(to) = self.to_h {
                unpack(s, self.by_h, block * w, [rows, h], to.add(at * h), h);
            }
            if let Some(to) = self.to_c {
                unpack(s, self.by_c, block * w, [rows, h], to.add(at * h), h);
            }
        }
    }

    /// The derivatives by a panel of units at step `t`; they are kept from `first` on.
    #[inline(always)]
    unsafe fn gates<S: Simd, G: Gates>(
        self,
        s: S,
        cell: G,
        panel: usize,
        [at, rows, t]: [usize; 3],
        saved: *const f32,
        first: usize,
    ) {
        let (w, block, h, s) = (width::<S>(), block_rows::<S>(), self.seq.units, Twice(s));
        let (all, i) = (self.seq.tasks * self.seq.rows, panel * w);
        let n = w.min(h - i);
        // SAFETY: the panels lie within scratch and what was saved, and `n` numbers within a row of the slices.
        unsafe {
            let step = rows * G::SAVED * self.padded;
            let before =
                if t > 0 { self.out.add(((t - 1) * all + at) * h) } else { self.seq.h.as_ptr().add(at * h) }.add(i);
            let u = self.u.add((t * all + at) * h + i);
            for row in 0..rows {
                let from = saved.add(t * step + (panel * rows + row) * G::SAVED * w);
                let mut values = [s.splat(0.0); MOST_SAVED];
                for (i, v) in values[..G::SAVED].iter_mut().enumerate() {
                    *v = s.load(from.add(i * w));
                }
                let h_before = load(s, before.add(row * h), n);
                let old = match (G::MEMORY, t) {
                    (false, _) => h_before,
                    (true, 0) => load(s, self.seq.c.as_ptr().add((at + row) * h + i), n),
                    (true, _) => s.load(from.sub(step).add((G::SAVED - 1) * w)),
                };
                let state = (panel * block + row) * w;
                let by_h = s.add(s.load(self.by_h.add(state)), load(s, u.add(row * h), n));
                let by_c = if G::MEMORY { s.load(self.by_c.add(state)) } else { by_h };
                let back = cell.derivatives(s, values, old, by_h, by_c);
                let keep = panel * self.kept + first + row * w;
                for (sum, v) in back.sums.into_iter().enumerate() {
                    s.store(self.sums.add(sum * self.per_gate * self.kept + keep), v);
                }
                s.store(self.hs.add(keep), h_before);
                s.store(self.by_h.add(state), back.h);
                if G::MEMORY {
                    s.store(self.by_c.add(state), back.c);
                }
            }
        }
    }

    /// What comes to the state before by way of the products.
    #[inline(always)]
    unsafe fn by_state<S: Simd, G: Gates>(self, s: S, _: G, a: *const f32, rows: usize) {
        let (w, block) = (width::<S>(), block_rows::<S>());
        let depth = G::GATES * self.padded;
        for panel in 0..self.per_gate {
            // SAFETY: the panels lie within scratch.
            unsafe {
                let (b, out) = (self.hidden.add(panel * depth * w), self.by_h.add(panel * block * w));
                Product { terms: [Terms { depth, a, a_panel: self.kept, b }, Terms::none()], out, add: true }
                    .run(s, rows);
            }
        }
    }

    /// The derivatives of so many rows, and so many of them with a state that is not zero, into the weights' gradients.
    #[inline(always)]
    unsafe fn flush<S: Simd, G: Gates>(self, s: S, _: G, rows: usize, states: usize) {
        let (w, d, h) = (width::<S>(), self.seq.inputs, self.seq.units);
        for sum in 0..SUMS {
            for panel in 0..self.per_gate {
                // SAFETY: the panels lie within scratch.
                unsafe {
                    let b = self.sums.add((sum * self.per_gate + panel) * self.kept);
                    if (G::FROM_HIDDEN..G::FROM_HIDDEN + G::GATES).contains(&sum) {
                        let gate = sum - G::FROM_HIDDEN;
                        let to = self.by_hidden.add((gate * self.per_gate + panel) * self.padded * w);
                        outer(s, states, [self.hs, b], self.kept, h, to);
                    }
                    if (G::FROM_INPUT..G::FROM_INPUT + G::GATES).contains(&sum) {
                        let gate = G::input_gate(sum);
                        let to = self.by_input.add((gate * self.per_gate + panel) * self.padded_d * w);
                        outer(s, rows, [self.xs, b], self.kept, d, to);
                    }
                    let to = self.by_bias.add(sum * self.padded + panel * w);
                    let s = Twice(s);
                    let mut total = s.load(to);
                    for row in 0..rows {
                        total = s.add(total, s.load(b.add(row * w)));
                    }
                    s.store(to, total);
                }
            }
        }
    }

    /// A task's gradients of weights and biases, appended.
    #[inline(always)]
    unsafe fn unpack<S: Simd, G: Gates>(self, s: S, _: G, grads: &mut SequenceGrads) {
        let (w, d, h) = (width::<S>(), self.seq.inputs, self.seq.units);
        let row = G::GATES * h;
        // SAFETY: the panels lie within scratch, and there is room for what is counted.
        unsafe {
            let (hidden, input) = (room(&mut grads.hidden, h * row), room(&mut grads.input, d * row));
            let bias = room(&mut grads.bias, row);
            for gate in 0..G::GATES {
                let from = self.by_hidden.add(gate * self.padded * self.padded);
                unpack(s, from, self.padded * w, [h, h], hidden.add(gate * h), row);
                let from = self.by_input.add(gate * self.padded * self.padded_d);
                unpack(s, from, self.padded_d * w, [d, h], input.add(gate * h), row);
            }
            for (i, gate) in Self::input_gates::<G>() {
                let from = self.by_bias.add((G::FROM_INPUT + i) * self.padded);
                core::ptr::copy_nonoverlapping(from, bias.add(gate * h), h);
            }
            written(&mut grads.hidden, h * row);
            written(&mut grads.input, d * row);
            written(&mut grads.bias, row);
            if !G::MEMORY {
                let bias = room(&mut grads.hidden_bias, row);
                for gate in 0..G::GATES {
                    let from = self.by_bias.add((G::FROM_HIDDEN + gate) * self.padded);
                    core::ptr::copy_nonoverlapping(from, bias.add(gate * h), h);
                }
                written(&mut grads.hidden_bias, row);
            }
        }
    }
}
