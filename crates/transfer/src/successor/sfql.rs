//! Q-learning with successor features and generalised policy improvement, over a sequence of tasks.
//!
//! In task t, at state s:
//!
//! ```text
//! a, c   = argmax over actions and policies i of ψ_i(s, a)ᵀ w_t          (a at random with probability ε)
//! w_t   += α_w (r − φᵀw_t) φ
//! ψ_t(s, a) += α [ φ + γ ψ_t(s', a') − ψ_t(s, a) ],   a' = argmax_b max_k ψ_k(s', b)ᵀ w_t
//! ψ_c(s, a) += α [ φ + γ ψ_c(s', a') − ψ_c(s, a) ],   a' = argmax_b ψ_c(s', b)ᵀ w_c            if c ≠ t
//! ```
//! and nothing follows a terminal s'. A new task begins with a copy of the last ψ. Barreto et al., *Successor Features for
//! Transfer in Reinforcement Learning*, NIPS 2017, Algorithm 3.
//!
//! Differs from the paper: ties between actions are broken at random, and rates are divided by ‖x(s)‖² (normalised least mean
//! squares), so that they mean the same for tables and for Gaussians; both hold for all agents of this module.

use rand::RngCore;
use rekindle_envs::random::{below, unit_f64};
use rekindle_rl::bandit::Ties;

use super::linear::{Linear, dot, largest};
use super::{Encoder, Step, TaskAgent, TransitionFeatures};
use crate::error::{positive, probability};
use crate::{Error, Result};

/// Settings of [`Sfql`]. Defaults: Barreto et al. 2017, §B.1; of the three learning rates that it tries, the middle one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SfqlConfig {
    /// Discount γ, at least 0 and below 1. Default 0.95.
    pub gamma: f64,
    /// Probability ε of an action at random, from 0 to 1. Default 0.15.
    pub epsilon: f64,
    /// Learning rate α of the successor features, `> 0`. Default 0.05.
    pub rate: f64,
    /// Learning rate α_w of the task's weights, `> 0`; not used where they are known. Default 0.05.
    pub weight_rate: f64,
    /// Where the weights of a new task begin, with noise of up to 0.01. Default 0; above it everything that was ever met is
    /// worth another try, below it nothing is.
    pub initial_weight: f64,
}

impl Default for SfqlConfig {
    fn default() -> Self {
        Self { gamma: 0.95, epsilon: 0.15, rate: 0.05, weight_rate: 0.05, initial_weight: 0.0 }
    }
}

impl SfqlConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        check_play(self.gamma, self.epsilon)?;
        positive("rate", self.rate)?;
        positive("weight_rate", self.weight_rate)?;
        if self.initial_weight.is_finite() {
            return Ok(());
        }
        Err(Error::setting("initial_weight", self.initial_weight, "a finite number"))
    }
}

pub(super) fn check_play(gamma: f64, epsilon: f64) -> Result<()> {
    if !(0.0..1.0).contains(&gamma) {
        return Err(Error::setting("gamma", gamma, "at least 0 and below 1"));
    }
    probability("epsilon", epsilon)
}

/// Successor features ψ_i and weights w_i of all tasks so far; policies share the encoder of states.
///
/// ```
/// use rekindle_envs::{EnvFamily, GridRooms, stream_rng};
/// use rekindle_transfer::successor::{Given, Sfql, SfqlConfig, Table, play_task};
/// let mut agent = Sfql::new(Table::default(), Given(4), 4, SfqlConfig { rate: 0.5, ..SfqlConfig::default() })?;
/// let (chances, thoughts) = (&mut stream_rng(0, 0), &mut stream_rng(0, 1));
/// for rewards in [[1.0, 0.0, -1.0], [-1.0, 0.5, 1.0]] {
///     play_task(&mut agent, &mut GridRooms::default().make(&rewards)?, (500, 1), chances, thoughts)?;
/// }
/// assert_eq!(agent.n_policies(), 2);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sfql<E, P> {
    config: SfqlConfig,
    encoder: E,
    features: P,
    actions: usize,
    policies: Vec<Linear>,
    weights: Vec<Vec<f64>>,
    /// Whether the weights of the present task are learned.
    learns_weights: bool,
    /// The policy that the last action came from.
    chosen: usize,
    scratch: Scratch,
}

/// Buffers of one step.
#[derive(Clone, Debug, Default)]
struct Scratch {
    x: Vec<(usize, f64)>,
    next: Vec<(usize, f64)>,
    phi: Vec<f64>,
    /// `[A, F]`
    psi: Vec<f64>,
    /// `[A]`
    values: Vec<f64>,
}

impl<E: Encoder, P: TransitionFeatures> Sfql<E, P> {
    /// An agent for worlds with so many actions, which has not seen any task.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range, no actions or no features.
    pub fn new(encoder: E, features: P, actions: usize, config: SfqlConfig) -> Result<Self> {
        config.validate()?;
        if actions == 0 || features.is_empty() {
            let sizes = format!("{actions} actions and {} features", features.len());
            return Err(Error::setting("sizes", sizes, "at least one of each"));
        }
        let scratch = Scratch {
            phi: vec![0.0; features.len()],
            psi: vec![0.0; actions * features.len()],
            values: vec![0.0; actions],
            ..Scratch::default()
        };
        let (policies, weights) = (Vec::new(), Vec::new());
        Ok(Self { config, encoder, features, actions, policies, weights, learns_weights: true, chosen: 0, scratch })
    }

    /// Policies that are known: one a task, the present one included.
    pub fn n_policies(&self) -> usize {
        self.policies.len()
    }

    /// Weights `[F]` of a task as far as they are known.
    pub fn weights(&self, task: usize) -> Option<&[f64]> {
        self.weights.get(task).map(Vec::as_slice)
    }

    /// Tells the agent the weights `[F]` of the present task, so that it need not learn them: for goals that somebody
    /// describes, or weights that [`fit_weights`](super::fit_weights) found.
    ///
    /// # Errors
    /// [`Error::Width`] for more or fewer weights than features, [`Error::Setting`] before the first task.
    pub fn set_weights(&mut self, weights: &[f64]) -> Result<()> {
        let (found, expected) = (weights.len(), self.features.len());
        if found != expected {
            return Err(Error::Width { what: "the weights of a task", found, expected });
        }
        let Some(present) = self.weights.last_mut() else {
            return Err(Error::setting("weights", format!("{weights:?}"), "given after a task has begun"));
        };
        present.copy_from_slice(weights);
        self.learns_weights = false;
        Ok(())
    }

    /// Successor features `[A, F]` of a policy at an observation.
    ///
    /// # Errors
    /// [`Error::Setting`] for a policy that does not exist, and those of the encoder.
    pub fn successor_features(&mut self, policy: usize, obs: &[f32]) -> Result<Vec<f64>> {
        let Some(linear) = self.policies.get(policy) else {
            return Err(Error::setting("policy", policy, "the number of a task that has begun"));
        };
        let mut x = Vec::new();
        self.encoder.encode(obs, &mut x)?;
        let mut psi = vec![0.0; self.actions * self.features.len()];
        linear.values(&x, &mut psi);
        Ok(psi)
    }

    /// Fills `values [A]` with the best of all policies at x, and answers the policy that has the best of these.
    fn improve(&mut self, at_next: bool) -> usize {
        let Scratch { x, next, psi, values, .. } = &mut self.scratch;
        let (x, f) = (if at_next { next } else { x }, self.features.len());
        let w = self.weights.last().expect("a task has begun");
        values.fill(f64::NEG_INFINITY);
        let mut best = (0, f64::NEG_INFINITY);
        for (i, policy) in self.policies.iter().enumerate() {
            policy.values(x, psi);
            for (value, psi) in values.iter_mut().zip(psi.chunks_exact(f)) {
                let q = dot(psi, w);
                *value = value.max(q);
                // Of equals the newest is taken: a copy that has learned nothing yet stands for its original.
                if q >= best.1 {
                    best = (i, q);
                }
            }
        }
        best.0
    }

    /// One step of policy `i` towards φ + γ ψ_i(s', a'). Without a' nothing follows.
    fn learn(&mut self, i: usize, action: usize, then: Option<usize>) {
        let (f, SfqlConfig { gamma, rate, .. }) = (self.features.len(), self.config);
        let Scratch { x, next, phi, psi, .. } = &mut self.scratch;
        let mut error = phi.clone();
        if let Some(then) = then {
            self.policies[i].values(next, psi);
            error.iter_mut().zip(&psi[then * f..(then + 1) * f]).for_each(|(e, psi)| *e += gamma * psi);
        }
        self.policies[i].values(x, psi);
        error.iter_mut().zip(&psi[action * f..(action + 1) * f]).for_each(|(e, psi)| *e -= psi);
        self.policies[i].correct(x, action, &error, rate);
    }

    /// The best action at s' by policy i's own values for its own task.
    fn own_action(&mut self, i: usize) -> usize {
        let Scratch { next, psi, .. } = &mut self.scratch;
        self.policies[i].values(next, psi);
        let w = &self.weights[i];
        largest(psi.chunks_exact(self.features.len()).map(|psi| dot(psi, w))).0
    }
}

impl<E: Encoder, P: TransitionFeatures> TaskAgent for Sfql<E, P> {
    fn begin_task(&mut self, rng: &mut dyn RngCore) -> Result<()> {
        let f = self.features.len();
        let policy = self.policies.last().cloned().unwrap_or_else(|| Linear::new(self.actions, f));
        self.policies.push(policy);
        // Small weights, so that what is known of the world shows in the first actions.
        self.weights.push((0..f).map(|_| self.config.initial_weight + 0.02 * unit_f64(rng) - 0.01).collect());
        self.learns_weights = true;
        Ok(())
    }

    fn begin_episode(&mut self, _rng: &mut dyn RngCore) {}

    fn act(&mut self, obs: &[f32], rng: &mut dyn RngCore) -> Result<usize> {
        if self.policies.is_empty() {
            self.begin_task(rng)?;
        }
        self.scratch.x.clear();
        self.encoder.encode(obs, &mut self.scratch.x)?;
        self.chosen = self.improve(false);
        if unit_f64(rng) < self.config.epsilon {
            return Ok(below(rng, self.actions));
        }
        Ok(Ties::Random.largest(self.scratch.values.iter().copied(), rng))
    }

    fn observe(&mut self, step: Step<'_>) -> Result<()> {
        self.features.write(&step, &mut self.scratch.phi)?;
        let Scratch { x, next, phi, .. } = &mut self.scratch;
        x.clear();
        next.clear();
        self.encoder.encode(step.obs, x)?;
        self.encoder.encode(step.next_obs, next)?;
        if self.learns_weights {
            let w = self.weights.last_mut().expect("acting began a task");
            // Features longer than 1, learned ones say, would make a step overshoot.
            let rate = self.config.weight_rate / dot(phi, phi).max(1.0);
            let error = rate * (step.reward - dot(phi, w));
            w.iter_mut().zip(phi).for_each(|(w, phi)| *w += error * *phi);
        }
        let present = self.policies.len() - 1;
        let then = (!step.terminated).then(|| {
            self.improve(true);
            largest(self.scratch.values.iter().copied()).0
        });
        self.learn(present, step.action, then);
        if self.chosen != present {
            let then = (!step.terminated).then(|| self.own_action(self.chosen));
            self.learn(self.chosen, step.action, then);
        }
        Ok(())
    }
}
