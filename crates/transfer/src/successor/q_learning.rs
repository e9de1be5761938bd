//! What successor features are compared with: Q-learning from nothing in every task, and policy reuse.
//!
//! ```text
//! Q(s, a) += α [ r + γ max_b Q(s', b) − Q(s, a) ]
//! ```
//! Policy reuse (PRQL) keeps the Q of every task. At the start of an episode it chooses the policy to follow, with
//! probabilities in proportion to exp(τ W_k), where W_k is the mean return of the episodes that followed k so far. An episode
//! that follows the task's own Q is ε-greedy; one that follows an old policy takes its best action with probability η, and
//! else acts ε-greedily by the task's own Q. Only the own Q learns. Fernández & Veloso, *Probabilistic Policy Reuse in a
//! Reinforcement Learning Agent*, AAMAS 2006, with the constant η of Barreto et al. 2017 in the place of one that fades
//! within an episode.

use rand::RngCore;
use rekindle_envs::random::{below, unit_f64};
use rekindle_rl::bandit::Ties;

use super::linear::{Linear, largest};
use super::sfql::check_play;
use super::{Encoder, Step, TaskAgent};
use crate::error::positive;
use crate::{Error, Result};

/// How old policies are reused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reuse {
    /// Probability η of an old policy's action in an episode that follows it, from 0 to 1. Default 0.3, the middle of the
    /// three that Barreto et al. 2017 try.
    pub follow: f64,
    /// Inverse temperature τ of the choice between policies, `>= 0`. Default 10, the middle of three.
    pub greed: f64,
}

impl Default for Reuse {
    fn default() -> Self {
        Self { follow: 0.3, greed: 10.0 }
    }
}

/// Settings of [`TaskQLearning`]. Defaults as for [`SfqlConfig`](super::SfqlConfig).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskQConfig {
    /// Discount γ, at least 0 and below 1. Default 0.95.
    pub gamma: f64,
    /// Probability ε of an action at random, from 0 to 1. Default 0.15.
    pub epsilon: f64,
    /// Learning rate α, `> 0`. Default 0.05.
    pub rate: f64,
    /// Whether, and how, policies of earlier tasks are used. Default: not at all.
    pub reuse: Option<Reuse>,
}

impl Default for TaskQConfig {
    fn default() -> Self {
        Self { gamma: 0.95, epsilon: 0.15, rate: 0.05, reuse: None }
    }
}

impl TaskQConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        check_play(self.gamma, self.epsilon)?;
        positive("rate", self.rate)?;
        let Some(Reuse { follow, greed }) = self.reuse else { return Ok(()) };
        if !(0.0..=1.0).contains(&follow) {
            return Err(Error::setting("follow", follow, "a probability, from 0 to 1"));
        }
        if greed >= 0.0 && greed.is_finite() { Ok(()) } else { Err(Error::setting("greed", greed, "at least 0")) }
    }
}

/// Q-learning that begins each task with Q = 0, with or without reuse of earlier tasks' policies.
///
/// ```
/// use rekindle_envs::{EnvFamily, GridRooms, stream_rng};
/// use rekindle_transfer::successor::{Reuse, Table, TaskQConfig, TaskQLearning, play_task};
/// let config = TaskQConfig { rate: 0.5, reuse: Some(Reuse::default()), ..TaskQConfig::default() };
/// let mut agent = TaskQLearning::new(Table::default(), 4, config)?;
/// let env = &mut GridRooms::default().make(&[1.0, 0.0, -1.0])?;
/// let record = play_task(&mut agent, env, (600, 3), &mut stream_rng(0, 0), &mut stream_rng(0, 1))?;
/// assert!(record.parts.len() == 3 && record.episodes >= 3); // of 200 steps at most
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TaskQLearning<E> {
    config: TaskQConfig,
    encoder: E,
    actions: usize,
    /// Of all tasks so far where policies are reused, else of the present one.
    tables: Vec<Linear>,
    /// Mean return W_k and episodes so far, for each table.
    gains: Vec<(f64, f64)>,
    followed: usize,
    total: f64,
    x: Vec<(usize, f64)>,
    values: Vec<f64>,
}

impl<E: Encoder> TaskQLearning<E> {
    /// An agent for worlds with so many actions.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range, or no actions.
    pub fn new(encoder: E, actions: usize, config: TaskQConfig) -> Result<Self> {
        config.validate()?;
        if actions == 0 {
            return Err(Error::setting("actions", actions, "at least 1"));
        }
        let (tables, gains, values) = (Vec::new(), Vec::new(), vec![0.0; actions]);
        let (x, followed, total) = (Vec::new(), 0, 0.0);
        Ok(Self { config, encoder, actions, tables, gains, followed, total, x, values })
    }

    fn own(&self) -> usize {
        self.tables.len() - 1
    }

    /// The best action of table `i` at the encoded state, ties broken at random.
    fn best(&mut self, i: usize, rng: &mut dyn RngCore) -> usize {
        self.tables[i].values(&self.x, &mut self.values);
        Ties::Random.largest(self.values.iter().copied(), rng)
    }
}

impl<E: Encoder> TaskAgent for TaskQLearning<E> {
    fn begin_task(&mut self, _rng: &mut dyn RngCore) -> Result<()> {
        if self.config.reuse.is_none() {
            self.tables.clear();
        }
        self.tables.push(Linear::new(self.actions, 1));
        self.gains = vec![(0.0, 0.0); self.tables.len()];
        self.total = 0.0;
        Ok(())
    }

    fn begin_episode(&mut self, rng: &mut dyn RngCore) {
        let Some(Reuse { greed, .. }) = self.config.reuse else {
            self.followed = self.tables.len().saturating_sub(1);
            return;
        };
        let most = self.gains.iter().fold(f64::NEG_INFINITY, |most, gain| most.max(gain.0));
        let weights: Vec<f64> = self.gains.iter().map(|gain| libm::exp(greed * (gain.0 - most))).collect();
        let mut left = unit_f64(rng) * weights.iter().sum::<f64>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        self.followed = drawn.unwrap_or(self.tables.len().saturating_sub(1));
        self.total = 0.0;
    }

    fn act(&mut self, obs: &[f32], rng: &mut dyn RngCore) -> Result<usize> {
        if self.tables.is_empty() {
            self.begin_task(rng)?;
            self.begin_episode(rng);
        }
        self.x.clear();
        self.encoder.encode(obs, &mut self.x)?;
        let follow = self.config.reuse.map_or(0.0, |reuse| reuse.follow);
        if self.followed != self.own() && unit_f64(rng) < follow {
            return Ok(self.best(self.followed, rng));
        }
        if unit_f64(rng) < self.config.epsilon {
            return Ok(below(rng, self.actions));
        }
        Ok(self.best(self.own(), rng))
    }

    fn observe(&mut self, step: Step<'_>) -> Result<()> {
        let own = self.own();
        let mut goal = step.reward;
        if !step.terminated {
            self.x.clear();
            self.encoder.encode(step.next_obs, &mut self.x)?;
            self.tables[own].values(&self.x, &mut self.values);
            goal += self.config.gamma * largest(self.values.iter().copied()).1;
        }
        self.x.clear();
        self.encoder.encode(step.obs, &mut self.x)?;
        self.tables[own].values(&self.x, &mut self.values);
        let error = [goal - self.values[step.action]];
        self.tables[own].correct(&self.x, step.action, &error, self.config.rate);
        self.total += step.reward;
        if step.done {
            let (mean, episodes) = &mut self.gains[self.followed];
            *episodes += 1.0;
            *mean += (self.total - *mean) / *episodes;
        }
        Ok(())
    }
}
