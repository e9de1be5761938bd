//! Random finite Markov decision processes.
//!
//! ```text
//! P(· | s, a) ~ Dirichlet(α, …, α),   R(s, a) ~ N(μ, σ²),   r ~ N(R(s, a), noise²),   s_0 = 0,   H steps
//! ```
//! Defaults are those of Duan et al., *RL²*, 2016, §3.2: 10 states, 5 actions, horizon 10, α = 1, μ = σ = noise = 1.
//! The observation is the number of the state, `Discrete(S)`. The horizon belongs to the process, whose value after H
//! steps is zero, so its end is `terminated`.

use std::sync::Arc;

use rand::RngCore;

use crate::bandit::check_deviation;
use crate::{Action, Env, EnvFamily, Error, Result, Space, Transition, random};

/// A distribution over finite MDPs.
#[derive(Clone, Debug, PartialEq)]
pub struct TabularMdps {
    /// Number of states S, `>= 1`.
    pub states: usize,
    /// Number of actions A, `>= 1`.
    pub actions: usize,
    /// Steps of an episode H, `>= 1`.
    pub horizon: usize,
    /// Concentration α of the transitions, `> 0`.
    pub concentration: f64,
    /// Mean μ of the mean rewards.
    pub reward_mean: f64,
    /// Standard deviation σ of the mean rewards, `>= 0`.
    pub reward_deviation: f64,
    /// Standard deviation of a reward around its mean, `>= 0`.
    pub noise: f64,
}

impl Default for TabularMdps {
    fn default() -> Self {
        let (reward_mean, reward_deviation, noise) = (1.0, 1.0, 1.0);
        Self { states: 10, actions: 5, horizon: 10, concentration: 1.0, reward_mean, reward_deviation, noise }
    }
}

impl TabularMdps {
    /// Checks sizes and deviations.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ZeroHorizon`].
    pub fn validate(&self) -> Result<()> {
        check_sizes(self.states, self.actions, self.horizon)?;
        if !(self.concentration > 0.0 && self.concentration.is_finite()) {
            return Err(Error::config("concentration", self.concentration, "above 0"));
        }
        check_deviation("reward_deviation", self.reward_deviation)?;
        check_deviation("noise", self.noise)
    }
}

impl EnvFamily for TabularMdps {
    type Task = Arc<TabularMdp>;
    type Env = TabularEnv;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        self.validate()?;
        let mut transitions = vec![0.0; self.states * self.actions * self.states];
        transitions.chunks_exact_mut(self.states).for_each(|row| random::dirichlet(rng, self.concentration, row));
        let n = self.states * self.actions;
        let rewards = (0..n).map(|_| self.reward_mean + self.reward_deviation * random::normal(rng)).collect();
        let mdp = TabularMdp::new([self.states, self.actions], self.horizon, transitions, rewards, self.noise)?;
        Ok(Arc::new(mdp))
    }

    fn make(&self, task: &Self::Task) -> Result<TabularEnv> {
        Ok(TabularEnv::new(task.clone()))
    }
}

fn check_sizes(states: usize, actions: usize, horizon: usize) -> Result<()> {
    if states == 0 {
        return Err(Error::config("states", states, "at least 1"));
    }
    if actions == 0 {
        return Err(Error::config("actions", actions, "at least 1"));
    }
    if horizon == 0 {
        return Err(Error::ZeroHorizon { what: "horizon" });
    }
    Ok(())
}

/// A finite MDP that starts in state 0: its tables, for agents that know it and for those that must not.
#[derive(Clone, Debug, PartialEq)]
pub struct TabularMdp {
    states: usize,
    actions: usize,
    horizon: usize,
    /// `[S, A, S]`.
    transitions: Vec<f64>,
    /// Running sums of the rows of `transitions`.
    cumulative: Vec<f64>,
    /// `[S, A]`.
    rewards: Vec<f64>,
    noise: f64,
}

impl TabularMdp {
    /// An MDP from its tables: `transitions [S, A, S]`, whose rows are distributions, and mean `rewards [S, A]`.
    ///
    /// # Errors
    /// [`Error::ZeroHorizon`], and [`Error::Config`] for sizes that do not fit and rows that are no distributions.
    pub fn new(
        [states, actions]: [usize; 2],
        horizon: usize,
        transitions: Vec<f64>,
        rewards: Vec<f64>,
        noise: f64,
    ) -> Result<Self> {
        check_sizes(states, actions, horizon)?;
        check_deviation("noise", noise)?;
        if transitions.len() != states * actions * states {
            return Err(Error::config("transitions", format!("{} numbers", transitions.len()), "a table [S, A, S]"));
        }
        if rewards.len() != states * actions {
            return Err(Error::config("rewards", format!("{} numbers", rewards.len()), "a table [S, A]"));
        }
        let is_distribution =
            |row: &[f64]| row.iter().all(|&p| p >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        if let Some(row) = transitions.chunks_exact(states).find(|row| !is_distribution(row)) {
            return Err(Error::config("transitions", format!("{row:?} in a row"), "distributions over states"));
        }
        let cumulative = transitions.chunks_exact(states).flat_map(running_sums).collect();
        Ok(Self { states, actions, horizon, transitions, cumulative, rewards, noise })
    }

    /// Number of states S.
    pub fn states(&self) -> usize {
        self.states
    }

    /// Number of actions A.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Steps of an episode H.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// Transition probabilities, `[S, A, S]`.
    pub fn transitions(&self) -> &[f64] {
        &self.transitions
    }

    /// Mean rewards, `[S, A]`.
    pub fn rewards(&self) -> &[f64] {
        &self.rewards
    }

    /// Standard deviation of a reward around its mean.
    pub fn noise(&self) -> f64 {
        self.noise
    }
}

fn running_sums(row: &[f64]) -> impl Iterator<Item = f64> + '_ {
    row.iter().scan(0.0, |sum, p| {
        *sum += p;
        Some(*sum)
    })
}

/// Plays a [`TabularMdp`].
#[derive(Clone, Debug, PartialEq)]
pub struct TabularEnv {
    mdp: Arc<TabularMdp>,
    state: usize,
    elapsed: usize,
}

impl TabularEnv {
    /// An environment for the MDP.
    pub fn new(mdp: Arc<TabularMdp>) -> Self {
        Self { mdp, state: 0, elapsed: 0 }
    }

    /// The MDP.
    pub fn mdp(&self) -> &TabularMdp {
        &self.mdp
    }
}

impl Env for TabularEnv {
    fn observation_space(&self) -> Space {
        Space::discrete(self.mdp.states)
    }

    fn action_space(&self) -> Space {
        Space::discrete(self.mdp.actions)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (self.state, self.elapsed) = (0, 0);
        obs.fill(0.0);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let mdp = &*self.mdp;
        let row = self.state * mdp.actions + action.index(mdp.actions)?;
        let reward = mdp.rewards[row] + mdp.noise * random::normal(rng);
        self.state = random::categorical(rng, &mdp.cumulative[row * mdp.states..(row + 1) * mdp.states]);
        self.elapsed += 1;
        obs.fill(self.state as f32);
        Ok(Transition::new(reward as f32, self.elapsed >= mdp.horizon))
    }
}
