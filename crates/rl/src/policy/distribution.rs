//! Either distribution, and the last step from a network's outputs to actions.

use candle_core::Tensor as Value;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::{ActionBuffer, Space};

use super::{Categorical, Gaussian};
use crate::{Error, Result};

/// What a policy says of its actions, at every place of `[T, M, B]` or `[M, B]`. All methods are differentiable to any
/// order.
#[derive(Clone, Debug)]
pub enum Distribution {
    /// One of so many actions.
    Categorical(Categorical),
    /// Real numbers.
    Gaussian(Gaussian),
}

impl Distribution {
    /// `log π(a)`, `[…]`, of actions `[…]` (`u32`) or `[…, A]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn log_prob(&self, actions: &Value) -> Result<Tensor> {
        match self {
            Self::Categorical(d) => d.log_prob(actions),
            Self::Gaussian(d) => d.log_prob(actions),
        }
    }

    /// Entropy in nats, `[…]`.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn entropy(&self) -> Result<Tensor> {
        match self {
            Self::Categorical(d) => d.entropy(),
            Self::Gaussian(d) => d.entropy(),
        }
    }

    /// `KL(self ‖ other)` in nats, `[…]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or one is categorical and the other is not.
    pub fn kl(&self, other: &Self) -> Result<Tensor> {
        match (self, other) {
            (Self::Categorical(p), Self::Categorical(q)) => p.kl(q),
            (Self::Gaussian(p), Self::Gaussian(q)) => p.kl(q),
            _ => Err(Error::Unsupported {
                message: "a categorical and a Gaussian distribution have no divergence: compare policies of one kind"
                    .into(),
            }),
        }
    }

    /// An action for every row, row i drawn from generator i alone.
    ///
    /// # Errors
    /// If there are not as many generators as rows.
    pub fn sample(&self, rngs: &mut [ChaCha8Rng]) -> Result<ActionBuffer> {
        let dims = match self {
            Self::Categorical(d) => d.log_probs().dims(),
            Self::Gaussian(d) => d.mean().dims(),
        };
        let rows: usize = dims[..dims.len() - 1].iter().product();
        if rows != rngs.len() {
            return Err(Error::shape("the list of generators", &[rngs.len()], format!("one for each of {rows} rows")));
        }
        match self {
            Self::Categorical(d) => Ok(ActionBuffer::Discrete(d.sample(rngs)?)),
            Self::Gaussian(d) => Ok(ActionBuffer::Continuous(d.sample(rngs)?)),
        }
    }

    /// The most probable action of every row.
    ///
    /// # Errors
    /// If the values cannot be brought to the host.
    pub fn mode(&self) -> Result<ActionBuffer> {
        match self {
            Self::Categorical(d) => Ok(ActionBuffer::Discrete(d.mode()?)),
            Self::Gaussian(d) => Ok(ActionBuffer::Continuous(d.mode()?)),
        }
    }

    /// The same as constants.
    #[must_use]
    pub fn detach(&self) -> Self {
        match self {
            Self::Categorical(d) => Self::Categorical(Categorical::from_log_probs(d.log_probs().detach())),
            Self::Gaussian(d) => Self::Gaussian(d.constant()),
        }
    }

    /// The values `[…, A]` that differ from row to row through `f`, say a selection of rows.
    pub(crate) fn map_rows(&self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(match self {
            Self::Categorical(d) => Self::Categorical(Categorical::from_log_probs(f(d.log_probs())?)),
            Self::Gaussian(d) => Self::Gaussian(d.with_mean(f(d.mean())?)),
        })
    }

    /// The tasks `start .. start + len` of `[T, M, B]`.
    pub(crate) fn tasks(&self, start: usize, len: usize) -> Result<Self> {
        let along = |axis: usize, x: &Tensor| x.narrow(axis, start, len)?.contiguous();
        Ok(match self {
            Self::Categorical(d) => Self::Categorical(Categorical::from_log_probs(along(1, d.log_probs())?)),
            Self::Gaussian(d) => {
                let shared = d.log_std().dim(0)? == 1;
                let log_std = if shared { d.log_std().clone() } else { along(0, d.log_std())? };
                Self::Gaussian(Gaussian::new(&along(1, d.mean())?, &log_std.squeeze(1)?)?)
            }
        })
    }

    /// Steps one after another, `[1, M, B]` each, to `[T, M, B]`. Deviations are those of the first: one policy made
    /// them all.
    pub(crate) fn cat(steps: &[Self]) -> Result<Self> {
        let first = steps.first().ok_or_else(|| Error::shape("the list of steps", &[0], "at least one"))?;
        let rows: Vec<&Tensor> = steps
            .iter()
            .map(|step| match step {
                Self::Categorical(d) => d.log_probs(),
                Self::Gaussian(d) => d.mean(),
            })
            .collect();
        first.map_rows(|_| Ok(Tensor::cat(&rows, 0)?))
    }
}

/// The deviation of a Gaussian policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deviation {
    /// A leaf `log_std [M, A]` that is learned with the rest.
    Learned {
        /// The deviation to begin with, `> 0`.
        initial: f64,
    },
    /// A constant.
    Fixed(
        /// The deviation, `> 0`.
        f64,
    ),
}

impl Default for Deviation {
    /// Learned, from 1: MAML's (Finn et al. 2017) and rllab's.
    fn default() -> Self {
        Self::Learned { initial: 1.0 }
    }
}

/// From the outputs of a network to a distribution over an action space.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionHead {
    space: Space,
    deviation: Deviation,
}

impl ActionHead {
    /// A categorical distribution for a discrete space, a Gaussian for a box.
    ///
    /// # Errors
    /// If the space is none, or the deviation is not above zero.
    pub fn new(space: &Space, deviation: Deviation) -> Result<Self> {
        space.validate()?;
        let (Deviation::Learned { initial: std } | Deviation::Fixed(std)) = deviation;
        crate::error::positive("deviation", std)?;
        Ok(Self { space: space.clone(), deviation })
    }

    /// The action space.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Outputs that a network needs: one for each action, or one for each element of an action.
    pub fn n_outputs(&self) -> usize {
        self.space.n_features()
    }

    /// The logarithm that a learned deviation begins with.
    pub(super) fn initial_log_std(&self) -> Option<f64> {
        match (&self.space, self.deviation) {
            (Space::Box { .. }, Deviation::Learned { initial }) => Some(libm::log(initial)),
            _ => None,
        }
    }

    /// The distribution that outputs `[…, M, B, A]` stand for. `params` holds `log_std` where that is learned.
    pub(super) fn distribution(&self, params: &Params, outputs: &Tensor) -> Result<Distribution> {
        if let Space::Discrete { .. } = self.space {
            return Ok(Distribution::Categorical(Categorical::new(outputs)?));
        }
        let log_std = match self.deviation {
            Deviation::Learned { .. } => params.get("log_std")?.clone(),
            Deviation::Fixed(std) => {
                let zeros = Tensor::zeros((1, self.n_outputs()), outputs.dtype(), outputs.device())?;
                zeros.shift(libm::log(std))?
            }
        };
        Ok(Distribution::Gaussian(Gaussian::new(outputs, &log_std)?))
    }
}
