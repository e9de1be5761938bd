//! Adam with weight decay beside the gradient.

use rekindle_autodiff::Params;

use crate::decay::add_scaled_where;
use crate::{Adam, Result, Schedule, Select, State, Transform, setting};

/// AdamW (Loshchilov & Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019, Algorithm 2).
///
/// ```text
/// u = −ηₜ (m̂/(√v̂ + ε) + λθ)
/// ```
/// The decay is multiplied by the learning rate, as in PyTorch. In the paper it is not, only by the schedule: for that
/// form take `chain([Adam, DecoupledDecay])`. State: that of [`Adam`].
#[derive(Clone, Debug)]
pub struct AdamW {
    /// Learning rate, decays and ε. Defaults: Adam's.
    pub adam: Adam,
    /// Strength λ of the decay, at least 0. Default: 0.01 (PyTorch's; the paper has it depend on the length of the run).
    pub weight_decay: f64,
    /// The parameters that the decay applies to. Default: all.
    pub select: Select,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { adam: Adam::default(), weight_decay: 0.01, select: Select::All }
    }
}

impl AdamW {
    /// With a learning rate (a number or a schedule) and a strength of the decay.
    #[must_use]
    pub fn new(lr: impl Into<Schedule>, weight_decay: f64) -> Self {
        Self { adam: Adam::new(lr), weight_decay, ..Self::default() }
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// With the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        self.adam.validate()?;
        setting::not_negative("AdamW", "weight_decay", self.weight_decay)
    }
}

impl Transform for AdamW {
    fn init(&self, params: &Params) -> Result<State> {
        self.validate()?;
        self.select.validate(params)?;
        self.adam.init(params)
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let lr = self.adam.lr.rate("AdamW", "lr", state.step())?;
        let (direction, next) = self.adam.scaled(1.0, grads, state)?;
        let decayed = add_scaled_where(&direction, params, self.weight_decay, &self.select)?;
        Ok((decayed.scale(-lr)?, next))
    }
}
