//! What a bandit agent is, and how one is played.

use rand::RngCore;
use rekindle_envs::{Action, Bandit, Env, EnvFamily, env_rng};

use crate::instances::{Summary, for_each};
use crate::{Error, Result};

/// Somebody who pulls arms and learns from what they pay.
///
/// [`begin`](Self::begin) forgets everything; then [`choose`](Self::choose) and [`observe`](Self::observe) take turns.
pub trait BanditAgent {
    /// A new bandit of `n_arms` arms, to be pulled `horizon` times.
    ///
    /// # Errors
    /// [`Error::NoArms`], [`Error::NothingToPlay`], and [`Error::AgentSetting`] for settings outside their ranges.
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()>;

    /// The arm to pull, below `n_arms`.
    fn choose(&mut self, rng: &mut dyn RngCore) -> usize;

    /// What the arm paid.
    ///
    /// # Errors
    /// [`Error::ImpossibleReward`] for a reward that the agent's belief rules out.
    fn observe(&mut self, arm: usize, reward: f64) -> Result<()>;
}

impl<A: BanditAgent + ?Sized> BanditAgent for Box<A> {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        (**self).begin(n_arms, horizon)
    }

    fn choose(&mut self, rng: &mut dyn RngCore) -> usize {
        (**self).choose(rng)
    }

    fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        (**self).observe(arm, reward)
    }
}

/// Refuses bandits that cannot be played.
pub(super) fn check_sizes(n_arms: usize, horizon: usize) -> Result<()> {
    if n_arms == 0 {
        return Err(Error::NoArms);
    }
    if horizon == 0 {
        return Err(Error::NothingToPlay { what: "horizon" });
    }
    Ok(())
}

/// Lets the agent pull `horizon` times and returns the total reward. Arms pay from `payments`, the agent draws from
/// `thoughts`: so two agents that pull the same arms are paid the same.
///
/// # Errors
/// The agent's and the bandit's own.
pub fn play<A: BanditAgent + ?Sized>(
    agent: &mut A,
    bandit: &mut Bandit,
    horizon: usize,
    payments: &mut dyn RngCore,
    thoughts: &mut dyn RngCore,
) -> Result<f64> {
    agent.begin(bandit.means().len(), horizon)?;
    let mut total = 0.0;
    for _ in 0..horizon {
        let arm = agent.choose(thoughts);
        let reward = bandit.step(Action::Discrete(arm), payments, &mut [0.0])?.reward;
        agent.observe(arm, f64::from(reward))?;
        total += f64::from(reward);
    }
    Ok(total)
}

/// The mean total reward over `instances` bandits of a family. Instance i is drawn from [`env_rng`]`(seed, i, 0)`, pays
/// from stream 1 and is thought about from stream 2, so that agents of one seed meet the same bandits.
///
/// # Errors
/// Those of [`play`] and of the family.
pub fn evaluate<A: BanditAgent, F: EnvFamily<Env = Bandit> + Sync>(
    make_agent: impl Fn() -> A + Sync,
    family: &F,
    horizon: usize,
    instances: usize,
    seed: u64,
    threads: usize,
) -> Result<Summary> {
    let totals = for_each(instances, threads, |i| -> Result<_> {
        let mut bandit = family.make(&family.sample(&mut env_rng(seed, i, 0))?)?;
        play(&mut make_agent(), &mut bandit, horizon, &mut env_rng(seed, i, 1), &mut env_rng(seed, i, 2))
    })?;
    Summary::of(&totals)
}
