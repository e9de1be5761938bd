//! Adadelta: steps in the units of the parameters, without a rate to choose.

use rekindle_autodiff::Params;

use crate::{Result, Schedule, State, Transform, setting};

/// Adadelta (Zeiler, *ADADELTA: An Adaptive Learning Rate Method*, 2012, Algorithm 1).
///
/// ```text
/// vₜ = ρvₜ₋₁ + (1−ρ)gₜ²        Δ = √(dₜ₋₁ + ε)/√(vₜ + ε) · gₜ
/// dₜ = ρdₜ₋₁ + (1−ρ)Δ²         u = −η Δ
/// ```
/// ε is inside of both roots, as in the paper; it is what the first steps' size comes from. State: `v` and `d`.
#[derive(Clone, Debug)]
pub struct Adadelta {
    /// A factor η on the paper's step, above 0. Default: 1, the paper's method.
    pub lr: Schedule,
    /// Decay ρ, in [0, 1). Default: 0.95 (paper, §4.1; PyTorch has 0.9).
    pub rho: f64,
    /// ε, above 0. Default: 10⁻⁶ (paper, §4.1).
    pub eps: f64,
}

impl Default for Adadelta {
    fn default() -> Self {
        Self { lr: Schedule::Constant(1.0), rho: 0.95, eps: 1e-6 }
    }
}

impl Adadelta {
    /// With a factor on the step (a number or a schedule).
    #[must_use]
    pub fn new(lr: impl Into<Schedule>) -> Self {
        Self { lr: lr.into(), ..Self::default() }
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// With the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        self.lr.validate_rate("Adadelta", "lr")?;
        setting::below_one("Adadelta", "rho", self.rho)?;
        setting::positive("Adadelta", "eps", self.eps)
    }

    /// `ρ·mean + (1−ρ)x²`.
    fn average(&self, mean: &Params, x: &Params) -> Result<Params> {
        Ok(mean.zip(x, |mean, x| mean.scale(self.rho)?.add_scaled(&x.sqr()?, 1.0 - self.rho))?)
    }
}

impl Transform for Adadelta {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        Ok(State::new().with_slot("v", params.zeros_like()?).with_slot("d", params.zeros_like()?))
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let lr = self.lr.rate("Adadelta", "lr", state.step())?;
        let v = self.average(state.slot("v")?, grads)?;
        let delta = grads.zip3(&v, state.slot("d")?, |g, v, d| {
            let (up, down) = (d.shift(self.eps)?.sqrt()?, v.shift(self.eps)?.sqrt()?);
            up.div(&down)?.mul(g)
        })?;
        let d = self.average(state.slot("d")?, &delta)?;
        Ok((delta.scale(-lr)?, state.advance().with_slot("v", v).with_slot("d", d)))
    }
}
