//! Gradient descent with a running sum of gradients: the heavy ball, and Nesterov's form.

use rekindle_autodiff::Params;

use crate::{Result, Schedule, State, Transform, setting};

/// Momentum in the form of PyTorch and optax: the learning rate is outside of the running sum.
///
/// ```text
/// bₜ = μbₜ₋₁ + gₜ        u = −η bₜ                   heavy ball: Polyak 1964
///                        u = −η (gₜ + μbₜ)           Nesterov
/// ```
/// Nesterov's form is that of Sutskever et al., *On the importance of initialization and momentum in deep learning*,
/// ICML 2013, written at the look-ahead point (Bengio et al. 2013, eq. 7). Sutskever's own `v ← μv − ηg` is the same
/// for a constant rate; where η changes, there the old gradients keep their old rates.
///
/// State: `b`.
#[derive(Clone, Debug)]
pub struct Momentum {
    /// Learning rate η, above 0. Default: 0.01.
    pub lr: Schedule,
    /// Decay μ of the running sum, in [0, 1). Default: 0.9 (Sutskever et al. 2013, table 1).
    pub momentum: f64,
    /// Whether the gradient is looked up ahead, as Nesterov's method does. Default: no.
    pub nesterov: bool,
}

impl Default for Momentum {
    fn default() -> Self {
        Self { lr: Schedule::Constant(0.01), momentum: 0.9, nesterov: false }
    }
}

impl Momentum {
    /// The heavy ball with a learning rate (a number or a schedule) and μ = 0.9.
    #[must_use]
    pub fn new(lr: impl Into<Schedule>) -> Self {
        Self { lr: lr.into(), ..Self::default() }
    }

    /// Nesterov's form with a learning rate (a number or a schedule) and μ = 0.9.
    #[must_use]
    pub fn nesterov(lr: impl Into<Schedule>) -> Self {
        Self { nesterov: true, ..Self::new(lr) }
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// With the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        self.lr.validate_rate("Momentum", "lr")?;
        setting::below_one("Momentum", "momentum", self.momentum)
    }
}

impl Transform for Momentum {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        Ok(State::new().with_slot("b", params.zeros_like()?))
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let lr = self.lr.rate("Momentum", "lr", state.step())?;
        let sum = grads.add_scaled(state.slot("b")?, self.momentum)?;
        let direction = if self.nesterov { grads.add_scaled(&sum, self.momentum)? } else { sum.clone() };
        Ok((direction.scale(-lr)?, state.advance().with_slot("b", sum)))
    }
}
