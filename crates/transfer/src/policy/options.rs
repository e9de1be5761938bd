//! Options: policies for subgoals, learned once, and used as single actions in later tasks.
//!
//! ```text
//! an option     Q_o(s, a) += α [ 1 + 0 − Q_o ] where its subgoal is reached, else α [ γ max_b Q_o(s', b) − Q_o ]
//! over options  Q(s, o)   += α [ r₁ + γ r₂ + … + γ^{k−1} r_k + γ^k max_p Q(s', p) − Q(s, o) ]
//! ```
//! where o ran for k steps and led from s to s'. Sutton, Precup & Singh, *Between MDPs and Semi-MDPs*, 1999, §3.2 (SMDP
//! Q-learning), with options that begin anywhere but where their subgoal holds, and end where it does, with the episode, or
//! after a limit. Actions are options of one step. Options keep their policies in later tasks.

use std::fmt;
use std::sync::Arc;

use rand::RngCore;
use rekindle_envs::random::{below, unit_f64};
use rekindle_envs::{Action, Env};
use rekindle_rl::bandit::Ties;

use crate::error::{positive, probability};
use crate::successor::Encoder;
use crate::successor::linear::{Linear, largest};
use crate::{Error, Result};

/// Settings of [`Options`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionsConfig {
    /// Discount γ, at least 0 and below 1. Default 0.95.
    pub gamma: f64,
    /// Probability ε of an action or option at random, from 0 to 1. Default 0.1.
    pub epsilon: f64,
    /// Learning rate α, `> 0`. Default 0.5, for tables of deterministic worlds.
    pub rate: f64,
    /// Steps after which an option gives up, `>= 1`. Default 50.
    pub limit: usize,
}

impl Default for OptionsConfig {
    fn default() -> Self {
        Self { gamma: 0.95, epsilon: 0.1, rate: 0.5, limit: 50 }
    }
}

impl OptionsConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.gamma) {
            return Err(Error::setting("gamma", self.gamma, "at least 0 and below 1"));
        }
        probability("epsilon", self.epsilon)?;
        positive("rate", self.rate)?;
        if self.limit == 0 { Err(Error::setting("limit", self.limit, "at least 1")) } else { Ok(()) }
    }
}

/// Whether an observation is where an option wants to get.
pub type Subgoal = Arc<dyn Fn(&[f32]) -> bool + Send + Sync>;

/// An episode that came to an end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// Sum of its rewards.
    pub total: f64,
    /// Its steps.
    pub length: usize,
    /// Whether the decision process ended with it, rather than a time limit.
    pub terminated: bool,
}

/// An agent with options, for observations that an encoder reads.
///
/// ```
/// use std::sync::Arc;
/// use rekindle_envs::{GridConfig, GridEnv, GridMap, GridObservation, TimeLimit, stream_rng};
/// use rekindle_transfer::policy::{Options, OptionsConfig};
/// use rekindle_transfer::successor::Table;
/// let map = Arc::new(GridMap::parse("S.k\n..D\n..G")?);
/// let config = GridConfig { observation: GridObservation::State, ..GridConfig::default() };
/// let mut env = TimeLimit::new(GridEnv::new(map, config, None)?, 50)?;
/// let mut agent = Options::new(Table::default(), 4, OptionsConfig::default())?;
/// // The state's lowest bit is the key: it is set once the key is gone.
/// let subgoal = Arc::new(|obs: &[f32]| obs[0] as usize & 1 == 1);
/// agent.learn_option(&mut env, subgoal, 300, [&mut stream_rng(0, 0), &mut stream_rng(0, 1)])?;
/// let episodes = agent.learn_task(&mut env, 200, [&mut stream_rng(0, 2), &mut stream_rng(0, 3)])?;
/// assert!(agent.n_options() == 1 && !episodes.is_empty());
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone)]
pub struct Options<E> {
    config: OptionsConfig,
    encoder: E,
    actions: usize,
    options: Vec<(Subgoal, Linear)>,
}

impl<E: fmt::Debug> fmt::Debug for Options<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("config", &self.config)
            .field("encoder", &self.encoder)
            .field("actions", &self.actions)
            .field("options", &self.options.len())
            .finish()
    }
}

/// What is being done, and what came of it so far.
struct Running {
    /// Number of the action, or behind all of them, of the option.
    choice: usize,
    /// The state that it began in.
    from: Vec<(usize, f64)>,
    /// Discounted rewards since then, γ^k and k.
    earned: f64,
    discount: f64,
    steps: usize,
}

impl<E: Encoder> Options<E> {
    /// An agent without options for worlds with so many actions: plain Q-learning.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range, or no actions.
    pub fn new(encoder: E, actions: usize, config: OptionsConfig) -> Result<Self> {
        config.validate()?;
        if actions == 0 {
            return Err(Error::setting("actions", actions, "at least 1"));
        }
        Ok(Self { config, encoder, actions, options: Vec::new() })
    }

    /// Options that were learned.
    pub fn n_options(&self) -> usize {
        self.options.len()
    }

    /// Learns an option for a subgoal in `steps` steps of a world, whose own rewards do not count. Every episode ends at the
    /// subgoal. Answers how often it was reached. The world draws from the first generator, the agent from the second.
    ///
    /// # Errors
    /// Those of the environment and of the encoder.
    pub fn learn_option(
        &mut self,
        env: &mut dyn Env,
        subgoal: Subgoal,
        steps: usize,
        [chances, thoughts]: [&mut dyn RngCore; 2],
    ) -> Result<usize> {
        let mut table = Linear::new(self.actions, 1);
        let mut obs = vec![0.0; env.observation_space().size()];
        env.reset(chances, &mut obs)?;
        let (mut reached, mut values) = (0, vec![0.0; self.actions]);
        for _ in 0..steps {
            let x = self.encode(&obs)?;
            let action = self.explore(&table, &x, thoughts);
            let step = env.step(Action::Discrete(action), chances, &mut obs)?;
            let there = subgoal(&obs);
            let mut goal = f64::from(u8::from(there));
            if !there && !step.terminated {
                table.values(&self.encode(&obs)?, &mut values);
                goal += self.config.gamma * largest(values.iter().copied()).1;
            }
            table.values(&x, &mut values);
            table.correct(&x, action, &[goal - values[action]], self.config.rate);
            reached += usize::from(there);
            if there || step.done() {
                env.reset(chances, &mut obs)?;
            }
        }
        self.options.push((subgoal, table));
        Ok(reached)
    }

    /// Plays `steps` steps of a new task with actions and options, learning their values from zero; the episodes that came to
    /// an end. The world draws from the first generator, the agent from the second.
    ///
    /// # Errors
    /// Those of the environment and of the encoder.
    pub fn learn_task(
        &mut self,
        env: &mut dyn Env,
        steps: usize,
        [chances, thoughts]: [&mut dyn RngCore; 2],
    ) -> Result<Vec<Episode>> {
        let mut table = Linear::new(self.actions + self.options.len(), 1);
        let mut obs = vec![0.0; env.observation_space().size()];
        env.reset(chances, &mut obs)?;
        let (mut running, mut episodes): (Option<Running>, _) = (None, Vec::new());
        let mut episode = Episode { total: 0.0, length: 0, terminated: false };
        for _ in 0..steps {
            let x = self.encode(&obs)?;
            let mut now = match running.take() {
                Some(running) => running,
                None => {
                    let choice = self.choose(&table, &x, &obs, thoughts);
                    Running { choice, from: x.clone(), earned: 0.0, discount: 1.0, steps: 0 }
                }
            };
            let action = self.action(now.choice, &x, thoughts);
            let step = env.step(Action::Discrete(action), chances, &mut obs)?;
            now.earned += now.discount * f64::from(step.reward);
            (now.discount, now.steps) = (now.discount * self.config.gamma, now.steps + 1);
            (episode.total, episode.length) = (episode.total + f64::from(step.reward), episode.length + 1);
            if step.done() || self.ends(&now, &obs) {
                self.back_up(&mut table, &now, (!step.terminated).then_some(&obs[..]))?;
            } else {
                running = Some(now);
            }
            if step.done() {
                episodes.push(Episode { terminated: step.terminated, ..episode });
                episode = Episode { total: 0.0, length: 0, terminated: false };
                env.reset(chances, &mut obs)?;
            }
        }
        Ok(episodes)
    }

    fn encode(&mut self, obs: &[f32]) -> Result<Vec<(usize, f64)>> {
        let mut x = Vec::new();
        self.encoder.encode(obs, &mut x)?;
        Ok(x)
    }

    /// An ε-greedy action by an option's table.
    fn explore(&self, table: &Linear, x: &[(usize, f64)], rng: &mut dyn RngCore) -> usize {
        if unit_f64(rng) < self.config.epsilon {
            return below(rng, self.actions);
        }
        let mut values = vec![0.0; self.actions];
        table.values(x, &mut values);
        Ties::Random.largest(values, rng)
    }

    /// Actions, and the options whose subgoal is yet to be reached.
    fn available(&self, obs: &[f32]) -> Vec<usize> {
        let options = self.options.iter().enumerate().filter(|(_, (subgoal, _))| !subgoal(obs));
        (0..self.actions).chain(options.map(|(i, _)| self.actions + i)).collect()
    }

    /// An ε-greedy choice among what is available.
    fn choose(&self, table: &Linear, x: &[(usize, f64)], obs: &[f32], rng: &mut dyn RngCore) -> usize {
        let available = self.available(obs);
        if unit_f64(rng) < self.config.epsilon {
            return available[below(rng, available.len())];
        }
        let mut values = vec![0.0; self.actions + self.options.len()];
        table.values(x, &mut values);
        available[Ties::Random.largest(available.iter().map(|choice| values[*choice]), rng)]
    }

    /// The action that a choice takes in a state.
    fn action(&self, choice: usize, x: &[(usize, f64)], rng: &mut dyn RngCore) -> usize {
        let Some(option) = choice.checked_sub(self.actions) else { return choice };
        let mut values = vec![0.0; self.actions];
        self.options[option].1.values(x, &mut values);
        Ties::Random.largest(values, rng)
    }

    fn ends(&self, now: &Running, obs: &[f32]) -> bool {
        now.choice.checked_sub(self.actions).is_none_or(|i| self.options[i].0(obs) || now.steps >= self.config.limit)
    }

    /// Learns from what a choice came to. Without an observation nothing follows.
    fn back_up(&mut self, table: &mut Linear, now: &Running, then: Option<&[f32]>) -> Result<()> {
        let mut values = vec![0.0; self.actions + self.options.len()];
        let mut goal = now.earned;
        if let Some(obs) = then {
            table.values(&self.encode(obs)?, &mut values);
            goal += now.discount * largest(self.available(obs).into_iter().map(|choice| values[choice])).1;
        }
        table.values(&now.from, &mut values);
        table.correct(&now.from, now.choice, &[goal - values[now.choice]], self.config.rate);
        Ok(())
    }
}
