//! The crate's one error type. Spaces stand in it as text, so that a `Result` stays small.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while building environments and stepping them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error inside one environment of a batch: which one and when.
    #[error("environment {env}, step {step}: {source}")]
    At {
        /// Row of the environment in its batch, `m · B + b`.
        env: usize,
        /// Steps that the batch had taken since its reset.
        step: u64,
        /// What happened there.
        source: Box<Self>,
    },
    /// An action that its space does not contain.
    #[error("action {action} lies outside of {space}")]
    ActionOutside {
        /// The action, as text.
        action: String,
        /// The space that it should be in.
        space: String,
    },
    /// Discrete actions where the space is continuous, or the other way round.
    #[error("{found} actions do not fit the action space {space}")]
    ActionKind {
        /// "discrete" or "continuous".
        found: &'static str,
        /// The action space, as text.
        space: String,
    },
    /// A batch of actions has the wrong length.
    #[error("{n_envs} environments with actions in {space} need {expected} numbers, but there are {found}")]
    ActionCount {
        /// Environments in the batch.
        n_envs: usize,
        /// Their action space.
        space: String,
        /// The length wanted.
        expected: usize,
        /// The length given.
        found: usize,
    },
    /// A step without a reset before it, or after an error.
    #[error("step before reset: call `reset` first, also after an error")]
    NotReset,
    /// A reward that is not a number, or infinite: nothing can be learned from it.
    #[error("the reward is {reward}; check the environment's arithmetic")]
    Reward {
        /// The reward.
        reward: f32,
    },
    /// Environments that are to form one batch disagree about a space.
    #[error("the {what} space of task {task} is {found}, but that of the first task is {expected}")]
    SpacesDiffer {
        /// "observation" or "action".
        what: &'static str,
        /// Number of the task, or of the environment.
        task: usize,
        /// The first space.
        expected: String,
        /// The other one.
        found: String,
    },
    /// A space without elements or with bounds in the wrong order.
    #[error("{space} is not a space: {reason}")]
    Space {
        /// The space, as text.
        space: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Episodes of no steps, or trials of no episodes.
    #[error("the {what} is zero, so that nothing would ever happen; it must be at least 1")]
    ZeroHorizon {
        /// What is zero.
        what: &'static str,
    },
    /// A batch without environments.
    #[error("a batch needs at least one environment: {n_tasks} tasks × {copies} copies")]
    EmptyBatch {
        /// Number of tasks M.
        n_tasks: usize,
        /// Copies of each B.
        copies: usize,
    },
    /// The tasks that replace others are not as many.
    #[error("this batch holds {expected} tasks, so it cannot take {found}; build another one")]
    TaskCount {
        /// Tasks in the batch.
        expected: usize,
        /// Tasks given.
        found: usize,
    },
    /// A configuration field has a value outside its range.
    #[error("`{field}` is {value}, but must be {expected}")]
    Config {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The accepted range.
        expected: &'static str,
    },
    /// The text of a grid world cannot be read.
    #[error("map, line {line}, column {column}: {reason}")]
    Map {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// An environment does not behave as environments must.
    #[error("conformance, {check}: {reason}")]
    Conformance {
        /// The check that failed.
        check: &'static str,
        /// How.
        reason: String,
    },
    /// An error of an environment written elsewhere.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Says which environment of a batch failed and when.
    pub(crate) fn at(self, env: usize, step: u64) -> Self {
        Self::At { env, step, source: Box::new(self) }
    }

    /// A field outside of its range.
    pub(crate) fn config(field: &'static str, value: impl std::fmt::Display, expected: &'static str) -> Self {
        Self::Config { field, value: value.to_string(), expected }
    }
}
