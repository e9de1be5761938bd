//! What can go wrong in transfer.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside of its range.
    #[error("`{name}` is {value}, but must be {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// More or fewer numbers than something has.
    #[error(
        "{what} has {found} numbers, but {expected} are expected; give as many as the world or the agent was made with"
    )]
    Width {
        /// What has them.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many should be.
        expected: usize,
    },
    /// A number that is none, or infinite.
    #[error("the {what} became {value}; lower the learning rate, or clip the gradients")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// From the tape.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// From a model.
    #[error(transparent)]
    Nn(#[from] rekindle_nn::Error),
    /// From an optimiser.
    #[error(transparent)]
    Optim(#[from] rekindle_optim::Error),
    /// From tasks and data sets.
    #[error(transparent)]
    Tasks(#[from] rekindle_tasks::Error),
    /// From an environment.
    #[error(transparent)]
    Envs(#[from] rekindle_envs::Error),
    /// From reinforcement learning.
    #[error(transparent)]
    Rl(Box<rekindle_rl::Error>),
    /// From candle.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

// Boxed, so that a result that is passed through many calls stays small.
impl From<rekindle_rl::Error> for Error {
    fn from(error: rekindle_rl::Error) -> Self {
        Self::Rl(Box::new(error))
    }
}

impl Error {
    /// A setting outside of its range.
    pub(crate) fn setting(name: &'static str, value: impl std::fmt::Display, expected: &'static str) -> Self {
        Self::Setting { name, value: value.to_string(), expected }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
