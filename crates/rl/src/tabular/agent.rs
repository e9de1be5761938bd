//! What an agent for finite MDPs is, and how one is played.

use std::sync::Arc;

use rand::RngCore;
use rekindle_envs::{Action, Env, EnvFamily, TabularEnv, TabularMdp, env_rng};

use crate::instances::{Summary, for_each};
use crate::{Error, Result};

/// What an agent is told of an MDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Number of states S, `>= 1`.
    pub states: usize,
    /// Number of actions A, `>= 1`.
    pub actions: usize,
    /// Steps of an episode H, `>= 1`.
    pub horizon: usize,
}

impl Sizes {
    /// Those of an MDP.
    pub fn of(mdp: &TabularMdp) -> Self {
        Self { states: mdp.states(), actions: mdp.actions(), horizon: mdp.horizon() }
    }

    /// Refuses sizes of zero.
    ///
    /// # Errors
    /// [`Error::NothingToPlay`].
    pub fn validate(&self) -> Result<()> {
        let sizes = [("number of states", self.states), ("number of actions", self.actions), ("horizon", self.horizon)];
        match sizes.into_iter().find(|size| size.1 == 0) {
            Some((what, _)) => Err(Error::NothingToPlay { what }),
            None => Ok(()),
        }
    }
}

/// One step, as an agent sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experience {
    /// Where the action was taken.
    pub state: usize,
    /// The action.
    pub action: usize,
    /// What it paid.
    pub reward: f64,
    /// Where it led to.
    pub next: usize,
    /// Whether the episode ended with it.
    pub last: bool,
}

/// Somebody who plays the episodes of one finite MDP.
///
/// [`begin`](Self::begin) forgets everything. Every episode starts with [`plan`](Self::plan); then [`act`](Self::act) and
/// [`observe`](Self::observe) take turns. Nobody asks for states, actions or steps outside of the sizes that it began with;
/// [`play`] sees to that.
pub trait TabularAgent {
    /// A new MDP.
    ///
    /// # Errors
    /// [`Error::NothingToPlay`], and [`Error::AgentSetting`] for settings outside their ranges.
    fn begin(&mut self, sizes: Sizes) -> Result<()>;

    /// A new episode.
    fn plan(&mut self, rng: &mut dyn RngCore);

    /// The action in `state` after `t` steps of the episode.
    fn act(&mut self, t: usize, state: usize, rng: &mut dyn RngCore) -> usize;

    /// What came of it.
    fn observe(&mut self, step: Experience);
}

impl<A: TabularAgent + ?Sized> TabularAgent for Box<A> {
    fn begin(&mut self, sizes: Sizes) -> Result<()> {
        (**self).begin(sizes)
    }

    fn plan(&mut self, rng: &mut dyn RngCore) {
        (**self).plan(rng);
    }

    fn act(&mut self, t: usize, state: usize, rng: &mut dyn RngCore) -> usize {
        (**self).act(t, state, rng)
    }

    fn observe(&mut self, step: Experience) {
        (**self).observe(step);
    }
}

/// Plays `episodes` episodes and returns the total reward of each. The MDP draws from `chances`, the agent from
/// `thoughts`.
///
/// # Errors
/// The agent's and the environment's own; [`rekindle_envs::Error::Reward`] for a reward that is no finite number.
pub fn play<A: TabularAgent + ?Sized>(
    agent: &mut A,
    mdp: &Arc<TabularMdp>,
    episodes: usize,
    chances: &mut dyn RngCore,
    thoughts: &mut dyn RngCore,
) -> Result<Vec<f64>> {
    agent.begin(Sizes::of(mdp))?;
    let mut env = TabularEnv::new(mdp.clone());
    (0..episodes).map(|_| episode(agent, &mut env, chances, thoughts)).collect()
}

fn episode<A: TabularAgent + ?Sized>(
    agent: &mut A,
    env: &mut TabularEnv,
    chances: &mut dyn RngCore,
    thoughts: &mut dyn RngCore,
) -> Result<f64> {
    let mut obs = [0.0];
    env.reset(chances, &mut obs)?;
    agent.plan(thoughts);
    let mut total = 0.0;
    for t in 0.. {
        let state = obs[0] as usize;
        let action = agent.act(t, state, thoughts);
        let step = env.step(Action::Discrete(action), chances, &mut obs)?;
        if !step.reward.is_finite() {
            return Err(rekindle_envs::Error::Reward { reward: step.reward }.into());
        }
        let (reward, next, last) = (f64::from(step.reward), obs[0] as usize, step.terminated);
        agent.observe(Experience { state, action, reward, next, last });
        total += reward;
        if last {
            break;
        }
    }
    Ok(total)
}

/// The mean total reward of the first n episodes, for every n in `episodes`, over `instances` MDPs of a family. Instance i
/// is drawn from [`env_rng`]`(seed, i, 0)`, moves by stream 1 and is thought about from stream 2.
///
/// Agents here do not know how many episodes will follow, so one run serves all n.
///
/// # Errors
/// Those of [`play`] and of the family; [`Error::NothingToPlay`] without episodes or with zero of them.
pub fn evaluate<A: TabularAgent, F: EnvFamily<Task = Arc<TabularMdp>> + Sync>(
    make_agent: impl Fn() -> A + Sync,
    family: &F,
    episodes: &[usize],
    instances: usize,
    seed: u64,
    threads: usize,
) -> Result<Vec<Summary>> {
    let longest = episodes.iter().copied().max().unwrap_or(0);
    if episodes.contains(&0) || longest == 0 {
        return Err(Error::NothingToPlay { what: "number of episodes" });
    }
    let totals = for_each(instances, threads, |i| -> Result<Vec<f64>> {
        let mdp = family.sample(&mut env_rng(seed, i, 0))?;
        let rewards = play(&mut make_agent(), &mdp, longest, &mut env_rng(seed, i, 1), &mut env_rng(seed, i, 2))?;
        Ok(episodes.iter().map(|&n| rewards[..n].iter().sum()).collect())
    })?;
    let column = |j: usize| Summary::of(&totals.iter().map(|row| row[j]).collect::<Vec<_>>());
    (0..episodes.len()).map(column).collect()
}
