//! Weight decay, in the gradient and beside it.

use rekindle_autodiff::Params;

use crate::{Result, Schedule, Select, State, Transform, setting};

/// L2 regularisation: adds `λθ`, the gradient of `½λ‖θ‖²`, to the gradients. It stands *before* an optimiser, which
/// rescales it along with the gradient; [`DecoupledDecay`] does not have that happen.
#[derive(Clone, Debug)]
pub struct WeightDecay {
    /// Strength λ, above 0.
    pub strength: f64,
    /// The parameters that it applies to. Biases and the scales of normalisations are often left out.
    pub select: Select,
}

impl WeightDecay {
    /// On every parameter.
    #[must_use]
    pub fn new(strength: f64) -> Self {
        Self { strength, select: Select::All }
    }

    /// Whether the strength is in its range.
    ///
    /// # Errors
    /// With the value, if not.
    pub fn validate(&self) -> Result<()> {
        setting::positive("WeightDecay", "strength", self.strength)
    }
}

impl Transform for WeightDecay {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        self.select.validate(params)?;
        Ok(State::new())
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        Ok((add_scaled_where(grads, params, self.strength, &self.select)?, state.advance()))
    }
}

/// Decay beside the gradient: adds `−λθ` to the updates. It stands *after* an optimiser, and its rate is a whole step's:
/// for the AdamW of PyTorch, where it is multiplied by the learning rate too, there is [`AdamW`](crate::AdamW).
///
/// Loshchilov & Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019: their `ηₜλ` is the schedule here.
#[derive(Clone, Debug)]
pub struct DecoupledDecay {
    /// The share λ of each parameter that a step takes away, above 0.
    pub rate: Schedule,
    /// The parameters that it applies to.
    pub select: Select,
}

impl DecoupledDecay {
    /// On every parameter.
    #[must_use]
    pub fn new(rate: impl Into<Schedule>) -> Self {
        Self { rate: rate.into(), select: Select::All }
    }

    /// Whether the rate is in its range.
    ///
    /// # Errors
    /// With the value, if not.
    pub fn validate(&self) -> Result<()> {
        self.rate.validate_rate("DecoupledDecay", "rate")
    }
}

impl Transform for DecoupledDecay {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        self.select.validate(params)?;
        Ok(State::new())
    }

    fn update(&self, updates: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        updates.check_like(params)?;
        let rate = self.rate.rate("DecoupledDecay", "rate", state.step())?;
        Ok((add_scaled_where(updates, params, -rate, &self.select)?, state.advance()))
    }
}

/// `u + s·θ` for the selected parameters, `u` for the others.
pub(crate) fn add_scaled_where(updates: &Params, params: &Params, s: f64, select: &Select) -> Result<Params> {
    Ok(updates.map_named(
        |name, u| {
            if select.matches(name) { u.add_scaled(params.get(name)?, s) } else { Ok(u.clone()) }
        },
    )?)
}
