//! Q-learning with a network: DQN, its double form, and soft Q-learning.
//!
//! ```text
//! L = E[ huber(Q(s, a) − y) ]        y = r + γ V̄(s'), and r where s' is terminal
//! V̄(s) = max_a Q̄(s, a)                      DQN: Mnih et al. 2015
//! V̄(s) = Q̄(s, argmax_a Q(s, a))             double: van Hasselt, Guez & Silver 2016
//! V̄(s) = τ log Σ_a exp(Q̄(s, a)/τ)           soft: Haarnoja, Tang, Abbeel & Levine 2017, eq. 10, with a finite sum
//! ```
//! Q̄ is the network as it was at the last copy.

use std::sync::Arc;

use candle_core::Tensor as Value;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Params, Tensor};
use rekindle_envs::random::{below, unit_f64};
use rekindle_optim::{Adam, State, Transform};

use super::replay::{ReplayBuffer, Transitions};
use super::step::descend;
use crate::error::{at_least_one, in_range, positive};
use crate::policy::{Net, Sequence};
use crate::returns::check_unit;
use crate::{Error, Result};

/// What a state is worth, by the copied network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Backup {
    /// The largest of its actions' values.
    #[default]
    Max,
    /// The copied network's value of the action that the network itself likes best.
    Double,
    /// The soft maximum; actions are then drawn in proportion to `exp(Q/τ)`.
    Soft {
        /// Temperature τ, `> 0`, in units of reward.
        temperature: f64,
    },
}

/// Settings of Q-learning. The defaults suit small problems; DQN's on Atari are γ = 0.99, batches of 32, a copy every
/// 10,000 steps.
#[derive(Clone, Debug)]
pub struct QConfig {
    /// Discount γ, from 0 to 1. Default 0.99.
    pub gamma: f64,
    /// Transitions of each task in an update, `>= 1`. Default 32.
    pub batch: usize,
    /// Updates from one copy of the network to the next, `>= 1`. Default 100.
    pub copy_every: u64,
    /// What a state is worth. Default: the largest value.
    pub backup: Backup,
    /// The optimiser. Default Adam with rate 1e-3.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for QConfig {
    fn default() -> Self {
        let optimiser = Arc::new(Adam::new(1e-3));
        Self { gamma: 0.99, batch: 32, copy_every: 100, backup: Backup::Max, optimiser }
    }
}

/// Everything that changes in training.
#[derive(Clone, Debug)]
pub struct QState {
    /// The network's parameters.
    pub params: Params,
    /// Those of its copy.
    pub target: Params,
    /// Of the optimiser.
    pub optimiser: State,
    /// Updates so far.
    pub updates: u64,
}

/// A network that estimates the value of every action.
#[derive(Clone, Debug)]
pub struct QLearner {
    net: Arc<dyn Net>,
    config: QConfig,
}

impl QLearner {
    /// A network without memory, with an output for each of `n_actions`.
    ///
    /// # Errors
    /// If a setting is out of its range, the outputs are not as many, or the network has memory.
    pub fn new(net: impl Net + 'static, n_actions: usize, config: QConfig) -> Result<Self> {
        check_unit("gamma", config.gamma)?;
        at_least_one("batch", config.batch)?;
        at_least_one("copy_every", config.copy_every as usize)?;
        if let Backup::Soft { temperature } = config.backup {
            positive("temperature", temperature)?;
        }
        if net.n_outputs() != n_actions {
            let wants = format!("Q-learning with {n_actions} actions");
            return Err(Error::PolicyOutputs { found: net.n_outputs(), expected: n_actions, wants });
        }
        if net.memory_size().is_some() {
            let message = "Q-learning draws single transitions, so its network can have no memory: use `FeedForward`";
            return Err(Error::Unsupported { message: message.into() });
        }
        Ok(Self { net: Arc::new(net), config })
    }

    /// The network.
    pub fn net(&self) -> &dyn Net {
        &*self.net
    }

    /// The state before the first update.
    ///
    /// # Errors
    /// If a setting of the optimiser is out of its range.
    pub fn init(&self, params: &Params) -> Result<QState> {
        let params = params.detach();
        Ok(QState { optimiser: self.config.optimiser.init(&params)?, target: params.clone(), params, updates: 0 })
    }

    /// Values `[M, B, A]` of all actions for observations `[M, B, D]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn values(&self, params: &Params, obs: &Tensor) -> Result<Tensor> {
        let obs = obs.unsqueeze(0)?;
        let starts = vec![false; obs.dims()[1] * obs.dims().get(2).copied().unwrap_or(0)];
        Ok(self.net.forward(params, Sequence { obs: &obs, starts: &starts }, None)?.0.squeeze(0)?)
    }

    /// An action for every row, with generators of their own: random with probability `epsilon`, else the best; drawn by
    /// `exp(Q/τ)` instead of the best where the backup is soft.
    ///
    /// # Errors
    /// If the shapes do not fit, or ε is not a probability.
    pub fn act(&self, params: &Params, obs: &Tensor, epsilon: f64, rngs: &mut [ChaCha8Rng]) -> Result<Vec<u32>> {
        in_range("epsilon", epsilon, [0.0, 1.0], "from 0 to 1")?;
        let _scope = NoRecord::new();
        let (n, values) = (self.net.n_outputs(), self.values(params, obs)?.to_vec_f64()?);
        if values.len() != n * rngs.len() {
            return Err(Error::shape("the list of generators", &[rngs.len()], format!("[{}]", values.len() / n)));
        }
        let choose = |(row, rng): (&[f64], &mut ChaCha8Rng)| -> u32 {
            let best = (1..n).fold(0, |best, a| if row[a] > row[best] { a } else { best });
            let chosen = match self.config.backup {
                _ if unit_f64(rng) < epsilon => below(rng, n),
                Backup::Soft { temperature } => boltzmann(row, row[best], temperature, rng),
                Backup::Max | Backup::Double => best,
            };
            chosen as u32
        };
        Ok(values.chunks_exact(n).zip(rngs).map(choose).collect())
    }

    /// One update from transitions of the buffer; the new state and the loss before it.
    ///
    /// # Errors
    /// If the buffer is empty or does not fit, or the loss is not finite.
    pub fn update(&self, state: &QState, buffer: &ReplayBuffer, rng: &mut dyn RngCore) -> Result<(QState, f64)> {
        let leaf = state.params.leaves().first().ok_or_else(|| Error::shape("the parameters", &[0], "leaves"))?;
        let batch = buffer.sample(self.config.batch, rng, leaf.dtype(), leaf.device())?;
        let goals = self.goals(state, &batch)?;
        let (params, optimiser, loss) = descend(&*self.config.optimiser, &state.params, &state.optimiser, |params| {
            let taken = chosen(&self.values(params, &batch.obs)?, &batch.actions)?;
            Ok(huber(&taken.sub(&goals)?)?.mean(&[1])?)
        })?;
        let updates = state.updates + 1;
        let target = if updates.is_multiple_of(self.config.copy_every) { params.clone() } else { state.target.clone() };
        Ok((QState { params, target, optimiser, updates }, loss))
    }

    /// `y [M, B]`, constants.
    fn goals(&self, state: &QState, batch: &Transitions) -> Result<Tensor> {
        let _scope = NoRecord::new();
        let next = self.values(&state.target, &batch.next_obs)?;
        let worth = match self.config.backup {
            Backup::Max => next.max_keepdim(2)?.squeeze(2)?,
            Backup::Double => {
                let best = self.values(&state.params, &batch.next_obs)?.value().argmax(2)?;
                chosen(&next, &best)?
            }
            Backup::Soft { temperature } => next.scale(1.0 / temperature)?.logsumexp()?.scale(temperature)?,
        };
        Ok(batch.rewards.add(&worth.mul(&batch.goes_on)?.scale(self.config.gamma)?)?)
    }
}

/// `Q(s, a) [M, B]` of values `[M, B, A]` and actions `[M, B]`.
fn chosen(values: &Tensor, actions: &Value) -> Result<Tensor> {
    Ok(values.gather(2, &actions.unsqueeze(2)?)?.squeeze(2)?)
}

/// `x²/2` up to 1, `|x| − ½` beyond: the error that DQN clips.
fn huber(x: &Tensor) -> Result<Tensor> {
    let size = x.abs()?;
    let near = size.clamp(0.0, 1.0)?;
    Ok(near.mul(&size.sub(&near.scale(0.5)?)?)?)
}

/// An action in proportion to `exp(Q/τ)`.
fn boltzmann(values: &[f64], best: f64, temperature: f64, rng: &mut dyn RngCore) -> usize {
    let weights: Vec<f64> = values.iter().map(|q| libm::exp((q - best) / temperature)).collect();
    let mut left = unit_f64(rng) * weights.iter().sum::<f64>();
    let drawn = weights.iter().position(|w| {
        left -= w;
        left < 0.0
    });
    drawn.unwrap_or(values.len() - 1)
}
