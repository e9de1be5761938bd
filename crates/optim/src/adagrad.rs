//! Adagrad: divided by the root of the sum of all squares so far.

use rekindle_autodiff::Params;

use crate::{Result, Schedule, State, Transform, safe_sqrt, setting};

/// Adagrad (Duchi, Hazan & Singer, *Adaptive Subgradient Methods*, JMLR 12, 2011, the diagonal form of Figure 1).
///
/// ```text
/// sₜ = sₜ₋₁ + gₜ²        u = −η gₜ/(√sₜ + ε)
/// ```
/// ε is outside of the root, as the paper's δ is. State: `s`.
#[derive(Clone, Debug)]
pub struct Adagrad {
    /// Learning rate η, above 0. Default: 0.01 (PyTorch's; the paper leaves it open).
    pub lr: Schedule,
    /// The sum of squares before the first step, at least 0. Default: 0, the paper's.
    pub initial: f64,
    /// ε, above 0. Default: 10⁻¹⁰ (PyTorch's; the paper leaves it open).
    pub eps: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self { lr: Schedule::Constant(0.01), initial: 0.0, eps: 1e-10 }
    }
}

impl Adagrad {
    /// With a learning rate (a number or a schedule).
    #[must_use]
    pub fn new(lr: impl Into<Schedule>) -> Self {
        Self { lr: lr.into(), ..Self::default() }
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// With the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        self.lr.validate_rate("Adagrad", "lr")?;
        setting::not_negative("Adagrad", "initial", self.initial)?;
        setting::positive("Adagrad", "eps", self.eps)
    }
}

impl Transform for Adagrad {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        let sum = params.zeros_like()?.map(|zero| zero.shift(self.initial))?;
        Ok(State::new().with_slot("s", sum))
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let lr = self.lr.rate("Adagrad", "lr", state.step())?;
        let sum = state.slot("s")?.zip(grads, |s, g| s.add(&g.sqr()?))?;
        let updates = grads.zip(&sum, |g, s| g.div(&safe_sqrt(s)?.shift(self.eps)?)?.scale(-lr))?;
        Ok((updates, state.advance().with_slot("s", sum)))
    }
}
