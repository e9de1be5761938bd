//! Many environments in lockstep: `[M tasks × B copies]`, over plain slices.
//!
//! Autoreset happens in the same step (Gymnasium's `AutoresetMode.SAME_STEP`): where an episode ends, `obs` already
//! holds the first observation of the next one, and `final_obs` the last of the ended one. Row m·B + b draws from the
//! generator [`env_rng`]`(seed, m, b)` alone, so its bits depend on neither M, B nor the number of threads.

use rand_chacha::ChaCha8Rng;

use crate::rows::{Buffers, Rows};
use crate::{Actions, Env, EnvFamily, Error, Result, Space, env_rng};

/// An environment with its own generator.
#[derive(Clone, Debug)]
pub(crate) struct Slot<E> {
    pub(crate) env: E,
    pub(crate) rng: ChaCha8Rng,
}

/// A batch of environments with equal spaces, stepped together. Row m·B + b is copy b of task m.
///
/// All buffers are the batch's own; on one thread a step allocates nothing (unless an environment does).
#[derive(Clone, Debug)]
pub struct VecEnv<E> {
    slots: Vec<Slot<E>>,
    n_tasks: usize,
    observation_space: Space,
    action_space: Space,
    buffers: Buffers,
    n_threads: usize,
    /// Steps since the reset; none while a reset is due.
    clock: Option<u64>,
}

/// What a step of a batch gave: views of the batch's own buffers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<'a> {
    /// The observation to act on next, `[M, B, D]`: where an episode ended, the first of the next one.
    pub obs: &'a [f32],
    /// Rewards, `[M, B]`.
    pub reward: &'a [f32],
    /// Where the decision process came to its end, `[M, B]`: do not bootstrap.
    pub terminated: &'a [bool],
    /// Where a limit cut the episode, `[M, B]`: bootstrap from `final_obs`.
    pub truncated: &'a [bool],
    /// Where an episode ended, also inside of a trial, `[M, B]`.
    pub episode_ended: &'a [bool],
    /// `[M, B, D]`. A row means something where the step was terminated or truncated: the last observation of what
    /// ended there. Elsewhere it is left as it was.
    pub final_obs: &'a [f32],
}

impl<'a> Step<'a> {
    /// The observation `[D]` that row `row`'s action really led to: its `final_obs` where something ended, else its
    /// `obs`.
    pub fn next_obs(&self, row: usize) -> &'a [f32] {
        let size = self.obs.len() / self.reward.len();
        let from = if self.done(row) { self.final_obs } else { self.obs };
        &from[row * size..(row + 1) * size]
    }

    /// Whether row `row` was reset in this step.
    pub fn done(&self, row: usize) -> bool {
        self.terminated[row] || self.truncated[row]
    }
}

impl<E: Env + Send> VecEnv<E> {
    /// A batch of one task and B copies of it. The copies may differ, as long as their spaces agree.
    ///
    /// # Errors
    /// [`Error::EmptyBatch`], [`Error::SpacesDiffer`], [`Error::Space`].
    pub fn new(envs: Vec<E>) -> Result<Self> {
        Self::from_rows(envs, 1)
    }

    /// M tasks of a family × B copies of each.
    ///
    /// # Errors
    /// As [`new`](Self::new), and the family's own.
    pub fn stack<F: EnvFamily<Env = E>>(family: &F, tasks: &[F::Task], copies: usize) -> Result<Self> {
        Self::from_rows(make_rows(family, tasks, copies)?, tasks.len())
    }

    fn from_rows(envs: Vec<E>, n_tasks: usize) -> Result<Self> {
        let copies = envs.len() / n_tasks.max(1);
        let first = envs.first().ok_or(Error::EmptyBatch { n_tasks, copies })?;
        let (observation_space, action_space) = (first.observation_space(), first.action_space());
        observation_space.validate()?;
        action_space.validate()?;
        same_spaces(&envs, copies, &observation_space, &action_space)?;
        let buffers = Buffers::new(envs.len(), observation_space.size());
        let slots = envs.into_iter().map(|env| Slot { env, rng: env_rng(0, 0, 0) }).collect();
        Ok(Self { slots, n_tasks, observation_space, action_space, buffers, n_threads: 1, clock: None })
    }

    /// Puts other tasks in the place of the present ones; the next thing to do is a reset.
    ///
    /// # Errors
    /// [`Error::TaskCount`], [`Error::SpacesDiffer`], and the family's own.
    pub fn set_tasks<F: EnvFamily<Env = E>>(&mut self, family: &F, tasks: &[F::Task]) -> Result<()> {
        if tasks.len() != self.n_tasks {
            return Err(Error::TaskCount { expected: self.n_tasks, found: tasks.len() });
        }
        let envs = make_rows(family, tasks, self.copies())?;
        same_spaces(&envs, self.copies(), &self.observation_space, &self.action_space)?;
        self.slots.iter_mut().zip(envs).for_each(|(slot, env)| slot.env = env);
        self.clock = None;
        Ok(())
    }

    /// Uses `n` threads at every reset and step; 0 counts as 1, the default. Results are the same bits for any number.
    ///
    /// Starting a thread costs some 20 µs a step, so this pays where a step of the batch takes much longer: images,
    /// physics. Cheap environments are faster on one thread.
    pub fn threads(mut self, n: usize) -> Self {
        self.n_threads = n.max(1);
        self
    }

    /// Begins an episode in every environment, with generators derived from the seed; the observations `[M, B, D]`. The
    /// same seed gives the same episodes again, so a training loop has another one for every reset.
    ///
    /// # Errors
    /// The environments' own, within [`Error::At`].
    pub fn reset(&mut self, seed: u64) -> Result<&[f32]> {
        self.clock = None;
        let copies = self.copies();
        for (row, slot) in self.slots.iter_mut().enumerate() {
            slot.rng = env_rng(seed, row / copies, row % copies);
        }
        self.in_parallel(&|rows| rows.reset())?;
        self.clock = Some(0);
        Ok(&self.buffers.obs)
    }

    /// Plays one action in every environment. All actions are checked before any environment moves.
    ///
    /// # Errors
    /// [`Error::NotReset`]; [`Error::ActionCount`] and [`Error::ActionKind`]; within [`Error::At`], which names row and
    /// step, [`Error::ActionOutside`], [`Error::Reward`] for a reward that is not finite, and the environments' own.
    /// After an error of the last kind a reset is due; a wrong action leaves the batch as it was.
    pub fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>> {
        let clock = self.clock.ok_or(Error::NotReset)?;
        actions.check(self.slots.len(), &self.action_space, clock)?;
        let action_size = self.action_space.size();
        self.clock = None;
        self.in_parallel(&|rows| rows.step(actions, action_size, clock))?;
        self.clock = Some(clock + 1);
        Ok(self.buffers.step())
    }

    /// Runs `work` on all rows, cut into as many parts as there are threads. The error of the lowest row wins.
    fn in_parallel(&mut self, work: &(impl Fn(Rows<'_, E>) -> Result<()> + Sync)) -> Result<()> {
        let part = self.slots.len().div_ceil(self.n_threads);
        let mut rows = self.buffers.rows(&mut self.slots);
        if part == rows.len() {
            return work(rows);
        }
        std::thread::scope(|scope| {
            let (mine, mut rest) = rows.split_at(part);
            rows = mine;
            let mut handles = Vec::with_capacity(self.n_threads);
            while rest.len() > 0 {
                let (next, after) = rest.split_at(part);
                rest = after;
                handles.push(scope.spawn(move || work(next)));
            }
            let first = work(rows);
            // All threads are waited for, whatever the first part said.
            let others: Vec<Result<()>> = handles
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect();
            others.into_iter().fold(first, Result::and)
        })
    }
}

impl<E> VecEnv<E> {
    /// Tasks M and copies of each B.
    pub fn dims(&self) -> [usize; 2] {
        [self.n_tasks, self.copies()]
    }

    /// Environments M·B.
    pub fn n_envs(&self) -> usize {
        self.slots.len()
    }

    /// Where every observation lies.
    pub fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    /// Where every action lies.
    pub fn action_space(&self) -> &Space {
        &self.action_space
    }

    /// The current observations, `[M, B, D]`; zeros before the first reset.
    pub fn obs(&self) -> &[f32] {
        &self.buffers.obs
    }

    /// The environment of row `row`, to look at what it shows to no agent: its goal, the state of a trial.
    pub fn env(&self, row: usize) -> Option<&E> {
        self.slots.get(row).map(|slot| &slot.env)
    }

    fn copies(&self) -> usize {
        self.slots.len() / self.n_tasks
    }
}

fn make_rows<F: EnvFamily>(family: &F, tasks: &[F::Task], copies: usize) -> Result<Vec<F::Env>> {
    if tasks.is_empty() || copies == 0 {
        return Err(Error::EmptyBatch { n_tasks: tasks.len(), copies });
    }
    let copies_of = |task| (0..copies).map(move |_| family.make(task));
    tasks.iter().flat_map(copies_of).collect()
}

fn same_spaces<E: Env>(envs: &[E], copies: usize, observation: &Space, action: &Space) -> Result<()> {
    for (row, env) in envs.iter().enumerate() {
        let spaces = [("observation", observation, env.observation_space()), ("action", action, env.action_space())];
        for (what, expected, found) in spaces {
            if *expected != found {
                // The rows of a single task are numbered themselves.
                let task = if copies == envs.len() { row } else { row / copies };
                return Err(Error::SpacesDiffer {
                    what,
                    task,
                    expected: expected.to_string(),
                    found: found.to_string(),
                });
            }
        }
    }
    Ok(())
}
