//! Sequences in plain loops: the oracle of the vector form.
//!
//! What is saved: for each step, task, row and unit the four sums' values after their functions, as the vector form has
//! them, one behind the other.

use super::{Cell, Sequence, SequenceGrads, Wanted};
use crate::recurrent::sigmoid;

/// Where an element lies.
#[derive(Clone, Copy)]
struct Place {
    t: usize,
    /// Row, counted over the tasks.
    row: usize,
    task: usize,
    i: usize,
}

impl Sequence<'_> {
    fn places(&self, t: usize) -> impl Iterator<Item = Place> + use<> {
        let (units, rows, all) = (self.units, self.rows, self.tasks * self.rows);
        (0..all).flat_map(move |row| (0..units).map(move |i| Place { t, row, task: row / rows, i }))
    }

    /// The position of a unit in `[T, M, B, H]`.
    fn at(&self, p: Place) -> usize {
        (p.t * self.tasks * self.rows + p.row) * self.units + p.i
    }

    /// The position of a weight `[M, ?, G·H]` with so many rows.
    fn weight(&self, p: Place, rows: usize, k: usize, gate: usize) -> usize {
        ((p.task * rows + k) * self.cell.gates() + gate) * self.units + p.i
    }

    fn x(&self, p: Place, k: usize) -> usize {
        (p.t * self.tasks * self.rows + p.row) * self.inputs + k
    }

    /// `x W + b` of one gate.
    fn input_sum(&self, p: Place, gate: usize) -> f32 {
        let sum = (0..self.inputs).map(|k| self.x[self.x(p, k)] * self.input[self.weight(p, self.inputs, k, gate)]);
        sum.sum::<f32>() + self.bias[self.weight(p, 1, 0, gate)]
    }

    /// `h U (+ c)` of one gate.
    fn hidden_sum(&self, p: Place, gate: usize, h: &[f32]) -> f32 {
        let sum = (0..self.units).map(|k| h[p.row * self.units + k] * self.hidden[self.weight(p, self.units, k, gate)]);
        let bias = self.hidden_bias.get(self.weight(p, 1, 0, gate));
        sum.sum::<f32>() + bias.copied().unwrap_or(0.0)
    }
}

pub(super) fn forward(seq: &Sequence<'_>, out: &mut Vec<f32>, mut saved: Option<&mut Vec<f32>>) {
    let (mut h, mut c) = (seq.h.to_vec(), seq.c.to_vec());
    for t in 0..seq.steps {
        let mut next = Vec::with_capacity(h.len());
        for p in seq.places(t) {
            let (a, k) = (|gate| seq.input_sum(p, gate), |gate| seq.hidden_sum(p, gate, &h));
            let at = p.row * seq.units + p.i;
            match seq.cell {
                Cell::Gru => {
                    let (r, z, k) = (sigmoid(a(0) + k(0)), sigmoid(a(1) + k(1)), k(2));
                    let n = (a(2) + r * k).tanh();
                    next.push(n + z * (h[at] - n));
                    saved.iter_mut().for_each(|saved| saved.extend([r, z, n, k]));
                }
                Cell::Lstm => {
                    let sum = |gate| a(gate) + k(gate);
                    let (i, f, g, o) = (sigmoid(sum(0)), sigmoid(sum(1)), sum(2).tanh(), sigmoid(sum(3)));
                    c[at] = f * c[at] + i * g;
                    next.push(o * c[at].tanh());
                    saved.iter_mut().for_each(|saved| saved.extend([i, f, g, o, c[at]]));
                }
            }
        }
        out.extend_from_slice(&next);
        h = next;
    }
    out.extend_from_slice(&c);
}

pub(super) fn backward(
    seq: &Sequence<'_>,
    saved: &[f32],
    out: &[f32],
    u: &[f32],
    wanted: Wanted,
    grads: &mut SequenceGrads,
) {
    let (d, h, n) = (seq.inputs, seq.units, seq.h.len());
    let mut by = SequenceGrads {
        x: vec![0.0; seq.x.len()],
        h: vec![0.0; n],
        c: u[seq.steps * n..].to_vec(),
        input: vec![0.0; seq.input.len()],
        bias: vec![0.0; seq.bias.len()],
        hidden: vec![0.0; seq.hidden.len()],
        hidden_bias: vec![0.0; seq.hidden_bias.len()],
    };
    for t in (0..seq.steps).rev() {
        let before = if t > 0 { &out[(t - 1) * n..][..n] } else { seq.h };
        let mut by_before = vec![0.0; n];
        for p in seq.places(t) {
            let at = p.row * h + p.i;
            let values = |step: usize| &saved[seq.at(Place { t: step, ..p }) * seq.cell.saved()..][..seq.cell.saved()];
            let by_h = by.h[at] + u[seq.at(p)];
            // Of each gate's part from the input, and of its part from the state.
            let (by_a, by_k) = match *values(t) {
                [r, z, n, k] => {
                    let by_n = by_h * (1.0 - z) * (1.0 - n * n);
                    let (by_r, by_z) = (by_n * k * (r * (1.0 - r)), by_h * (before[at] - n) * (z * (1.0 - z)));
                    by_before[at] += by_h * z;
                    (vec![by_r, by_z, by_n], vec![by_r, by_z, by_n * r])
                }
                [i, f, g, o, c] => {
                    let (old, tanh) = (if t > 0 { values(t - 1)[4] } else { seq.c[at] }, c.tanh());
                    let by_c = by.c[at] + by_h * o * (1.0 - tanh * tanh);
                    by.c[at] = by_c * f;
                    let by_i = by_c * g * (i * (1.0 - i));
                    let (by_f, by_g) = (by_c * old * (f * (1.0 - f)), by_c * i * (1.0 - g * g));
                    let by_all = vec![by_i, by_f, by_g, by_h * tanh * (o * (1.0 - o))];
                    (by_all.clone(), by_all)
                }
                _ => unreachable!("a cell saves four numbers or five"),
            };
            for (gate, (by_a, by_k)) in by_a.into_iter().zip(by_k).enumerate() {
                for k in 0..d {
                    let (x, w) = (seq.x(p, k), seq.weight(p, d, k, gate));
                    by.x[x] += by_a * seq.input[w];
                    by.input[w] += by_a * seq.x[x];
                }
                for k in 0..h {
                    let w = seq.weight(p, h, k, gate);
                    by_before[p.row * h + k] += by_k * seq.hidden[w];
                    by.hidden[w] += by_k * before[p.row * h + k];
                }
                by.bias[seq.weight(p, 1, 0, gate)] += by_a;
                by.hidden_bias.get_mut(seq.weight(p, 1, 0, gate)).into_iter().for_each(|bias| *bias += by_k);
            }
        }
        by.h = by_before;
    }
    if wanted.x {
        grads.x.append(&mut by.x);
    }
    if wanted.start {
        grads.h.append(&mut by.h);
        grads.c.append(&mut by.c);
    }
    grads.input.append(&mut by.input);
    grads.bias.append(&mut by.bias);
    grads.hidden.append(&mut by.hidden);
    grads.hidden_bias.append(&mut by.hidden_bias);
}
