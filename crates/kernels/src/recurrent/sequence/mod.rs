//! Recurrent cells over whole sequences, products included.
//!
//! ```text
//! s_t = x_t W + b, h_{t−1} U (+ c)          sums, of which a gate takes one part, the other, or both
//! h_t, c_t = cell(s_t, h_{t−1}, c_{t−1})
//! ```
//! Some dozens of rows go through all steps together: their state, their sums and the packed weights stay in the nearer
//! caches, and sums are never stored. Backward, the derivatives of the sums are kept for as many rows and steps as fill a
//! part of the second-level cache; then they go into the weights' gradients as one product.
//!
//! A state of zeros, as sequences begin with, needs no product, and gives none to the gradients.
//!
//! Rows are computed alone, so no result but the sums over rows depends on which rows run together.

mod backward;
mod cells;
mod forward;
mod panels;
mod portable;
mod scratch;

pub use backward::{SequenceGrads, Wanted};

use cells::{Gates, Gru, Lstm};

use super::{room, written};
use crate::error::check_len;
use crate::level::Kernel;
use crate::simd::Simd;
use crate::{Error, Level, Result};

/// Which cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// As [`gru`](super::gru()): three gates r, z, n, and a bias in each of the products.
    Gru,
    /// As [`lstm`](super::lstm()): four gates i, f, g, o, one bias, and memory cells beside the state.
    Lstm,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Self::Gru => Gru::GATES,
            Self::Lstm => Lstm::GATES,
        }
    }

    fn saved(self) -> usize {
        match self {
            Self::Gru => Gru::SAVED,
            Self::Lstm => Lstm::SAVED,
        }
    }
}

/// T steps of B rows for M tasks; G gates.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// The cell.
    pub cell: Cell,
    /// M. Weights that all tasks share are one task with more rows.
    pub tasks: usize,
    /// T
    pub steps: usize,
    /// B
    pub rows: usize,
    /// D
    pub inputs: usize,
    /// H
    pub units: usize,
    /// Inputs `[T, M, B, D]`.
    pub x: &'a [f32],
    /// First state `[M, B, H]`.
    pub h: &'a [f32],
    /// First memory cells `[M, B, H]`; empty for a GRU.
    pub c: &'a [f32],
    /// Weights of the input `[M, D, G·H]`.
    pub input: &'a [f32],
    /// Bias `[M, G·H]`.
    pub bias: &'a [f32],
    /// Weights of the state `[M, H, G·H]`.
    pub hidden: &'a [f32],
    /// Bias of the state's product `[M, 3H]`; empty for an LSTM.
    pub hidden_bias: &'a [f32],
}

/// What [`sequence_backward`] needs, in a layout of its own.
#[derive(Debug)]
pub struct Saved {
    level: Level,
    values: Vec<f32>,
}

impl Saved {
    /// Room for what is to come.
    #[must_use]
    pub fn new() -> Self {
        Self { level: Level::PORTABLE, values: Vec::new() }
    }
}

impl Default for Saved {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends the states `[T, M, B, H]`, for an LSTM with the last memory cells behind them, `[T + 1, M, B, H]`.
///
/// # Errors
/// If a slice does not have as many elements.
pub fn sequence(level: Level, s: &Sequence<'_>, out: &mut Vec<f32>, saved: Option<&mut Saved>) -> Result<()> {
    s.check()?;
    let saved = saved.map(|saved| {
        saved.level = level;
        saved.values.clear();
        &mut saved.values
    });
    level.run(Forward { s, out, saved });
    Ok(())
}

/// Appends the gradients of a sequence that [`sequence`] saved. `out` is what that gave, and `u` the derivatives from
/// above, both of its shape.
///
/// # Errors
/// If a slice does not have as many elements.
pub fn sequence_backward(
    s: &Sequence<'_>,
    saved: &Saved,
    out: &[f32],
    u: &[f32],
    wanted: Wanted,
    grads: &mut SequenceGrads,
) -> Result<()> {
    s.check()?;
    for (name, slice) in [("out", out), ("u", u)] {
        check_len("sequence_backward", name, slice.len(), &[s.out_steps(), s.tasks, s.rows, s.units])?;
    }
    let padded = saved.level.run(Padded { s });
    check_len("sequence_backward", "saved", saved.values.len(), &[s.tasks, s.steps, s.rows, s.cell.saved(), padded])?;
    saved.level.run(Backward { s, saved: &saved.values, out, u, wanted, grads });
    Ok(())
}

impl Sequence<'_> {
    fn out_steps(&self) -> usize {
        self.steps + usize::from(self.cell == Cell::Lstm)
    }

    fn check(&self) -> Result<()> {
        let Self { tasks, steps, rows, inputs, units, .. } = *self;
        let gates = self.cell.gates();
        // A last step of memory cells, and padding, which makes a size at most 64 times as large.
        for sizes in [
            [steps, 2 * 64, tasks, rows, 5, units],
            [tasks, 64, inputs, 64, 4, units],
            [tasks, 64, units, 64, 4, units],
        ] {
            if sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1))).is_none() {
                return Err(Error::shape("sequence", format!("the sizes {sizes:?} overflow")));
            }
        }
        let [memory, second] = match self.cell {
            Cell::Gru => [0, 1],
            Cell::Lstm => [1, 0],
        };
        check_len("sequence", "x", self.x.len(), &[steps, tasks, rows, inputs])?;
        check_len("sequence", "h", self.h.len(), &[tasks, rows, units])?;
        check_len("sequence", "c", self.c.len(), &[memory, tasks, rows, units])?;
        check_len("sequence", "input", self.input.len(), &[tasks, inputs, gates, units])?;
        check_len("sequence", "bias", self.bias.len(), &[tasks, gates, units])?;
        check_len("sequence", "hidden", self.hidden.len(), &[tasks, units, gates, units])?;
        check_len("sequence", "hidden_bias", self.hidden_bias.len(), &[second, tasks, gates, units])
    }
}

/// Units rounded up to panels, as they are saved.
struct Padded<'a> {
    s: &'a Sequence<'a>,
}

impl Kernel for Padded<'_> {
    type Output = usize;

    fn portable(self) -> usize {
        self.s.units
    }

    #[inline(always)]
    fn simd<S: Simd>(self, _: S) -> usize {
        self.s.units.next_multiple_of(panels::width::<S>())
    }
}

struct Forward<'a, 'o> {
    s: &'a Sequence<'a>,
    out: &'o mut Vec<f32>,
    saved: Option<&'o mut Vec<f32>>,
}

impl Kernel for Forward<'_, '_> {
    type Output = ();

    fn portable(self) {
        portable::forward(self.s, self.out, self.saved);
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        match self.s.cell {
            Cell::Gru => forward::run(simd, Gru, self.s, self.out, self.saved),
            Cell::Lstm => forward::run(simd, Lstm, self.s, self.out, self.saved),
        }
    }
}

struct Backward<'a, 'o> {
    s: &'a Sequence<'a>,
    saved: &'a [f32],
    out: &'a [f32],
    u: &'a [f32],
    wanted: Wanted,
    grads: &'o mut SequenceGrads,
}

impl Kernel for Backward<'_, '_> {
    type Output = ();

    fn portable(self) {
        portable::backward(self.s, self.saved, self.out, self.u, self.wanted, self.grads);
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        let Self { s, saved, out, u, wanted, grads } = self;
        match s.cell {
            Cell::Gru => backward::run(simd, Gru, s, [saved, out, u], wanted, grads),
            Cell::Lstm => backward::run(simd, Lstm, s, [saved, out, u], wanted, grads),
        }
    }
}
