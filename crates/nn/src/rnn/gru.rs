//! Gated recurrent unit.
//!
//! ```text
//! r = σ(x W_r + b_r + h U_r + c_r)              reset
//! z = σ(x W_z + b_z + h U_z + c_z)              update
//! n = tanh(x W_n + b_n + r ∘ (h U_n + c_n))     candidate
//! h' = (1 − z) ∘ n + z ∘ h
//! ```
//! Cho et al. 2014, in PyTorch's form: there the reset gate multiplies `h U_n + c_n`, in the paper it multiplies `h`
//! before the product; and `z` keeps the old state as in the paper's eq. 7.

use rand::Rng as _;
use rekindle_autodiff::{GruWeights, Params, Tensor};

use super::{check_sequence, uniform};
use crate::builder::join;
use crate::{Builder, Error, Fans, Init, Layer, Linear, Result};

/// A GRU cell of D inputs and H units.
///
/// The gates r, z, n lie side by side, so that a step is two products (see
/// [`Tensor::gru`]): `input.weight [M, D, 3H]`, `input.bias [M, 3H]`,
/// `hidden.weight [M, H, 3H]`, `hidden.bias [M, 3H]`. All start in `U(−1/√H, 1/√H)`, PyTorch's default, with which half
/// of a state is gone after one step ([`remembering`](Self::remembering)) and a one-hot input hardly moves it
/// ([`starting`](Self::starting)).
#[derive(Clone, Debug)]
pub struct Gru {
    name: String,
    input: Linear,
    hidden: Linear,
    start: Start,
}

/// How fresh parameters are drawn, gate by gate.
#[derive(Clone, Copy, Debug)]
struct Start {
    input: Init,
    hidden: Init,
    bias: Init,
    /// Longest memory, in steps.
    horizon: Option<usize>,
}

impl Gru {
    /// A cell whose parameters stand below `name` (at the root if it is empty).
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(name: &str, inputs: usize, units: usize) -> Result<Self> {
        let init = uniform(units);
        Ok(Self {
            name: name.to_owned(),
            input: Linear::new(&join(name, "input"), inputs, 3 * units, init, Some(init))?,
            hidden: Linear::new(&join(name, "hidden"), units, 3 * units, init, Some(init))?,
            start: Start { input: init, hidden: init, bias: init, horizon: None },
        })
    }

    /// The same cell with other fresh weights, drawn for each gate alone: `[D, H]` from the input, `[H, H]` from the state;
    /// biases start at zero.
    #[must_use]
    pub fn starting(mut self, input: Init, hidden: Init) -> Self {
        self.start = Start { input, hidden, bias: Init::Zeros, ..self.start };
        self
    }

    /// The same cell, whose units start with memories of 1 to `steps − 1` steps, spread evenly: the input's bias of the
    /// update gate starts as `log u` with `u ~ U(1, steps − 1)`. Tallec & Ollivier, *Can recurrent neural networks warp
    /// time?*, 2018, eq. 16 (there for the LSTM's gates).
    ///
    /// # Errors
    /// With fewer than two steps.
    pub fn remembering(mut self, steps: usize) -> Result<Self> {
        if steps < 2 {
            return Err(Error::config("steps", steps, "at least 2: a memory spans some time"));
        }
        self.start.horizon = Some(steps);
        Ok(self)
    }

    /// The number of units H.
    #[must_use]
    pub fn units(&self) -> usize {
        self.hidden.inputs()
    }

    /// One step: `x [M, B, D]` and `h [M, B, H]` to the next state `[M, B, H]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn step(&self, params: &Params, x: &Tensor, h: &Tensor) -> Result<Tensor> {
        Ok(x.unsqueeze(0)?.gru(h, self.weights(params)?)?.squeeze(0)?)
    }

    /// All states `[T, M, B, H]` of a sequence `xs [T, M, B, D]` begun at `h0 [M, B, H]`. The last one is row T − 1.
    ///
    /// # Errors
    /// If the shapes do not fit, if there is no step, or if a parameter is missing.
    pub fn sequence(&self, params: &Params, xs: &Tensor, h0: &Tensor) -> Result<Tensor> {
        check_sequence(xs, self.input.inputs())?;
        Ok(xs.gru(h0, self.weights(params)?)?)
    }

    fn weights<'a>(&self, params: &'a Params) -> Result<GruWeights<'a>> {
        let [input, bias] = self.input.weight_and_bias(params)?;
        let [hidden, hidden_bias] = self.hidden.weight_and_bias(params)?;
        Ok(GruWeights { input, bias, hidden, hidden_bias })
    }
}

impl Layer for Gru {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        let (h, start) = (self.units(), self.start);
        let parts = [("input", self.input.inputs(), start.input, start.horizon), ("hidden", h, start.hidden, None)];
        for (part, rows, init, horizon) in parts {
            let weight = gates(builder, [rows, h], init)?;
            builder.push(join(&self.name, &format!("{part}.weight")), &[rows, 3 * h], weight)?;
            let mut bias = gates(builder, [1, h], start.bias)?;
            if let Some(steps) = horizon {
                bias[h..2 * h].fill_with(|| libm::log(1.0 + builder.rng().random::<f64>() * (steps as f64 - 2.0)));
            }
            builder.push(join(&self.name, &format!("{part}.bias")), &[3 * h], bias)?;
        }
        Ok(())
    }
}

/// A matrix `[rows, H]` for each of r, z, n, side by side: `[rows, 3H]`.
fn gates(builder: &mut Builder<'_>, [rows, h]: [usize; 2], init: Init) -> Result<Vec<f64>> {
    let mut draw = || init.draw(builder.rng(), &[rows, h], Fans { input: rows, output: h });
    let gates = [draw()?, draw()?, draw()?];
    Ok((0..rows).flat_map(|row| gates.iter().flat_map(move |gate| &gate[row * h..(row + 1) * h]).copied()).collect())
}
