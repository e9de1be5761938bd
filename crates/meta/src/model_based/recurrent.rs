//! A recurrent network that learns from a sequence of examples, each shown with the target of the one before.
//!
//! ```text
//! s_t = cell(s_{t−1}, (x_t, y_{t−1}))      ŷ_t = s_t W + b
//! ```
//! Hochreiter, Younger & Conwell, *Learning to Learn Using Gradient Descent*, 2001, section 3; the protocol with labels
//! one step late is also that of Santoro et al. 2016, whose baseline this is. Before the first example y is zero. A query
//! is one more step from the state after the support set; queries do not see each other.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Builder, Gru, Init, Layer, Linear, Lstm, LstmConfig, LstmState};

use super::{BlackBox, Examples, Prequential, Targets, at_least_one, check_scale, over_all};
use crate::{Error, Loss, Result};

/// The kind of a recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit.
    Gru,
}

/// Shape of a [`Recurrent`] learner.
#[derive(Clone, Copy, Debug)]
pub struct RecurrentConfig {
    /// The cell.
    pub cell: Cell,
    /// Features F of an example, `≥ 1`.
    pub inputs: usize,
    /// What is learned.
    pub targets: Targets,
    /// Units H, `≥ 1`. Default 200, as the controller of Santoro et al. 2016.
    pub units: usize,
    /// What targets are multiplied by before they are read, finite and not 0. Default 1, as in the papers. A label among many
    /// features moves a cell little at first: 4 beside 64 features is learned from sooner.
    pub target_scale: f64,
    /// Whether training counts the answers for the support examples, too, as they come in: every example is then a query
    /// to what was seen before it (Hochreiter et al. and Santoro et al. train so). Default: no, the query set alone.
    pub every_step: bool,
}

impl RecurrentConfig {
    /// An LSTM of 200 units. Its forget gate starts open (bias 1).
    #[must_use]
    pub fn lstm(inputs: usize, targets: Targets) -> Self {
        Self { cell: Cell::Lstm, inputs, targets, units: 200, target_scale: 1.0, every_step: false }
    }

    /// A GRU of 200 units.
    #[must_use]
    pub fn gru(inputs: usize, targets: Targets) -> Self {
        Self { cell: Cell::Gru, ..Self::lstm(inputs, targets) }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// Naming the setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("inputs", self.inputs), ("units", self.units)])?;
        check_scale(self.target_scale)?;
        self.targets.validate()
    }
}

/// A recurrent learner; [`BlackBoxLearner`](crate::BlackBoxLearner) makes a meta-learner of it.
///
/// Parameters: `cell.…` as those of [`Lstm`] or [`Gru`], `head.weight [M, H, O]`, `head.bias [M, O]`.
#[derive(Clone, Debug)]
pub struct Recurrent {
    config: RecurrentConfig,
    cell: AnyCell,
    head: Linear,
}

#[derive(Clone, Debug)]
enum AnyCell {
    Lstm(Lstm),
    Gru(Gru),
}

/// What a cell carries, `[M, B, H]` each; a GRU has no `c`.
struct State {
    h: Tensor,
    c: Option<Tensor>,
}

impl Recurrent {
    /// A learner of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: RecurrentConfig) -> Result<Self> {
        config.validate()?;
        let RecurrentConfig { units, targets, .. } = config;
        let inputs = config.inputs + targets.size();
        let cell = match config.cell {
            Cell::Lstm => AnyCell::Lstm(Lstm::new("cell", LstmConfig { inputs, units, forget_bias: 1.0 })?),
            Cell::Gru => AnyCell::Gru(Gru::new("cell", inputs, units)?),
        };
        let head = Linear::new("head", units, targets.size(), Init::GlorotUniform, Some(Init::Zeros))?;
        Ok(Self { config, cell, head })
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// Outputs `[M, T, O]` on the way through a sequence, the state after it, and the last target `[M, 1, O]`.
    fn run(&self, params: &Params, sequence: Examples<'_>) -> Result<(Tensor, State, Tensor)> {
        let y = self.config.targets.encode(sequence.y, sequence.x)?.scale(self.config.target_scale)?;
        let &[m, steps, _] = y.dims() else { unreachable!("encoded targets have three axes") };
        if steps == 0 {
            return Err(Error::Batch { message: "a sequence learner needs at least one support example".into() });
        }
        let before = y.narrow(1, 0, steps - 1)?.pad(1, 1, 0)?; // [M, T, O], one step late
        let inputs = Tensor::cat(&[sequence.x, &before], 2)?.transpose(0, 1)?.unsqueeze(2)?; // [T, M, 1, F + O]
        let zeros = Tensor::zeros((m, 1, self.config.units), inputs.dtype(), inputs.device())?;
        let (states, end) = self.sequence(params, &inputs, &zeros)?;
        let outputs = self.head.forward(params, &states.squeeze(2)?.transpose(0, 1)?)?; // [M, T, O]
        Ok((outputs, end, y.narrow(1, steps - 1, 1)?))
    }

    /// All outputs `[T, M, 1, H]` of the cell from a state of zeros, and the state at the end.
    fn sequence(&self, params: &Params, inputs: &Tensor, zeros: &Tensor) -> Result<(Tensor, State)> {
        match &self.cell {
            AnyCell::Lstm(cell) => {
                let start = LstmState { h: zeros.clone(), c: zeros.clone() };
                let (outputs, LstmState { h, c }) = cell.sequence(params, inputs, &start)?;
                Ok((outputs, State { h, c: Some(c) }))
            }
            AnyCell::Gru(cell) => {
                let outputs = cell.sequence(params, inputs, zeros)?;
                let h = outputs.narrow(0, outputs.dim(0)? - 1, 1)?.squeeze(0)?;
                Ok((outputs, State { h, c: None }))
            }
        }
    }

    /// One more step for each query `x [M, B, F]`: outputs `[M, B, O]`.
    fn next(&self, params: &Params, state: &State, y: &Tensor, x: &Tensor) -> Result<Tensor> {
        let &[m, b, _] = x.dims() else {
            return Err(Error::Batch { message: format!("queries {:?}, but they are [M, B, F]", x.dims()) });
        };
        let repeat = |t: &Tensor| t.broadcast_to((m, b, t.dim(2)?));
        let inputs = Tensor::cat(&[x, &repeat(y)?], 2)?;
        let h = repeat(&state.h)?;
        let h = match (&self.cell, &state.c) {
            (AnyCell::Lstm(cell), Some(c)) => cell.step(params, &inputs, &LstmState { h, c: repeat(c)? })?.h,
            (AnyCell::Gru(cell), _) => cell.step(params, &inputs, &h)?,
            (AnyCell::Lstm(_), None) => unreachable!("an LSTM's state has memory cells"),
        };
        Ok(self.head.forward(params, &h)?)
    }
}

impl BlackBox for Recurrent {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        match &self.cell {
            AnyCell::Lstm(cell) => cell.draw(&mut builder)?,
            AnyCell::Gru(cell) => cell.draw(&mut builder)?,
        }
        self.head.draw(&mut builder)?;
        Ok(builder.finish()?)
    }

    fn observe(&self, params: &Params, support: Examples<'_>) -> Result<Params> {
        let (_, State { h, c }, y) = self.run(params, support)?;
        let leaves = [("h", Some(h)), ("c", c), ("y", Some(y))];
        Ok(Params::new(leaves.into_iter().filter_map(|(name, leaf)| Some((name.to_owned(), leaf?))))?)
    }

    fn answer(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        let c = if self.config.cell == Cell::Lstm { Some(state.get("c")?.clone()) } else { None };
        self.next(params, &State { h: state.get("h")?.clone(), c }, state.get("y")?, x)
    }

    fn loss(&self) -> Loss {
        self.config.targets.loss()
    }

    fn objective(&self, params: &Params, support: Examples<'_>, query: Examples<'_>) -> Result<Tensor> {
        let (outputs, state, y) = self.run(params, support)?;
        let asked = self.loss().per_task(&self.next(params, &state, &y, query.x)?, query.y)?;
        if !self.config.every_step {
            return Ok(asked);
        }
        let on_the_way = self.loss().per_task(&outputs, support.y)?;
        over_all((&on_the_way, support.x.dim(1)?), (&asked, query.x.dim(1)?))
    }
}

impl Prequential for Recurrent {
    fn outputs(&self, params: &Params, sequence: Examples<'_>) -> Result<Tensor> {
        Ok(self.run(params, sequence)?.0)
    }
}
