//! Adam: momentum, divided by the root of a running mean of squares.
//!
//! ```text
//! mₜ = β₁mₜ₋₁ + (1−β₁)gₜ        m̂ = mₜ/(1−β₁ᵗ)
//! vₜ = β₂vₜ₋₁ + (1−β₂)gₜ²       v̂ = vₜ/(1−β₂ᵗ)       u = −η m̂/(√v̂ + ε)
//! ```
//! Kingma & Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, Algorithm 1.

use rekindle_autodiff::{AdamStep, Params, Tensor, adam, is_recording};

use crate::{Result, Schedule, State, Transform, safe_sqrt, setting};

/// Adam (Kingma & Ba 2015, Algorithm 1): `u = −η m̂/(√v̂ + ε)`; ε is outside of the root, after the bias correction, as
/// in the paper and in PyTorch.
///
/// Where nothing is recorded each leaf takes a single pass; where something is, the same arithmetic runs on the tape,
/// with [`safe_sqrt`] so that zero gradients have finite derivatives. (At the first step that derivative is
/// `−η/ε` where g = 0: finite, but steep. An inner loop that is differentiated wants a larger ε, 10⁻³ say.)
///
/// State: `m` and `v`.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Learning rate η, above 0. Default: 0.001, the paper's.
    pub lr: Schedule,
    /// Decay of the first moment β₁, in [0, 1). Default: 0.9, the paper's.
    pub beta1: f64,
    /// Decay of the second moment β₂, in [0, 1). Default: 0.999, the paper's.
    pub beta2: f64,
    /// ε, above 0. Default: 10⁻⁸, the paper's.
    pub eps: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { lr: Schedule::Constant(1e-3), beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

impl Adam {
    /// With a learning rate (a number or a schedule), all else as in the paper.
    #[must_use]
    pub fn new(lr: impl Into<Schedule>) -> Self {
        Self { lr: lr.into(), ..Self::default() }
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// With the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        self.lr.validate_rate("Adam", "lr")?;
        setting::below_one("Adam", "beta1", self.beta1)?;
        setting::below_one("Adam", "beta2", self.beta2)?;
        setting::positive("Adam", "eps", self.eps)
    }

    /// `s m̂/(√v̂ + ε)`, and the next state.
    pub(crate) fn scaled(&self, s: f64, grads: &Params, state: &State) -> Result<(Params, State)> {
        let step = self.constants(state.step(), s);
        let (mut first, mut second) = (Vec::with_capacity(grads.len()), Vec::with_capacity(grads.len()));
        let updates = grads.zip3(state.slot("m")?, state.slot("v")?, |g, m, v| {
            let recorded = is_recording() && [g, m, v].iter().any(|x| x.is_tracked());
            let [m, v, update] = if recorded { on_tape(g, m, v, step)? } else { in_one_pass(g, m, v, step)? };
            first.push(m);
            second.push(v);
            Ok(update)
        })?;
        let (m, v) = (grads.with_leaves(first)?, grads.with_leaves(second)?);
        Ok((updates, state.advance().with_slot("m", m).with_slot("v", v)))
    }

    /// The constants of the update that follows `step` others, times `factor`.
    fn constants(&self, step: u64, factor: f64) -> AdamStep {
        let t = (step + 1) as f64;
        AdamStep {
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            correction1: 1.0 - libm::pow(self.beta1, t),
            correction2: 1.0 - libm::pow(self.beta2, t),
            factor,
        }
    }
}

fn in_one_pass(g: &Tensor, m: &Tensor, v: &Tensor, step: AdamStep) -> rekindle_autodiff::Result<[Tensor; 3]> {
    Ok(adam(g.value(), m.value(), v.value(), step)?.map(Tensor::new))
}

fn on_tape(g: &Tensor, m: &Tensor, v: &Tensor, step: AdamStep) -> rekindle_autodiff::Result<[Tensor; 3]> {
    let m = m.scale(step.beta1)?.add_scaled(g, 1.0 - step.beta1)?;
    let v = v.scale(step.beta2)?.add_scaled(&g.sqr()?, 1.0 - step.beta2)?;
    let root = safe_sqrt(&v.scale(1.0 / step.correction2)?)?;
    let direction = m.scale(1.0 / step.correction1)?.div(&root.shift(step.eps)?)?;
    Ok([m, v, direction.scale(step.factor)?])
}

impl Transform for Adam {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        Ok(State::new().with_slot("m", params.zeros_like()?).with_slot("v", params.zeros_like()?))
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let lr = self.lr.rate("Adam", "lr", state.step())?;
        self.scaled(-lr, grads, state)
    }
}
