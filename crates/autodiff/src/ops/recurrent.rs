//! Recurrent cells over whole sequences.

use rekindle_kernels::recurrent::SequenceCell;

use crate::kernel;
use crate::tape::is_recording;
use crate::{Error, Result, Tensor};

/// Weights of a GRU of D inputs and H units, the gates r, z, n side by side. M may be 1.
#[derive(Clone, Copy, Debug)]
pub struct GruWeights<'a> {
    /// `W [M, D, 3H]`
    pub input: &'a Tensor,
    /// `b [M, 3H]`
    pub bias: &'a Tensor,
    /// `U [M, H, 3H]`
    pub hidden: &'a Tensor,
    /// `c [M, 3H]`
    pub hidden_bias: &'a Tensor,
}

/// Weights of an LSTM of D inputs and H units, the gates i, f, g, o side by side. M may be 1.
#[derive(Clone, Copy, Debug)]
pub struct LstmWeights<'a> {
    /// `W [M, D, 4H]`
    pub input: &'a Tensor,
    /// `b [M, 4H]`
    pub bias: &'a Tensor,
    /// `U [M, H, 4H]`
    pub hidden: &'a Tensor,
}

impl Tensor {
    /// All states `[T, M, B, H]` of a gated recurrent unit over a sequence `self [T, M, B, D]` begun at `h [M, B, H]`:
    ///
    /// ```text
    /// r = σ(x W_r + b_r + h U_r + c_r)              reset
    /// z = σ(x W_z + b_z + h U_z + c_z)              update
    /// n = tanh(x W_n + b_n + r ∘ (h U_n + c_n))     candidate
    /// h' = (1 − z) ∘ n + z ∘ h
    /// ```
    /// Any of the inputs may have one task for all. In `f32` on the CPU the whole sequence, and its first derivative, is
    /// one pass with its products inside; a single step is a sequence of one.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn gru(&self, h: &Self, weights: GruWeights<'_>) -> Result<Self> {
        let GruWeights { input, bias, hidden, hidden_bias } = weights;
        sequence(SequenceCell::Gru, &[self, h, input, bias, hidden, hidden_bias], 3)
    }

    /// All outputs `[T, M, B, H]` of an LSTM over a sequence `self [T, M, B, D]` begun at the state `h` and the memory
    /// cells `c`, both `[M, B, H]`, and the memory cells after it:
    ///
    /// ```text
    /// i, f, g, o = σ, σ, tanh, σ of x W + b + h U
    /// c' = f ∘ c + i ∘ g
    /// h' = o ∘ tanh c'
    /// ```
    /// As [`gru`](Self::gru) otherwise.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn lstm(&self, h: &Self, c: &Self, weights: LstmWeights<'_>) -> Result<(Self, Self)> {
        let LstmWeights { input, bias, hidden } = weights;
        let both = sequence(SequenceCell::Lstm, &[self, h, c, input, bias, hidden], 4)?;
        let steps = self.dim(0)?;
        Ok((both.narrow(0, 0, steps)?, both.narrow(0, steps, 1)?.squeeze(0)?))
    }
}

/// `inputs` are the sequence, one state or two, and the weights.
fn sequence(cell: SequenceCell, inputs: &[&Tensor], gates: usize) -> Result<Tensor> {
    let states = if cell == SequenceCell::Lstm { 2 } else { 1 };
    let misfit = || {
        let shapes: Vec<_> = inputs.iter().map(|x| x.shape()).collect();
        Error::shape(
            "recurrent",
            format!(
                "{shapes:?}; expected x [T, M, B, D], states [M, B, H], weights [M, D, {gates}H], [M, {gates}H], [M, H, {gates}H]"
            ),
        )
    };
    let (&[steps, m, b, d], &[_, _, h]) = (inputs[0].dims(), inputs[1].dims()) else { return Err(misfit()) };
    let tasks = inputs[1..].iter().map(|x| x.dims().first().copied().unwrap_or(1)).fold(m, usize::max);
    // Without a task there is nothing to repeat.
    let tasks = if m == 0 { 0 } else { tasks };
    let shared = inputs[1 + states..].iter().all(|x| x.dims().first() == Some(&1));
    let weights = if shared { 1 } else { tasks };
    let mut shapes = vec![vec![steps, tasks, b, d]];
    shapes.extend(vec![vec![tasks, b, h]; states]);
    shapes.extend([vec![weights, d, gates * h], vec![weights, gates * h], vec![weights, h, gates * h]]);
    if cell == SequenceCell::Gru {
        shapes.push(vec![weights, gates * h]);
    }
    // One task may stand for all; nothing else is repeated.
    let fits = |(i, (x, shape)): (usize, (&&Tensor, &Vec<usize>))| {
        let axis = usize::from(i == 0);
        let pairs = x.dims().iter().zip(shape).enumerate();
        x.rank() == shape.len() && pairs.into_iter().all(|(k, (&n, &size))| n == size || (k == axis && n == 1))
    };
    if !inputs.iter().zip(&shapes).enumerate().all(fits) {
        return Err(misfit());
    }
    let inputs: Vec<Tensor> =
        inputs.iter().zip(shapes).map(|(x, shape)| x.broadcast_to(shape)).collect::<Result<_>>()?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let values: Vec<_> = inputs.iter().map(|x| x.value()).collect();
    if !kernel::has_sequence(&values) {
        return composite(cell, &inputs);
    }
    let save = is_recording() && inputs.iter().any(|x| x.is_tracked());
    let (out, saved) = kernel::recurrent(cell, &values, save)?;
    let Some(saved) = saved else { return Ok(Tensor::new(out)) };
    let again = move |inputs: &[Tensor]| composite(cell, &inputs.iter().collect::<Vec<_>>());
    Ok(Tensor::fused(out, &inputs, move |u, wanted| saved.backward(u, wanted), again))
}

/// The same in tape operations, step by step.
fn composite(cell: SequenceCell, inputs: &[&Tensor]) -> Result<Tensor> {
    let (x, h) = (inputs[0], inputs[1]);
    match cell {
        SequenceCell::Gru => {
            let [w, b, u, c] = inputs[2..] else { unreachable!("a GRU has four weights") };
            let mut states = vec![h.clone()];
            for from_input in parts(&from_input(x, w, b)?)? {
                let h = &states[states.len() - 1];
                states.push(gru_step(&from_input, &h.linear(u, Some(c))?, h)?);
            }
            stack(&states[1..], h)
        }
        SequenceCell::Lstm => {
            let [c, w, b, u] = inputs[2..] else { unreachable!("an LSTM has memory cells and three weights") };
            let (mut states, mut c) = (vec![h.clone()], c.clone());
            for from_input in parts(&from_input(x, w, b)?)? {
                let sums = from_input.add(&states[states.len() - 1].linear(u, None)?)?;
                let (next, next_c) = lstm_step(&sums, &c)?;
                c = next_c;
                states.push(next);
            }
            states.push(c);
            stack(&states[1..], h)
        }
    }
}

/// States of all steps; `like` is one, for a sequence without a step.
fn stack(states: &[Tensor], like: &Tensor) -> Result<Tensor> {
    if states.is_empty() {
        return Tensor::zeros([&[0], like.dims()].concat(), like.dtype(), like.device());
    }
    Tensor::stack(&states.iter().collect::<Vec<_>>(), 0)
}

/// One product for all steps, `[M, T, B, O]`.
fn from_input(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    x.transpose(0, 1)?.linear(w, Some(b))
}

fn gru_step(from_input: &Tensor, from_hidden: &Tensor, h: &Tensor) -> Result<Tensor> {
    let units = h.dims()[2];
    let narrow = |t: &Tensor, start, len| t.narrow(2, start * units, len * units);
    let rz = narrow(from_input, 0, 2)?.add(&narrow(from_hidden, 0, 2)?)?.sigmoid()?;
    let (r, z) = (narrow(&rz, 0, 1)?, narrow(&rz, 1, 1)?);
    let gated = r.mul(&narrow(from_hidden, 2, 1)?)?;
    let n = narrow(from_input, 2, 1)?.add(&gated)?.tanh()?;
    // (1 − z) n + z h, as n + z (h − n): one product less.
    n.add(&z.mul(&h.sub(&n)?)?)
}

/// `h'` and `c'`
fn lstm_step(sums: &Tensor, c: &Tensor) -> Result<(Tensor, Tensor)> {
    let units = c.dims()[2];
    let narrow = |t: &Tensor, start, len| t.narrow(2, start * units, len * units);
    // i and f lie side by side, so one pass serves both.
    let first = narrow(sums, 0, 2)?.sigmoid()?;
    let (i, f) = (narrow(&first, 0, 1)?, narrow(&first, 1, 1)?);
    let (g, o) = (narrow(sums, 2, 1)?.tanh()?, narrow(sums, 3, 1)?.sigmoid()?);
    let c = f.mul(c)?.add(&i.mul(&g)?)?;
    Ok((o.mul(&c.tanh()?)?, c))
}

/// The parts `[M, …]` of a tensor `[M, T, …]`, in order.
///
/// Halving, rather than taking the parts one by one, keeps the gradient cheap: a part's gradient is padded to the size
/// of what it was cut from, so T parts cost T log T, not T².
fn parts(x: &Tensor) -> Result<Vec<Tensor>> {
    let mut parts = Vec::new();
    let mut open = vec![x.clone()];
    while let Some(part) = open.pop() {
        match part.dim(1)? {
            0 => {}
            1 => parts.push(part.squeeze(1)?),
            t => {
                open.push(part.narrow(1, t / 2, t - t / 2)?);
                open.push(part.narrow(1, 0, t / 2)?);
            }
        }
    }
    Ok(parts)
}
