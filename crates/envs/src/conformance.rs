//! What every environment must do, as a suite that an environment's own tests call.
//!
//! The environments of this crate run it, and so should yours: `conformance::check(&family, &Config::default())`, or
//! [`check_env`] for a single environment. It plays random actions, and compares a batch with copies that are stepped
//! one by one in a loop that anyone can read.

use rand::RngCore;

use crate::{
    Action, ActionBuffer, Actions, Env, EnvFamily, Error, LinearReward, Result, Single, Space, VecEnv, env_rng,
    stream_rng,
};

/// How much is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Seed of tasks, environments and actions.
    pub seed: u64,
    /// Tasks M that are drawn from the family, `>= 1`.
    pub n_tasks: usize,
    /// Copies B of each task, `>= 1`.
    pub copies: usize,
    /// Steps of each copy, `>= 1`.
    pub steps: usize,
    /// Whether some episode must have ended by then, so that resets are tested.
    pub must_end: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { seed: 0, n_tasks: 3, copies: 2, steps: 300, must_end: true }
    }
}

/// What was seen while the checks passed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Steps of all copies.
    pub steps: usize,
    /// Episodes that ended.
    pub episodes: usize,
    /// How often the decision process ended.
    pub terminated: usize,
    /// How often a limit cut it.
    pub truncated: usize,
    /// Least reward.
    pub least_reward: f32,
    /// Greatest reward.
    pub most_reward: f32,
}

/// Checks one environment; its copies are clones.
///
/// # Errors
/// As [`check`].
pub fn check_env<E: Env + Clone + Send>(env: &E, config: &Config) -> Result<Report> {
    check(&Single(env.clone()), config)
}

/// Checks a family of environments:
///
/// - spaces are valid and the same for every task;
/// - `reset` and `step` write every element of the observation, and it lies in its space;
/// - rewards are finite, and an end that is flagged is an end of an episode;
/// - the seed decides every bit, and nothing of an old episode survives a reset;
/// - a batch gives the same bits as single copies, with autoreset, for 1, 2 and 3 threads;
/// - wrong actions and steps before a reset are errors.
///
/// # Errors
/// [`Error::Conformance`] that names the first check that fails and how; the family's own errors.
pub fn check<F: EnvFamily>(family: &F, config: &Config) -> Result<Report> {
    let tasks = family.sample_tasks(&mut stream_rng(config.seed, 0), config.n_tasks)?;
    let mut batch = VecEnv::stack(family, &tasks, config.copies)?;
    same_tasks_again(family, config, &tasks)?;
    wrong_calls(&mut batch)?;
    wrong_kind(family.make(&tasks[0])?)?;
    let actions = draw_actions(batch.action_space(), batch.n_envs(), config);
    let traces = single_copies(family, &tasks, config, &actions)?;
    for n_threads in [1, 2, 3] {
        batch = batch.threads(n_threads);
        same_as_single(&mut batch, &traces, config, &actions)?;
    }
    let report = summarise(&traces);
    if config.must_end && report.episodes == 0 {
        return fail("ends", format!("no episode ended in {} steps", config.steps));
    }
    Ok(report)
}

/// Checks that the reward of every step is φᵀw, to `1e-4` of the larger of 1 and its size, over `config.steps` random steps of
/// each task, and that tasks differ in nothing but w: the same actions have the same features.
///
/// # Errors
/// [`Error::Conformance`]; the family's own errors.
pub fn check_linear_reward<F: EnvFamily>(family: &F, config: &Config) -> Result<()>
where
    F::Env: LinearReward,
{
    let tasks = family.sample_tasks(&mut stream_rng(config.seed, 0), config.n_tasks)?;
    let features = tasks.iter().map(|task| linear_steps(family.make(task)?, config)).collect::<Result<Vec<_>>>()?;
    if features.windows(2).any(|pair| pair[0] != pair[1]) {
        return fail("linear reward", "two tasks have other features for the same actions".into());
    }
    Ok(())
}

/// Features of all steps, `[T, F]`.
fn linear_steps(mut env: impl LinearReward, config: &Config) -> Result<Vec<f32>> {
    let space = env.action_space();
    let (mut obs, mut rng) = (vec![0.0; env.observation_space().size()], env_rng(config.seed, 0, 0));
    let actions = space.sample_actions(&mut stream_rng(config.seed, 1), config.steps);
    let mut features = Vec::new();
    env.reset(&mut rng, &mut obs)?;
    for i in 0..config.steps {
        let step = env.step(actions.view().get(i, space.size()), &mut rng, &mut obs)?;
        let linear: f32 = env.features().iter().zip(env.weights()).map(|(phi, w)| phi * w).sum();
        if env.features().len() != env.weights().len() || (step.reward - linear).abs() > 1e-4 * linear.abs().max(1.0) {
            return fail("linear reward", format!("a step pays {}, but its features say {linear}", step.reward));
        }
        features.extend_from_slice(env.features());
        if step.done() {
            env.reset(&mut rng, &mut obs)?;
        }
    }
    Ok(features)
}

fn fail<T>(check: &'static str, reason: String) -> Result<T> {
    Err(Error::Conformance { check, reason })
}

/// One copy's experience, as bits where it matters that they agree.
#[derive(Clone, Debug, Default, PartialEq)]
struct Trace {
    /// The first observation, then one for each step, after autoreset.
    obs: Vec<Vec<u32>>,
    /// The last observation of an episode, where one ended.
    final_obs: Vec<Option<Vec<u32>>>,
    rewards: Vec<f32>,
    /// Terminated, truncated, episode ended.
    flags: Vec<[bool; 3]>,
}

/// Actions for every step, drawn once.
fn draw_actions(space: &Space, n_envs: usize, config: &Config) -> Vec<ActionBuffer> {
    let mut rng = stream_rng(config.seed, 1);
    (0..config.steps).map(|_| space.sample_actions(&mut rng, n_envs)).collect()
}

/// Drawing tasks takes its randomness from the generator alone: environments made of both draws start alike.
fn same_tasks_again<F: EnvFamily>(family: &F, config: &Config, tasks: &[F::Task]) -> Result<()> {
    let again = family.sample_tasks(&mut stream_rng(config.seed, 0), config.n_tasks)?;
    let play = |task| -> Result<Trace> {
        let mut env = family.make(task)?;
        let actions = env.action_space().sample_actions(&mut stream_rng(config.seed, 2), 20);
        play(&mut env, &mut env_rng(config.seed, 0, 0), (0..20).map(|i| (actions.view(), i)))
    };
    for (first, second) in tasks.iter().zip(&again) {
        if play(first)? != play(second)? {
            return fail("seed", "tasks that were drawn with one seed play differently".into());
        }
    }
    Ok(())
}

/// Steps that must fail, and leave the batch usable.
fn wrong_calls<E: Env + Send>(batch: &mut VecEnv<E>) -> Result<()> {
    let space = batch.action_space().clone();
    let n_envs = batch.n_envs();
    let right = ActionBuffer::new(&space, n_envs);
    if !matches!(batch.step(right.view()), Err(Error::NotReset)) {
        return fail("errors", "a step before the reset is no error".into());
    }
    batch.reset(0)?;
    for (what, wrong) in wrong_actions(&space, n_envs) {
        if batch.step(wrong.view()).is_ok() {
            return fail("errors", format!("{what} passes for an action in {space}"));
        }
    }
    Ok(())
}

/// An environment that is stepped by hand does not take actions of the other kind.
fn wrong_kind(mut env: impl Env) -> Result<()> {
    let space = env.action_space();
    let other_kind = match space {
        Space::Discrete { .. } => Action::Continuous(&[0.0]),
        Space::Box { .. } => Action::Discrete(0),
    };
    let mut obs = vec![0.0; env.observation_space().size()];
    let mut rng = env_rng(0, 0, 0);
    env.reset(&mut rng, &mut obs)?;
    match env.step(other_kind, &mut rng, &mut obs) {
        Err(_) => Ok(()),
        Ok(_) => fail("errors", format!("the environment takes {other_kind} for an action in {space}")),
    }
}

/// Batches of actions, each wrong in its own way.
fn wrong_actions(space: &Space, n_envs: usize) -> Vec<(&'static str, ActionBuffer)> {
    let one_too_many = ("an action too many", ActionBuffer::new(space, n_envs + 1));
    match space {
        Space::Discrete { n } => vec![
            one_too_many,
            ("an index beyond the last", ActionBuffer::Discrete(vec![*n as u32; n_envs])),
            ("a real number", ActionBuffer::Continuous(vec![0.0; n_envs])),
        ],
        Space::Box { .. } => vec![
            one_too_many,
            ("what is not a number", ActionBuffer::Continuous(vec![f32::NAN; n_envs * space.size()])),
            ("an index", ActionBuffer::Discrete(vec![0; n_envs])),
        ],
    }
}

/// Every copy alone. Copies are used twice, to see whether a reset forgets the past.
fn single_copies<F: EnvFamily>(
    family: &F,
    tasks: &[F::Task],
    config: &Config,
    actions: &[ActionBuffer],
) -> Result<Vec<Trace>> {
    let mut traces = Vec::with_capacity(tasks.len() * config.copies);
    for row in 0..tasks.len() * config.copies {
        let (task, copy) = (row / config.copies, row % config.copies);
        let play_row = |env: &mut F::Env| {
            play(env, &mut env_rng(config.seed, task, copy), actions.iter().map(|batch| (batch.view(), row)))
        };
        let mut env = family.make(&tasks[task])?;
        let trace = play_row(&mut env)?;
        if play_row(&mut env)? != trace {
            return fail("reset", "something of the past survives a reset: the same seed gives another episode".into());
        }
        if play_row(&mut family.make(&tasks[task])?)? != trace {
            return fail("seed", "two environments with one seed and the same actions differ".into());
        }
        traces.push(trace);
    }
    Ok(traces)
}

/// Plays with resets by hand. The actions are rows of batches.
fn play<'a>(
    env: &mut impl Env,
    rng: &mut dyn RngCore,
    actions: impl Iterator<Item = (Actions<'a>, usize)>,
) -> Result<Trace> {
    let (space, action_size) = (env.observation_space(), env.action_space().size());
    let mut obs = vec![0.0; space.size()];
    let mut trace = Trace::default();
    unwritten(&mut obs);
    env.reset(rng, &mut obs)?;
    trace.obs.push(observed(&space, &obs)?);
    for (batch, row) in actions {
        unwritten(&mut obs);
        let step = env.step(batch.get(row, action_size), rng, &mut obs)?;
        let mut seen = observed(&space, &obs)?;
        if !step.reward.is_finite() {
            return fail("reward", format!("a reward is {}", step.reward));
        }
        if step.done() && !step.episode_ended {
            return fail("flags", "a step that is terminated or truncated does not end its episode".into());
        }
        trace.final_obs.push(step.done().then(|| seen.clone()));
        if step.done() {
            unwritten(&mut obs);
            env.reset(rng, &mut obs)?;
            seen = observed(&space, &obs)?;
        }
        trace.obs.push(seen);
        trace.rewards.push(step.reward);
        trace.flags.push([step.terminated, step.truncated, step.episode_ended]);
    }
    Ok(trace)
}

/// Fills a buffer so that an element that nobody writes is found.
fn unwritten(obs: &mut [f32]) {
    obs.fill(f32::NAN);
}

/// The bits of an observation that lies in its space.
fn observed(space: &Space, obs: &[f32]) -> Result<Vec<u32>> {
    if let Some(i) = obs.iter().position(|x| x.is_nan()) {
        return fail("observation", format!("element {i} is not a number, or was not written"));
    }
    if !space.contains(obs) {
        let shown = &obs[..obs.len().min(16)];
        return fail("observation", format!("{shown:?} lies outside of {space}"));
    }
    Ok(obs.iter().map(|x| x.to_bits()).collect())
}

/// A batch on any number of threads gives every row the trace of a copy alone.
fn same_as_single<E: Env + Send>(
    batch: &mut VecEnv<E>,
    traces: &[Trace],
    config: &Config,
    actions: &[ActionBuffer],
) -> Result<()> {
    let size = batch.observation_space().size();
    let row_of = |obs: &[f32], row: usize| -> Vec<u32> {
        obs[row * size..(row + 1) * size].iter().map(|x| x.to_bits()).collect()
    };
    let differs = |what, row, step| {
        fail("batch", format!("{what} of row {row}, step {step}, differs from that of a single copy"))
    };
    let first = batch.reset(config.seed)?;
    for (row, trace) in traces.iter().enumerate() {
        if row_of(first, row) != trace.obs[0] {
            return differs("the first observation", row, 0);
        }
    }
    for (t, actions) in actions.iter().enumerate() {
        let step = batch.step(actions.view())?;
        for (row, trace) in traces.iter().enumerate() {
            if row_of(step.obs, row) != trace.obs[t + 1] {
                return differs("the observation", row, t);
            }
            if step.reward[row].to_bits() != trace.rewards[t].to_bits() {
                return differs("the reward", row, t);
            }
            if [step.terminated[row], step.truncated[row], step.episode_ended[row]] != trace.flags[t] {
                return differs("a flag", row, t);
            }
            if trace.final_obs[t].as_ref().is_some_and(|last| *last != row_of(step.final_obs, row)) {
                return differs("the final observation", row, t);
            }
        }
    }
    Ok(())
}

fn summarise(traces: &[Trace]) -> Report {
    let count = |which: usize| traces.iter().flat_map(|trace| &trace.flags).filter(|flags| flags[which]).count();
    let rewards = || traces.iter().flat_map(|trace| trace.rewards.iter().copied());
    Report {
        steps: rewards().count(),
        episodes: count(2),
        terminated: count(0),
        truncated: count(1),
        least_reward: rewards().fold(f32::INFINITY, f32::min),
        most_reward: rewards().fold(f32::NEG_INFINITY, f32::max),
    }
}
