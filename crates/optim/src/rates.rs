//! A learning rate for each group of parameters.

use rekindle_autodiff::Params;

use crate::{Result, Select, State, Transform, setting};

/// A factor by name on the updates: layer-wise learning rates, after an optimiser that all parameters share.
///
/// A parameter takes the factor of the first selection that it is in, and 1 where it is in none.
///
/// ```
/// use rekindle_optim::{Adam, Chain, GroupRates, Select};
/// // The body at a tenth of the head's rate.
/// let tuned = Chain::new().then(Adam::new(1e-3)).then(GroupRates::new().with(Select::prefix(["body"]), 0.1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct GroupRates {
    /// Selections and their factors, at least 0; the first that fits counts.
    pub rates: Vec<(Select, f64)>,
}

impl GroupRates {
    /// No groups yet: every factor is 1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more group.
    #[must_use]
    pub fn with(mut self, select: Select, rate: f64) -> Self {
        self.rates.push((select, rate));
        self
    }

    /// Whether the factors are in their range.
    ///
    /// # Errors
    /// With the value, if not.
    pub fn validate(&self) -> Result<()> {
        self.rates.iter().try_for_each(|(_, rate)| setting::not_negative("GroupRates", "a group's rate", *rate))
    }
}

impl Transform for GroupRates {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        self.rates.iter().try_for_each(|(select, _)| select.validate(params))?;
        Ok(State::new())
    }

    fn update(&self, updates: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        updates.check_like(params)?;
        let scaled = updates.map_named(|name, u| match self.rates.iter().find(|(select, _)| select.matches(name)) {
            Some((_, rate)) => u.scale(*rate),
            None => Ok(u.clone()),
        })?;
        Ok((scaled, state.advance()))
    }
}
