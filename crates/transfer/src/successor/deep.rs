//! Successor features from networks: one for each task that is trained on, all of them learning from everything.
//!
//! ```text
//! ψ_i(s, a) → φ + γ ψ̄_i(s', a'),   a' = argmax_b max_k ψ̄_k(s', b)ᵀ w_i        (nothing follows a terminal s')
//! π(s; w)   = argmax_a max_i ψ_i(s, a)ᵀ w                                     for any weights w
//! ```
//! ψ̄ are the networks as they were at the last copy. Barreto et al., *Successor Features for Transfer in Reinforcement
//! Learning*, NIPS 2017, §4.2, "SFDQN"; the loss is the mean squared error over the features.
//!
//! Differs from the paper: tasks are trained on side by side, each network learns from the transitions of all tasks, and the
//! networks lie along the task axis, so that M policies are one batched product.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Params, Tensor};
use rekindle_envs::random::{below, unit_f64};
use rekindle_optim::{Adam, State, Transform};
use rekindle_rl::{Net, Sequence};

use super::buffer::{SuccessorBatch, SuccessorBuffer};
use super::linear::{dot, largest};
use super::sfql::check_play;
use crate::descent::descend;
use crate::{Error, Result};

/// Whose best action a target follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follows {
    /// The best of all policies, for the task of the one that learns: generalised policy improvement, the paper's.
    #[default]
    All,
    /// The policy's own: each network is a DQN of its task, with vectors for values.
    Own,
}

/// Settings of [`SuccessorLearner`]. Defaults: Barreto et al. 2017, §B.2.
#[derive(Clone, Debug)]
pub struct SuccessorConfig {
    /// Discount γ, at least 0 and below 1. Default 0.9.
    pub gamma: f64,
    /// Transitions in an update, which all policies share, `>= 1`. Default 32.
    pub batch: usize,
    /// Updates from one copy of the networks to the next, `>= 1`. Default 1000.
    pub copy_every: u64,
    /// Whose best action a target follows. Default: that of all policies.
    pub follows: Follows,
    /// The optimiser. Default Adam with rate 1e-3.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for SuccessorConfig {
    fn default() -> Self {
        let optimiser = Arc::new(Adam::new(1e-3));
        Self { gamma: 0.9, batch: 32, copy_every: 1000, follows: Follows::All, optimiser }
    }
}

impl SuccessorConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        check_play(self.gamma, 0.0)?;
        if self.batch == 0 {
            return Err(Error::setting("batch", self.batch, "at least 1"));
        }
        if self.copy_every == 0 {
            return Err(Error::setting("copy_every", self.copy_every, "at least 1"));
        }
        Ok(())
    }
}

/// Everything that changes in training.
#[derive(Clone, Debug)]
pub struct SuccessorState {
    /// Parameters of the networks, leaves `[M, …]`.
    pub params: Params,
    /// Those of their copies.
    pub target: Params,
    /// Of the optimiser.
    pub optimiser: State,
    /// Updates so far.
    pub updates: u64,
}

/// Networks for the successor features of M policies, one for each task trained on, and generalised policy improvement over
/// them.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_autodiff::Tensor;
/// use rekindle_envs::stream_rng;
/// use rekindle_nn::Activation;
/// use rekindle_rl::FeedForward;
/// use rekindle_transfer::successor::{SuccessorConfig, SuccessorLearner};
/// // Three actions, two features, two tasks to train on.
/// let net = FeedForward::value_mlp(&[4, 16, 3 * 2], Activation::Tanh)?;
/// let tasks = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
/// let learner = SuccessorLearner::new(net, 3, tasks, SuccessorConfig::default())?;
/// let state = learner.init(&mut stream_rng(0, 0), DType::F32, &Device::Cpu)?;
/// let obs = Tensor::ones((5, 4), DType::F32, &Device::Cpu)?;
/// assert_eq!(learner.successor_features(&state.params, &obs)?.dims(), [2, 5, 3, 2]);
/// // Any other task is told by its weights, here one for each of the five rows.
/// let values = learner.values(&state.params, &obs, &[0.5, -1.0].repeat(5))?;
/// assert_eq!(values.len(), 5 * 3);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SuccessorLearner {
    net: Arc<dyn Net>,
    n_actions: usize,
    n_features: usize,
    /// Weights `[F]` of the task of each policy.
    tasks: Vec<Vec<f64>>,
    config: SuccessorConfig,
}

impl SuccessorLearner {
    /// Networks of one kind, without memory and with A·F outputs, for tasks with these weights `[F]` each.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range, or no task; [`Error::Width`] where tasks have weights of different
    /// lengths, or the outputs are not A·F.
    pub fn new(
        net: impl Net + 'static,
        n_actions: usize,
        tasks: Vec<Vec<f64>>,
        config: SuccessorConfig,
    ) -> Result<Self> {
        config.validate()?;
        let Some(n_features) = tasks.first().map(Vec::len).filter(|n| n * n_actions > 0) else {
            return Err(Error::setting("tasks", format!("{tasks:?}"), "at least one task, feature and action"));
        };
        if let Some(task) = tasks.iter().find(|task| task.len() != n_features) {
            return Err(Error::Width { what: "the weights of a task", found: task.len(), expected: n_features });
        }
        if net.n_outputs() != n_actions * n_features {
            let (found, expected) = (net.n_outputs(), n_actions * n_features);
            return Err(Error::Width { what: "the outputs of the network, actions × features,", found, expected });
        }
        if net.memory_size().is_some() {
            return Err(Error::setting("net", "one with memory", "without: single transitions are learned from"));
        }
        Ok(Self { net: Arc::new(net), n_actions, n_features, tasks, config })
    }

    /// Features of an observation D, actions A, and features of a transition F.
    pub fn sizes(&self) -> [usize; 3] {
        [self.net.n_inputs(), self.n_actions, self.n_features]
    }

    /// Networks with fresh parameters of their own, before the first update.
    ///
    /// # Errors
    /// If the device cannot allocate them, or a setting of the optimiser is out of its range.
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<SuccessorState> {
        let nets = self.tasks.iter().map(|_| self.net.init(rng, dtype, device));
        let params = Params::cat_tasks(&nets.collect::<std::result::Result<Vec<_>, _>>()?)?;
        Ok(SuccessorState {
            optimiser: self.config.optimiser.init(&params)?,
            target: params.clone(),
            params,
            updates: 0,
        })
    }

    /// ψ `[M, B, A, F]` of all policies at observations `[B, D]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn successor_features(&self, params: &Params, obs: &Tensor) -> Result<Tensor> {
        let (m, b, d) = (params.n_tasks(), obs.dim(0)?, obs.dim(1)?);
        let obs = obs.reshape((1, 1, b, d))?.broadcast_to((1, m, b, d))?;
        let starts = vec![false; m * b];
        let outputs = self.net.forward(params, Sequence { obs: &obs, starts: &starts }, None)?.0; // [1, M, B, A·F]
        Ok(outputs.reshape((m, b, self.n_actions, self.n_features))?)
    }

    /// Values `[B, A]` of all actions by the best of the policies, at observations `[B, D]` with weights `[B, F]`.
    ///
    /// # Errors
    /// [`Error::Width`] for weights of another length, and if the shapes do not fit.
    pub fn values(&self, params: &Params, obs: &Tensor, weights: &[f64]) -> Result<Vec<f64>> {
        let (found, expected) = (weights.len(), obs.dim(0)? * self.n_features);
        if found != expected {
            return Err(Error::Width { what: "the weights of the rows' tasks", found, expected });
        }
        let _scope = NoRecord::new();
        let psi = self.successor_features(params, obs)?.to_vec_f64()?;
        let rows = weights.chunks_exact(self.n_features).enumerate();
        Ok(rows.flat_map(|(row, w)| self.best_values(&psi, [row, expected / self.n_features], w)).collect())
    }

    /// An action for every row, with generators of their own: random with probability `epsilon`, else the best of all
    /// policies for the row's weights.
    ///
    /// # Errors
    /// As [`values`](Self::values); [`Error::Setting`] for ε that is no probability, [`Error::Width`] for generators that are
    /// not as many as rows.
    pub fn act(
        &self,
        params: &Params,
        obs: &Tensor,
        weights: &[f64],
        epsilon: f64,
        rngs: &mut [ChaCha8Rng],
    ) -> Result<Vec<u32>> {
        check_play(0.0, epsilon)?;
        if rngs.len() != obs.dim(0)? {
            return Err(Error::Width { what: "the list of generators", found: rngs.len(), expected: obs.dim(0)? });
        }
        let values = self.values(params, obs, weights)?;
        let choose = |(row, rng): (&[f64], &mut ChaCha8Rng)| -> u32 {
            let random = unit_f64(rng) < epsilon;
            (if random { below(rng, self.n_actions) } else { largest(row.iter().copied()).0 }) as u32
        };
        Ok(values.chunks_exact(self.n_actions).zip(rngs).map(choose).collect())
    }

    /// One update of all networks from transitions of the buffer; the new state and the mean loss before it.
    ///
    /// # Errors
    /// If the buffer is empty or does not fit, or the loss is not finite.
    pub fn update(
        &self,
        state: &SuccessorState,
        buffer: &SuccessorBuffer,
        rng: &mut dyn RngCore,
    ) -> Result<(SuccessorState, f64)> {
        let batch = buffer.sample(self.config.batch, rng)?;
        let like = state.params.leaves().first().ok_or_else(|| Error::setting("parameters", 0, "at least one leaf"))?;
        let beside = |rows: Vec<f32>, shape: &[usize]| -> Result<Tensor> {
            Ok(Tensor::from_vec(rows, shape)?.to_dtype(like.dtype())?.to_device(like.device())?)
        };
        let ([d, a, f], m, b) = (self.sizes(), self.tasks.len(), batch.actions.len());
        let goals = beside(self.goals(state, &batch, &|rows| beside(rows, &[b, d]))?, &[m, b, f])?;
        let obs = beside(batch.obs, &[b, d])?;
        let ids: Vec<u32> = batch.actions.iter().flat_map(|action| vec![*action; f]).collect();
        if batch.actions.iter().any(|action| *action as usize >= a) {
            return Err(Error::setting("actions", format!("{:?}", batch.actions), "below the number of actions"));
        }
        let ids = Value::from_vec(ids.repeat(m), (m, b, 1, f), like.device())?;
        let (params, optimiser, loss) = descend(&*self.config.optimiser, &state.params, &state.optimiser, |params| {
            let taken = self.successor_features(params, &obs)?.gather(2, &ids)?.squeeze(2)?; // [M, B, F]
            Ok(taken.sub(&goals)?.sqr()?.mean(&[1, 2])?)
        })?;
        let updates = state.updates + 1;
        let target = if updates.is_multiple_of(self.config.copy_every) { params.clone() } else { state.target.clone() };
        Ok((SuccessorState { params, target, optimiser, updates }, loss))
    }

    /// What each policy should answer, `[M, B, F]`.
    fn goals(
        &self,
        state: &SuccessorState,
        batch: &SuccessorBatch,
        tensor: &dyn Fn(Vec<f32>) -> Result<Tensor>,
    ) -> Result<Vec<f32>> {
        let _scope = NoRecord::new();
        let ([_, a, f], b) = (self.sizes(), batch.actions.len());
        let psi = self.successor_features(&state.target, &tensor(batch.next_obs.clone())?)?.to_vec_f64()?;
        let mut goals = batch.features.repeat(self.tasks.len());
        for (i, (goals, w)) in goals.chunks_exact_mut(b * f).zip(&self.tasks).enumerate() {
            for (row, goal) in goals.chunks_exact_mut(f).enumerate().filter(|(row, _)| !batch.terminated[*row]) {
                let own = &psi[(i * b + row) * a * f..(i * b + row + 1) * a * f];
                let next = match self.config.follows {
                    Follows::All => largest(self.best_values(&psi, [row, b], w)).0,
                    Follows::Own => largest(own.chunks_exact(f).map(|psi| dot(psi, w))).0,
                };
                let then = &own[next * f..(next + 1) * f];
                goal.iter_mut().zip(then).for_each(|(goal, psi)| *goal += (self.config.gamma * psi) as f32);
            }
        }
        Ok(goals)
    }

    /// Values `[A]` by the best of the policies in row `row` of `b`, from ψ `[M, B, A, F]`.
    fn best_values(&self, psi: &[f64], [row, b]: [usize; 2], w: &[f64]) -> Vec<f64> {
        let [_, a, f] = self.sizes();
        let mut best = vec![f64::NEG_INFINITY; a];
        for policy in psi.chunks_exact(b * a * f) {
            let values = policy[row * a * f..(row + 1) * a * f].chunks_exact(f);
            best.iter_mut().zip(values).for_each(|(best, psi)| *best = best.max(dot(psi, w)));
        }
        best
    }
}
