//! RMSProp: divided by the root of a running mean of squares.

use rekindle_autodiff::Params;

use crate::{Result, Schedule, State, Transform, safe_sqrt, setting};

/// RMSProp (Tieleman & Hinton, *Neural Networks for Machine Learning*, lecture 6.5, 2012), and its centred form (Graves,
/// *Generating Sequences with Recurrent Neural Networks*, 2013, eqs. 38–40), which divides by the standard deviation.
///
/// ```text
/// vₜ = αvₜ₋₁ + (1−α)gₜ²        u = −η gₜ/(√vₜ + ε)
/// aₜ = αaₜ₋₁ + (1−α)gₜ         u = −η gₜ/(√(vₜ − aₜ²) + ε)        centred
/// ```
/// ε is outside of the root, as in PyTorch (Graves has it inside). State: `v`, and `a` where centred.
#[derive(Clone, Debug)]
pub struct RmsProp {
    /// Learning rate η, above 0. Default: 0.001.
    pub lr: Schedule,
    /// Decay α of the means, in [0, 1). Default: 0.9 (the lecture's; PyTorch has 0.99).
    pub decay: f64,
    /// ε, above 0. Default: 10⁻⁸ (PyTorch's; the lecture has none).
    pub eps: f64,
    /// Whether the squared mean is taken off the mean of squares. Default: no.
    pub centered: bool,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { lr: Schedule::Constant(1e-3), decay: 0.9, eps: 1e-8, centered: false }
    }
}

impl RmsProp {
    /// With a learning rate (a number or a schedule).
    #[must_use]
    pub fn new(lr: impl Into<Schedule>) -> Self {
        Self { lr: lr.into(), ..Self::default() }
    }

    /// The centred form, with a learning rate (a number or a schedule).
    #[must_use]
    pub fn centered(lr: impl Into<Schedule>) -> Self {
        Self { centered: true, ..Self::new(lr) }
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// With the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        self.lr.validate_rate("RmsProp", "lr")?;
        setting::below_one("RmsProp", "decay", self.decay)?;
        setting::positive("RmsProp", "eps", self.eps)
    }

    /// `α·mean + (1−α)x`.
    fn average(&self, mean: &Params, x: &Params) -> Result<Params> {
        Ok(mean.zip(x, |mean, x| mean.scale(self.decay)?.add_scaled(x, 1.0 - self.decay))?)
    }
}

impl Transform for RmsProp {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        let state = State::new().with_slot("v", params.zeros_like()?);
        Ok(if self.centered { state.with_slot("a", params.zeros_like()?) } else { state })
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let lr = self.lr.rate("RmsProp", "lr", state.step())?;
        let v = self.average(state.slot("v")?, &grads.map(|g| g.sqr())?)?;
        let next = state.advance().with_slot("v", v.clone());
        let (variance, next) = if self.centered {
            let a = self.average(state.slot("a")?, grads)?;
            // Never negative but for rounding, which the root would turn into NaN.
            (v.zip(&a, |v, a| v.sub(&a.sqr()?)?.relu())?, next.with_slot("a", a))
        } else {
            (v, next)
        };
        let updates = grads.zip(&variance, |g, v| g.div(&safe_sqrt(v)?.shift(self.eps)?)?.scale(-lr))?;
        Ok((updates, next))
    }
}
