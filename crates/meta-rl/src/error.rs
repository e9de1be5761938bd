//! What can go wrong in meta-reinforcement learning.

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
    /// Trials that did not end within the steps they were given.
    #[error(
        "{unfinished} of {trials} trials did not end within {steps} steps; give `steps` the length of a whole trial"
    )]
    Unfinished {
        /// Trials without an end.
        unfinished: usize,
        /// Trials in all.
        trials: usize,
        /// Steps that were played.
        steps: usize,
    },
    /// A number that is none, or infinite.
    #[error(
        "the {what} became {value} in iteration {iteration}; the checkpoint holds the last good state: lower the rates, \
         or limit the gradient"
    )]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Iterations that were over.
        iteration: u64,
    },
    /// From reinforcement learning.
    #[error(transparent)]
    Rl(Box<rekindle_rl::Error>),
    /// From meta-learning: checkpoints among others.
    #[error(transparent)]
    Meta(Box<rekindle_meta::Error>),
    /// From the environments.
    #[error(transparent)]
    Envs(#[from] rekindle_envs::Error),
    /// From the tape.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// From an optimiser.
    #[error(transparent)]
    Optim(#[from] rekindle_optim::Error),
}

// Boxed, so that a result that is passed through many calls stays small.
impl From<rekindle_rl::Error> for Error {
    fn from(error: rekindle_rl::Error) -> Self {
        Self::Rl(Box::new(error))
    }
}

impl From<rekindle_meta::Error> for Error {
    fn from(error: rekindle_meta::Error) -> Self {
        Self::Meta(Box::new(error))
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

/// A number above zero, or an error that names the setting.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() { Ok(()) } else { Err(Error::setting(name, value, "a finite number above 0")) }
}

pub(crate) fn at_least_one(name: &'static str, value: usize) -> Result<()> {
    if value == 0 { Err(Error::setting(name, value, "at least 1")) } else { Ok(()) }
}
