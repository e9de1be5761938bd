//! Numbers that change from step to step.

use std::f64::consts::PI;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use crate::{Result, setting};

/// A number as a pure function of the step: a learning rate, most often.
///
/// The first update is step 0. A plain `f64` turns into [`Constant`](Self::Constant), so `Adam::new(1e-3)` and
/// `Adam::new(Schedule::cosine(1e-3, 10_000))` both read well. Values are computed in `f64` by portable code: the same
/// bits on every machine.
///
/// ```
/// use rekindle_optim::Schedule;
/// let rate = Schedule::cosine(0.1, 100).after_warmup(4);
/// let seen: Vec<f64> = [0, 3, 4, 54, 104, 1000].map(|step| rate.at(step)).to_vec();
/// let expected = [0.02, 0.08, 0.1, 0.05, 0.0, 0.0];
/// assert!(seen.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Schedule {
    /// The same number at every step.
    Constant(f64),
    /// `start + (end − start)·t/steps`, and `end` from `t = steps` on.
    Linear {
        /// Value at step 0.
        start: f64,
        /// Value from step `steps` on.
        end: f64,
        /// Length, `≥ 1`.
        steps: u64,
    },
    /// `end + ½(start − end)(1 + cos(π·t/steps))`, and `end` from `t = steps` on: Loshchilov & Hutter, *SGDR*, 2017,
    /// eq. 5, without restarts.
    Cosine {
        /// Value at step 0.
        start: f64,
        /// Value from step `steps` on.
        end: f64,
        /// Length, `≥ 1`.
        steps: u64,
    },
    /// `start · factor^⌊t/every⌋`.
    StepDecay {
        /// Value at first.
        start: f64,
        /// What it is multiplied with, `> 0`.
        factor: f64,
        /// After how many steps each time, `≥ 1`.
        every: u64,
    },
    /// A linear rise to the first value of another schedule, which follows: `then(0)·(t+1)/(steps+1)` for `t < steps`,
    /// and `then(t − steps)` after that (Goyal et al., *Accurate, Large Minibatch SGD*, 2017, §2.2). The first update
    /// is not zero, and the full value comes once only.
    Warmup {
        /// Length of the rise.
        steps: u64,
        /// What follows.
        then: Box<Self>,
    },
    /// A function of one's own.
    Custom(ScheduleFn),
}

/// A shared function of the step.
#[derive(Clone)]
pub struct ScheduleFn(Arc<dyn Fn(u64) -> f64 + Send + Sync>);

impl Debug for ScheduleFn {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScheduleFn")
    }
}

impl From<f64> for Schedule {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl Schedule {
    /// From `start` to 0 along half a cosine.
    #[must_use]
    pub fn cosine(start: f64, steps: u64) -> Self {
        Self::Cosine { start, end: 0.0, steps }
    }

    /// From `start` to `end` along a line.
    #[must_use]
    pub fn linear(start: f64, end: f64, steps: u64) -> Self {
        Self::Linear { start, end, steps }
    }

    /// This schedule after a linear rise of `steps` steps.
    #[must_use]
    pub fn after_warmup(self, steps: u64) -> Self {
        Self::Warmup { steps, then: Box::new(self) }
    }

    /// A function of the step, which must always give the same value for the same step.
    #[must_use]
    pub fn custom(f: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        Self::Custom(ScheduleFn(Arc::new(f)))
    }

    /// The value at a step; the first update is step 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Linear { end, steps, .. } | Self::Cosine { end, steps, .. } if step >= *steps => *end,
            Self::Linear { start, end, steps } => start + (end - start) * (step as f64 / *steps as f64),
            Self::Cosine { start, end, steps } => {
                end + 0.5 * (start - end) * (1.0 + libm::cos(PI * (step as f64 / *steps as f64)))
            }
            // A length of zero is refused by `validate`; here it must not divide.
            Self::StepDecay { start, factor, every } => start * libm::pow(*factor, (step / (*every).max(1)) as f64),
            Self::Warmup { steps, then } if step < *steps => then.at(0) * ((step + 1) as f64 / (*steps + 1) as f64),
            Self::Warmup { steps, then } => then.at(step - steps),
            Self::Custom(f) => (f.0)(step),
        }
    }

    /// Whether every value is finite and every length is at least 1. A [`Custom`](Self::Custom) function is asked for
    /// its first value only.
    ///
    /// # Errors
    /// With the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Linear { start, end, steps } | Self::Cosine { start, end, steps } => {
                setting::finite("Schedule", "start", *start)?;
                setting::finite("Schedule", "end", *end)?;
                setting::positive("Schedule", "steps", *steps as f64)
            }
            Self::StepDecay { start, factor, every } => {
                setting::finite("Schedule", "start", *start)?;
                setting::positive("Schedule", "factor", *factor)?;
                setting::positive("Schedule", "every", *every as f64)
            }
            Self::Warmup { then, .. } => then.validate(),
            Self::Constant(_) | Self::Custom(_) => setting::finite("Schedule", "value", self.at(0)),
        }
    }

    /// As [`validate`](Self::validate), and that it can be the learning rate `setting` of a transformation: never
    /// negative, and not zero throughout.
    pub(crate) fn validate_rate(&self, transform: &'static str, setting: &'static str) -> Result<()> {
        match self {
            Self::Constant(value) => setting::positive(transform, setting, *value),
            Self::Linear { start, end, .. } | Self::Cosine { start, end, .. } => {
                setting::not_negative(transform, setting, *start)?;
                setting::not_negative(transform, setting, *end)?;
                setting::positive(transform, setting, start.max(*end))?;
                self.validate()
            }
            Self::StepDecay { start, .. } => {
                setting::positive(transform, setting, *start)?;
                self.validate()
            }
            Self::Warmup { then, .. } => then.validate_rate(transform, setting),
            // A function may begin at zero, as a warm-up does.
            Self::Custom(_) => setting::not_negative(transform, setting, self.at(0)),
        }
    }

    /// The learning rate `setting` of a transformation at a step.
    pub(crate) fn rate(&self, transform: &'static str, setting: &'static str, step: u64) -> Result<f64> {
        let rate = self.at(step);
        setting::not_negative(transform, setting, rate)?;
        Ok(rate)
    }
}
