//! Distributions over environments, and what can be made of them.

use std::sync::Arc;

use rand::RngCore;

use crate::{Action, Env, Error, Result, Space, Transition, Trial};

/// A distribution over tasks, each of which is an environment. The environments of a family share their spaces.
pub trait EnvFamily {
    /// What tells one task from another: a goal, the probabilities of a bandit. Cheap to copy; keep big data in an
    /// [`Arc`].
    type Task: Clone + Send;
    /// The environment that plays a task.
    type Env: Env + Send;

    /// Draws a task.
    ///
    /// # Errors
    /// [`Error::Config`] for a family whose numbers are outside of their ranges.
    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task>;

    /// Makes the environment of a task.
    ///
    /// # Errors
    /// [`Error::Config`] and the environment's own.
    fn make(&self, task: &Self::Task) -> Result<Self::Env>;

    /// Draws M tasks, one after the other: the first ones do not depend on how many follow.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn sample_tasks(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<Vec<Self::Task>> {
        (0..n_tasks).map(|_| self.sample(rng)).collect()
    }

    /// The same tasks, each as trials of `episodes` episodes, `>= 1`.
    fn trials(self, episodes: usize) -> Trials<Self>
    where
        Self: Sized,
    {
        Trials { family: self, episodes }
    }

    /// The same tasks in environments that `wrap` turned into others, say with a time limit.
    fn wrap<W, G: Fn(Self::Env) -> Result<W>>(self, wrap: G) -> Wrapped<Self, G>
    where
        Self: Sized,
    {
        Wrapped { family: self, wrap }
    }
}

impl<F: EnvFamily + ?Sized> EnvFamily for &F {
    type Task = F::Task;
    type Env = F::Env;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        (**self).sample(rng)
    }

    fn make(&self, task: &Self::Task) -> Result<Self::Env> {
        (**self).make(task)
    }
}

impl<F: EnvFamily + ?Sized> EnvFamily for Arc<F> {
    type Task = F::Task;
    type Env = F::Env;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        (**self).sample(rng)
    }

    fn make(&self, task: &Self::Task) -> Result<Self::Env> {
        (**self).make(task)
    }
}

/// A family's tasks as trials of several episodes: see [`Trial`].
#[derive(Clone, Debug, PartialEq)]
pub struct Trials<F> {
    /// The family.
    pub family: F,
    /// Episodes in a trial, `>= 1`.
    pub episodes: usize,
}

impl<F: EnvFamily> EnvFamily for Trials<F> {
    type Task = F::Task;
    type Env = Trial<F::Env>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        self.family.sample(rng)
    }

    fn make(&self, task: &Self::Task) -> Result<Self::Env> {
        Trial::new(self.family.make(task)?, self.episodes)
    }
}

/// A family whose environments go through a wrapper: see [`EnvFamily::wrap`].
#[derive(Clone, Debug)]
pub struct Wrapped<F, G> {
    family: F,
    wrap: G,
}

impl<F: EnvFamily, W: Env + Send, G: Fn(F::Env) -> Result<W>> EnvFamily for Wrapped<F, G> {
    type Task = F::Task;
    type Env = W;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        self.family.sample(rng)
    }

    fn make(&self, task: &Self::Task) -> Result<W> {
        (self.wrap)(self.family.make(task)?)
    }
}

/// A family of one: an environment without tasks, where a family is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Single<E>(
    /// The environment, copied for each row of a batch.
    pub E,
);

impl<E: Env + Clone + Send> EnvFamily for Single<E> {
    type Task = ();
    type Env = E;

    fn sample(&self, _rng: &mut dyn RngCore) -> Result<()> {
        Ok(())
    }

    fn make(&self, _task: &()) -> Result<E> {
        Ok(self.0.clone())
    }
}

/// A family on a fixed list of tasks, drawn uniformly: the training or the test half of a split.
#[derive(Clone, Debug)]
pub struct TaskPool<F: EnvFamily> {
    family: F,
    tasks: Vec<F::Task>,
}

impl<F: EnvFamily> TaskPool<F> {
    /// The family on these tasks alone.
    ///
    /// # Errors
    /// [`Error::Config`] without tasks.
    pub fn new(family: F, tasks: Vec<F::Task>) -> Result<Self> {
        if tasks.is_empty() {
            return Err(Error::config("tasks", "an empty list", "at least one task"));
        }
        Ok(Self { family, tasks })
    }

    /// Two pools of tasks drawn from the family: for training and for test.
    ///
    /// Tasks are drawn independently: where the family is continuous the pools have none in common; from a small finite
    /// family make the lists by hand and give them to [`new`](Self::new).
    ///
    /// # Errors
    /// [`Error::Config`] where one would be empty, and the family's own.
    pub fn split(family: F, n_train: usize, n_test: usize, rng: &mut dyn RngCore) -> Result<[Self; 2]>
    where
        F: Clone,
    {
        let train = family.sample_tasks(rng, n_train)?;
        let test = family.sample_tasks(rng, n_test)?;
        Ok([Self::new(family.clone(), train)?, Self::new(family, test)?])
    }

    /// All tasks of the pool.
    pub fn tasks(&self) -> &[F::Task] {
        &self.tasks
    }
}

impl<F: EnvFamily> EnvFamily for TaskPool<F> {
    type Task = F::Task;
    type Env = F::Env;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        Ok(self.tasks[crate::random::below(rng, self.tasks.len())].clone())
    }

    fn make(&self, task: &Self::Task) -> Result<Self::Env> {
        self.family.make(task)
    }
}

/// An environment that draws its task anew at every reset, so that in a batch each row goes on to a new task by itself.
///
/// Around [`Trials`] this is the outer loop of RL²: a trial, then another one in another task. Each reset makes an
/// environment, so this is the one place where stepping a batch may allocate.
#[derive(Clone, Debug)]
pub struct Redraw<F: EnvFamily> {
    family: F,
    observation_space: Space,
    action_space: Space,
    current: (F::Task, F::Env),
    n_drawn: usize,
}

impl<F: EnvFamily> Redraw<F> {
    /// Tasks from `family`; the first one, drawn from `rng`, only shows the spaces.
    ///
    /// # Errors
    /// The family's own.
    pub fn new(family: F, rng: &mut dyn RngCore) -> Result<Self> {
        let task = family.sample(rng)?;
        let env = family.make(&task)?;
        let (observation_space, action_space) = (env.observation_space(), env.action_space());
        Ok(Self { family, observation_space, action_space, current: (task, env), n_drawn: 0 })
    }

    /// The task that is being played.
    pub fn task(&self) -> &F::Task {
        &self.current.0
    }

    /// The environment that is being played.
    pub fn env(&self) -> &F::Env {
        &self.current.1
    }

    fn same_space(&self, what: &'static str, expected: &Space, found: &Space) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Error::SpacesDiffer { what, task: self.n_drawn, expected: expected.to_string(), found: found.to_string() })
    }
}

impl<F: EnvFamily> Env for Redraw<F> {
    fn observation_space(&self) -> Space {
        self.observation_space.clone()
    }

    fn action_space(&self) -> Space {
        self.action_space.clone()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        let task = self.family.sample(rng)?;
        let env = self.family.make(&task)?;
        self.n_drawn += 1;
        self.same_space("observation", &self.observation_space, &env.observation_space())?;
        self.same_space("action", &self.action_space, &env.action_space())?;
        self.current = (task, env);
        self.current.1.reset(rng, obs)
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        self.current.1.step(action, rng, obs)
    }
}
