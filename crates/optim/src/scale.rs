//! A factor on everything.

use rekindle_autodiff::Params;

use crate::{Result, Schedule, State, Transform};

/// `u = c(t)·g`: a factor, or a schedule of factors, on whatever comes in. `Scale::new(-0.1)` at the end of a
/// [`Chain`](crate::Chain) is a learning rate of 0.1.
#[derive(Clone, Debug)]
pub struct Scale {
    /// The factor, of either sign.
    pub factor: Schedule,
}

impl Scale {
    /// By a number or a schedule.
    #[must_use]
    pub fn new(factor: impl Into<Schedule>) -> Self {
        Self { factor: factor.into() }
    }

    /// Whether the factors are finite.
    ///
    /// # Errors
    /// With the value, if not.
    pub fn validate(&self) -> Result<()> {
        self.factor.validate()
    }
}

impl Transform for Scale {
    fn init(&self, _params: &Params) -> Result<State> {
        self.validate()?;
        Ok(State::new())
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        Ok((grads.scale(self.factor.at(state.step()))?, state.advance()))
    }
}
