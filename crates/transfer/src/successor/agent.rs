//! What an agent for a sequence of tasks is, and how one is played.

use rand::RngCore;
use rekindle_envs::{Action, LinearReward};

use crate::Result;

/// One step, as an agent for a sequence of tasks sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<'a> {
    /// Where the action was taken.
    pub obs: &'a [f32],
    /// The action.
    pub action: usize,
    /// What it paid.
    pub reward: f64,
    /// Features φ of the step, `[F]`, as the world shows them.
    pub features: &'a [f32],
    /// Where it led to.
    pub next_obs: &'a [f32],
    /// Whether the decision process ended with it: nothing follows.
    pub terminated: bool,
    /// Whether the episode ended with it, for whatever reason.
    pub done: bool,
}

/// Somebody who plays one task after another in the same world, and may use what was learned in the earlier ones.
pub trait TaskAgent {
    /// A new task begins.
    ///
    /// # Errors
    /// The agent's own.
    fn begin_task(&mut self, rng: &mut dyn RngCore) -> Result<()>;

    /// A new episode begins.
    fn begin_episode(&mut self, rng: &mut dyn RngCore);

    /// The action on an observation.
    ///
    /// # Errors
    /// If the agent cannot read it.
    fn act(&mut self, obs: &[f32], rng: &mut dyn RngCore) -> Result<usize>;

    /// What came of it.
    ///
    /// # Errors
    /// If features or observations are not what the agent was made for.
    fn observe(&mut self, step: Step<'_>) -> Result<()>;
}

/// What happened in one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskRecord {
    /// Sum of all rewards.
    pub total: f64,
    /// Sums of the rewards over consecutive parts of the task, for a curve.
    pub parts: Vec<f64>,
    /// Episodes that ended.
    pub episodes: usize,
}

/// Plays one task for `steps` transitions, episode after episode, and answers what was earned in it, in `parts` parts of
/// equal length. The world draws from `chances`, the agent from `thoughts`.
///
/// # Errors
/// Those of the agent and of the environment; [`Error::Setting`](crate::Error::Setting) without steps or parts.
pub fn play_task(
    agent: &mut dyn TaskAgent,
    env: &mut dyn LinearReward,
    (steps, parts): (usize, usize),
    chances: &mut dyn RngCore,
    thoughts: &mut dyn RngCore,
) -> Result<TaskRecord> {
    if parts == 0 || steps < parts {
        return Err(crate::Error::setting("steps", steps, "at least as many as parts, of which there is at least one"));
    }
    let size = env.observation_space().size();
    let (mut obs, mut next) = (vec![0.0; size], vec![0.0; size]);
    let mut record = TaskRecord { parts: vec![0.0; parts], ..TaskRecord::default() };
    agent.begin_task(thoughts)?;
    env.reset(chances, &mut obs)?;
    agent.begin_episode(thoughts);
    for t in 0..steps {
        let action = agent.act(&obs, thoughts)?;
        let step = env.step(Action::Discrete(action), chances, &mut next)?;
        let (reward, done) = (f64::from(step.reward), step.done());
        let (features, terminated) = (env.features(), step.terminated);
        agent.observe(Step { obs: &obs, action, reward, features, next_obs: &next, terminated, done })?;
        record.total += reward;
        record.parts[t * parts / steps] += reward;
        std::mem::swap(&mut obs, &mut next);
        if done {
            record.episodes += 1;
            env.reset(chances, &mut obs)?;
            agent.begin_episode(thoughts);
        }
    }
    Ok(record)
}
