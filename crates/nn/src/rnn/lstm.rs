//! Long short-term memory.
//!
//! ```text
//! i = σ(x W_i + h U_i + b_i)      input gate
//! f = σ(x W_f + h U_f + b_f)      forget gate
//! g = tanh(x W_g + h U_g + b_g)   candidate
//! o = σ(x W_o + h U_o + b_o)      output gate
//! c' = f ∘ c + i ∘ g
//! h' = o ∘ tanh c'
//! ```
//! Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000. Gates in PyTorch's order;
//! PyTorch has two biases a gate, which only ever occur as their sum: here there is that sum.

use rekindle_autodiff::{LstmWeights, Params, Tensor};

use super::{check_sequence, uniform};
use crate::builder::join;
use crate::{Builder, Error, Fans, Layer, Linear, Result};

/// Shape of an [`Lstm`].
#[derive(Clone, Copy, Debug)]
pub struct LstmConfig {
    /// Inputs D, `≥ 1`.
    pub inputs: usize,
    /// Units H, `≥ 1`.
    pub units: usize,
    /// Added to the forget gate's fresh bias, finite. 0 in PyTorch; 1 keeps the gate open at first, so that early
    /// gradients reach far back (Gers et al. 2000; Jozefowicz, Zaremba & Sutskever 2015).
    pub forget_bias: f64,
}

/// An LSTM cell of D inputs and H units.
///
/// The gates i, f, g, o lie side by side, so that a step is two products: `input.weight [M, D, 4H]` with
/// `input.bias [M, 4H]`, and `hidden.weight [M, H, 4H]`. All start in `U(−1/√H, 1/√H)`, PyTorch's default.
#[derive(Clone, Debug)]
pub struct Lstm {
    input: Linear,
    hidden: Linear,
    bias: String,
    config: LstmConfig,
}

/// What an LSTM carries from step to step.
#[derive(Clone, Debug)]
pub struct LstmState {
    /// Output of the last step, `[M, B, H]`.
    pub h: Tensor,
    /// Memory cells, `[M, B, H]`.
    pub c: Tensor,
}

impl Lstm {
    /// A cell whose parameters stand below `name` (at the root if it is empty).
    ///
    /// # Errors
    /// If a size is zero, or if the forget bias is not finite.
    pub fn new(name: &str, config: LstmConfig) -> Result<Self> {
        if !config.forget_bias.is_finite() {
            return Err(Error::config("forget_bias", config.forget_bias, "finite"));
        }
        let LstmConfig { inputs, units, .. } = config;
        Ok(Self {
            input: Linear::new(&join(name, "input"), inputs, 4 * units, uniform(units), Some(uniform(units)))?,
            hidden: Linear::new(&join(name, "hidden"), units, 4 * units, uniform(units), None)?,
            bias: join(name, "input.bias"),
            config,
        })
    }

    /// The number of units H.
    #[must_use]
    pub fn units(&self) -> usize {
        self.config.units
    }

    /// One step: `x [M, B, D]` and the state to the next state, whose `h` is the output.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn step(&self, params: &Params, x: &Tensor, state: &LstmState) -> Result<LstmState> {
        let (h, c) = x.unsqueeze(0)?.lstm(&state.h, &state.c, self.weights(params)?)?;
        Ok(LstmState { h: h.squeeze(0)?, c })
    }

    /// All outputs `[T, M, B, H]` of a sequence `xs [T, M, B, D]`, and the state after it.
    ///
    /// # Errors
    /// If the shapes do not fit, if there is no step, or if a parameter is missing.
    pub fn sequence(&self, params: &Params, xs: &Tensor, state: &LstmState) -> Result<(Tensor, LstmState)> {
        check_sequence(xs, self.input.inputs())?;
        let (outputs, c) = xs.lstm(&state.h, &state.c, self.weights(params)?)?;
        let h = outputs.narrow(0, xs.dim(0)? - 1, 1)?.squeeze(0)?;
        Ok((outputs, LstmState { h, c }))
    }

    fn weights<'a>(&self, params: &'a Params) -> Result<LstmWeights<'a>> {
        let [input, bias] = self.input.weight_and_bias(params)?;
        Ok(LstmWeights { input, bias, hidden: self.hidden.weight(params)? })
    }
}

impl Layer for Lstm {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        self.input.draw_weight(builder)?;
        let units = self.config.units;
        let dims = [4 * units];
        let mut bias = uniform(units).draw(builder.rng(), &dims, Fans::of(&dims))?;
        bias[units..2 * units].iter_mut().for_each(|b| *b += self.config.forget_bias);
        builder.push(&self.bias, &dims, bias)?;
        self.hidden.draw(builder)
    }
}
