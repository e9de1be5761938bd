//! Recurrent cells over whole sequences, for `f32` on the CPU.

use candle_core::Tensor as Value;
use rekindle_kernels::Level;
use rekindle_kernels::recurrent::{Saved, Sequence, SequenceCell, SequenceGrads, Wanted, sequence, sequence_backward};

use super::view::{Direct, direct, slice, tensor};
use crate::Result;
use crate::ops::FusedGrads;

/// What goes into a sequence: `x [T, M, B, D]`, `h [M, B, H]`, `c [M, B, H]` (LSTM), `W [P, D, G·H]`, `b [P, G·H]`,
/// `U [P, H, G·H]`, and the bias of the state's product (GRU), in this order; P is M, or 1 for weights that all tasks share.
#[derive(Debug)]
pub(crate) struct Recurrent {
    cell: SequenceCell,
    inputs: Vec<Value>,
    out: Value,
    saved: Saved,
}

/// Whether there is a kernel for these.
pub(crate) fn has_sequence(inputs: &[&Value]) -> bool {
    matches!(direct(inputs), Direct::F32)
}

/// All states `[T, M, B, H]`, with an LSTM's last memory cells behind them; and what the gradient needs, if it is to be saved.
pub(crate) fn recurrent(cell: SequenceCell, inputs: &[&Value], save: bool) -> Result<(Value, Option<Recurrent>)> {
    let inputs: Vec<Value> = inputs.iter().map(|x| x.contiguous()).collect::<candle_core::Result<_>>()?;
    let (mut out, mut saved) = (Vec::new(), save.then(Saved::new));
    with_sequence(cell, &inputs, |s| Ok(sequence(Level::current(), s, &mut out, saved.as_mut())?))?;
    let &[m, b, h] = inputs[1].dims() else { unreachable!("the shapes have been checked") };
    let out = tensor(out, (inputs[0].dims()[0] + usize::from(cell == SequenceCell::Lstm), m, b, h))?;
    let saved = saved.map(|saved| Recurrent { cell, inputs, out: out.clone(), saved });
    Ok((out, saved))
}

impl Recurrent {
    /// The gradients of all inputs, in their order.
    pub(crate) fn backward(&self, u: &Value, wanted: &[bool]) -> Result<FusedGrads> {
        let u = u.contiguous()?;
        let out = &self.out;
        slice!(upstream: f32 = u);
        slice!(states: f32 = out);
        let mut grads = SequenceGrads::default();
        let memory = usize::from(self.cell == SequenceCell::Lstm);
        let start = wanted[1] || (memory == 1 && wanted[2]);
        with_sequence(self.cell, &self.inputs, |s| {
            let wanted = Wanted { x: wanted[0], start };
            Ok(sequence_backward(s, &self.saved, states, upstream, wanted, &mut grads)?)
        })?;
        let SequenceGrads { x, h, c, input, bias, hidden, hidden_bias } = grads;
        let lists = match self.cell {
            SequenceCell::Gru => vec![x, h, input, bias, hidden, hidden_bias],
            SequenceCell::Lstm => vec![x, h, c, input, bias, hidden],
        };
        let all = lists.into_iter().zip(&self.inputs).zip(wanted);
        all.map(|((list, input), &wanted)| wanted.then(|| tensor(list, input.shape())).transpose()).collect()
    }
}

/// Weights that all tasks share make the tasks rows of one.
fn with_sequence(cell: SequenceCell, inputs: &[Value], f: impl FnOnce(&Sequence<'_>) -> Result<()>) -> Result<()> {
    let lstm = cell == SequenceCell::Lstm;
    let ([x, h, ..], [w, b, u, ..]) = (inputs, &inputs[if lstm { 3 } else { 2 }..]) else {
        unreachable!("a cell has six inputs")
    };
    // Each cell lacks one of these.
    let (c, k) = if lstm { (&inputs[2], b) } else { (h, &inputs[5]) };
    slice!(xs: f32 = x);
    slice!(hs: f32 = h);
    slice!(cs: f32 = c);
    slice!(input: f32 = w);
    slice!(bias: f32 = b);
    slice!(hidden: f32 = u);
    slice!(hidden_bias: f32 = k);
    let (&[steps, m, rows, inputs], units) = (x.dims(), u.dims()[1]) else {
        unreachable!("the shapes have been checked")
    };
    let (tasks, rows) = if w.dims()[0] == 1 { (1, m * rows) } else { (m, rows) };
    f(&Sequence {
        cell,
        tasks,
        steps,
        rows,
        inputs,
        units,
        x: xs,
        h: hs,
        c: if lstm { cs } else { &[] },
        input,
        bias,
        hidden,
        hidden_bias: if lstm { &[] } else { hidden_bias },
    })
}
