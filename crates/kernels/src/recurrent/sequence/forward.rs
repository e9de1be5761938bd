//! The steps of a sequence, a block of rows at a time.

#![allow(unsafe_code, reason = "reads and writes by pointer; `Sequence::check` has proved every slice's length")]

use super::cells::{Gates, SUMS};
use super::panels::{Matrix, Product, Terms, block_rows, pack, width};
use super::scratch::Scratch;
use super::{Sequence, room, written};
use crate::simd::{Simd, Twice};

#[inline(always)]
pub(super) fn run<S: Simd, G: Gates>(
    s: S,
    cell: G,
    seq: &Sequence<'_>,
    out: &mut Vec<f32>,
    saved: Option<&mut Vec<f32>>,
) {
    let (w, block) = (width::<S>(), block_rows::<S>());
    let (d, h) = (seq.inputs, seq.units);
    let padded = h.next_multiple_of(w);
    let per_gate = padded / w;
    let state = per_gate * block * w;
    let (scratch, [hidden, input, bias, first, second, x, c, sums]) = Scratch::parts([
        G::GATES * padded * h,
        G::GATES * padded * d,
        SUMS * padded,
        state,
        state,
        d.next_multiple_of(w) * block,
        state,
        SUMS * block * w,
    ]);
    let size = seq.out_steps() * seq.tasks * seq.rows * h;
    let saved_size = seq.steps * seq.tasks * seq.rows * G::SAVED * padded;
    let to = room(out, size);
    // SAFETY: `check` has proved the slices' lengths; the parts of scratch have the sizes that `Pass` works with; every
    // element of `out` and `saved` is written before it is counted.
    unsafe {
        let mut saved = saved;
        let save_to = saved.as_mut().map_or(core::ptr::null_mut(), |saved| room(saved, saved_size));
        let pass = Pass {
            seq,
            padded,
            per_gate,
            hidden,
            input,
            bias,
            x,
            c,
            sums,
            states: [first, second],
            save: saved.is_some(),
        };
        for task in 0..seq.tasks {
            pass.pack(s, cell, task);
            let finite = is_finite(&seq.hidden[task * G::GATES * h * h..][..G::GATES * h * h]);
            for row in (0..seq.rows).step_by(block) {
                let rows = block.min(seq.rows - row);
                let at = task * seq.rows + row;
                let save_to = save_to.wrapping_add(at * seq.steps * G::SAVED * padded);
                pass.block(s, cell, [at, rows], finite, [to, save_to]);
            }
        }
        written(out, size);
        if let Some(saved) = saved {
            written(saved, saved_size);
        }
    }
    drop(scratch);
}

/// Whether a product with zeros is zero.
#[inline(always)]
pub(super) fn is_finite(x: &[f32]) -> bool {
    // Comparing integers can be vectorised, as stopping at the first one cannot.
    x.iter().fold(0, |most: u32, x| most.max(x.to_bits() & 0x7fff_ffff)) < 0x7f80_0000
}

/// Whether a block begins with a state of zeros that needs no product.
#[inline(always)]
pub(super) fn begins_with_zeros(seq: &Sequence<'_>, [at, rows]: [usize; 2], finite: bool) -> bool {
    finite && seq.h[at * seq.units..][..rows * seq.units].iter().all(|&h| h == 0.0)
}

/// Some numbers of a row: all of a panel's, or those that are left.
///
/// # Safety
/// `p` must be valid for reads of `n` numbers, at most the vector's.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(s: S, p: *const f32, n: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe { if n >= S::LANES { s.load(p) } else { s.load_first(p, n) } }
}

/// As [`load`].
///
/// # Safety
/// `p` must be valid for writes of `n` numbers, at most the vector's.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(s: S, p: *mut f32, n: usize, v: S::V) {
    // SAFETY: the caller's.
    unsafe { if n >= S::LANES { s.store(p, v) } else { s.store_first(p, n, v) } }
}

/// Copies rows of `n` numbers into panels of `rows` rows that lie `to_panel` apart.
///
/// # Safety
/// `from` must be valid for reads of the rows, and `to` for writes of the panels.
#[inline(always)]
pub(super) unsafe fn into_panels<S: Simd>(
    s: S,
    from: *const f32,
    [rows, n]: [usize; 2],
    to: *mut f32,
    to_panel: usize,
) {
    let (w, s) = (width::<S>(), Twice(s));
    for row in 0..rows {
        for i in (0..n).step_by(w) {
            // SAFETY: the caller's.
            unsafe { s.store(to.add(i / w * to_panel + row * w), load(s, from.add(row * n + i), n - i)) };
        }
    }
}

#[derive(Clone, Copy)]
struct Pass<'a> {
    seq: &'a Sequence<'a>,
    padded: usize,
    /// Panels of a gate.
    per_gate: usize,
    hidden: *mut f32,
    input: *mut f32,
    bias: *mut f32,
    x: *mut f32,
    c: *mut f32,
    sums: *mut f32,
    /// The states before and after a step.
    states: [*mut f32; 2],
    save: bool,
}

impl Pass<'_> {
    /// A task's weights in panels, gate by gate, and the bias of each sum.
    #[inline(always)]
    unsafe fn pack<S: Simd, G: Gates>(self, s: S, _: G, task: usize) {
        let (d, h) = (self.seq.inputs, self.seq.units);
        let row = G::GATES * h;
        // SAFETY: a task's weights have `row` columns, `h` for each gate, and the parts of scratch as many panels.
        unsafe {
            if self.padded > h {
                self.hidden.write_bytes(0, row / h * self.padded * h);
                self.input.write_bytes(0, row / h * self.padded * d);
            }
            for gate in 0..G::GATES {
                for (from, depth, to) in [(self.seq.hidden, h, self.hidden), (self.seq.input, d, self.input)] {
                    let data = from.as_ptr().add(task * depth * row + gate * h);
                    let from = Matrix { data, row, col: 1, rows: depth, cols: h };
                    pack(s, from, to.add(gate * self.padded * depth), depth * width::<S>());
                }
            }
            self.bias.write_bytes(0, SUMS * self.padded);
            for sum in 0..SUMS {
                let to = self.bias.add(sum * self.padded);
                if (G::FROM_INPUT..G::FROM_INPUT + G::GATES).contains(&sum) {
                    let from = &self.seq.bias[task * row + G::input_gate(sum) * h..];
                    (0..h).for_each(|i| *to.add(i) += from[i]);
                }
                if !G::MEMORY && (G::FROM_HIDDEN..G::FROM_HIDDEN + G::GATES).contains(&sum) {
                    let from = &self.seq.hidden_bias[task * row + (sum - G::FROM_HIDDEN) * h..];
                    (0..h).for_each(|i| *to.add(i) += from[i]);
                }
            }
        }
    }

    /// All steps of the rows from `at` on, counted over the tasks.
    #[inline(always)]
    unsafe fn block<S: Simd, G: Gates>(
        self,
        s: S,
        cell: G,
        [at, rows]: [usize; 2],
        finite: bool,
        [out, saved]: [*mut f32; 2],
    ) {
        let (seq, [mut old, mut new]) = (self.seq, self.states);
        let (w, block, d, h) = (width::<S>(), block_rows::<S>(), seq.inputs, seq.units);
        let all = seq.tasks * seq.rows;
        // SAFETY: the block's rows lie within the slices, its panels within scratch.
        unsafe {
            into_panels(s, seq.h.as_ptr().add(at * h), [rows, h], old, block * w);
            if G::MEMORY {
                into_panels(s, seq.c.as_ptr().add(at * h), [rows, h], self.c, block * w);
            }
            let zeros = begins_with_zeros(seq, [at, rows], finite);
            for t in 0..seq.steps {
                into_panels(s, seq.x.as_ptr().add((t * all + at) * d), [rows, d], self.x, block * w);
                let out = out.add((t * all + at) * h);
                let saved = saved.wrapping_add(t * rows * G::SAVED * self.padded);
                for panel in 0..self.per_gate {
                    self.sums(s, cell, panel, rows, (!(zeros && t == 0)).then_some(old));
                    if self.save {
                        self.gates::<S, G, true>(s, cell, panel, rows, [old, new, out, saved]);
                    } else {
                        self.gates::<S, G, false>(s, cell, panel, rows, [old, new, out, saved]);
                    }
                }
                (old, new) = (new, old);
            }
            if G::MEMORY {
                let out = out.add((seq.steps * all + at) * h);
                for panel in 0..self.per_gate {
                    let n = w.min(h - panel * w);
                    for row in 0..rows {
                        let from = self.c.add((panel * block + row) * w);
                        core::ptr::copy_nonoverlapping(from, out.add(row * h + panel * w), n);
                    }
                }
            }
        }
    }

    /// The sums of a panel of units.
    #[inline(always)]
    unsafe fn sums<S: Simd, G: Gates>(self, s: S, _: G, panel: usize, rows: usize, state: Option<*mut f32>) {
        let (w, block, d, h) = (width::<S>(), block_rows::<S>(), self.seq.inputs, self.seq.units);
        // SAFETY: the panels lie within scratch.
        unsafe {
            for sum in 0..SUMS {
                let mut terms = [Terms::none(); 2];
                if let Some(a) = state
                    && (G::FROM_HIDDEN..G::FROM_HIDDEN + G::GATES).contains(&sum)
                {
                    let b = self.hidden.add((sum - G::FROM_HIDDEN) * self.padded * h + panel * h * w);
                    terms[0] = Terms { depth: h, a, a_panel: block * w, b };
                }
                if (G::FROM_INPUT..G::FROM_INPUT + G::GATES).contains(&sum) {
                    let b = self.input.add(G::input_gate(sum) * self.padded * d + panel * d * w);
                    terms[1] = Terms { depth: d, a: self.x, a_panel: block * w, b };
                }
                Product { terms, out: self.sums.add(sum * block * w), add: false }.run(s, rows);
            }
        }
    }

    /// The cell from the sums of a panel of units.
    #[inline(always)]
    unsafe fn gates<S: Simd, G: Gates, const SAVE: bool>(
        self,
        s: S,
        cell: G,
        panel: usize,
        rows: usize,
        [old, new, out, saved]: [*mut f32; 4],
    ) {
        let (w, block, h, s) = (width::<S>(), block_rows::<S>(), self.seq.units, Twice(s));
        let n = w.min(h - panel * w);
        // SAFETY: the panels lie within scratch, and `n` numbers within a row of `out`.
        unsafe {
            let mut bias = [s.splat(0.0); SUMS];
            for (sum, bias) in bias.iter_mut().enumerate() {
                *bias = s.load(self.bias.add(sum * self.padded + panel * w));
            }
            for row in 0..rows {
                let mut sums = bias;
                for (sum, v) in sums.iter_mut().enumerate() {
                    *v = s.add(s.load(self.sums.add((sum * block + row) * w)), *v);
                }
                let at = (panel * block + row) * w;
                let c = if G::MEMORY { self.c.add(at) } else { old.add(at) };
                let next = cell.forward(s, sums, s.load(c));
                s.store(new.add(at), next.h);
                if G::MEMORY {
                    s.store(c, next.c);
                }
                store(s, out.add(row * h + panel * w), n, next.h);
                if SAVE {
                    let saved = saved.add((panel * rows + row) * G::SAVED * w);
                    for (i, &v) in next.saved[..G::SAVED].iter().enumerate() {
                        s.store(saved.add(i * w), v);
                    }
                }
            }
        }
    }
}
