//! Gradient descent.

use rekindle_autodiff::Params;

use crate::{Result, Schedule, State, Transform};

/// `u = −η g`.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// Learning rate η, above 0.
    pub lr: Schedule,
}

impl Sgd {
    /// With a learning rate (a number or a schedule).
    #[must_use]
    pub fn new(lr: impl Into<Schedule>) -> Self {
        Self { lr: lr.into() }
    }

    /// Whether the learning rate is in its range.
    ///
    /// # Errors
    /// With the value, if not.
    pub fn validate(&self) -> Result<()> {
        self.lr.validate_rate("Sgd", "lr")
    }
}

impl Transform for Sgd {
    fn init(&self, _params: &Params) -> Result<State> {
        self.validate()?;
        Ok(State::new())
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let lr = self.lr.rate("Sgd", "lr", state.step())?;
        Ok((grads.scale(-lr)?, state.advance()))
    }
}
