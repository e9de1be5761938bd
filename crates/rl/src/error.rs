//! What can go wrong in reinforcement learning.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// From the environments.
    #[error(transparent)]
    Envs(#[from] rekindle_envs::Error),
    /// From the tape.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// From a model.
    #[error(transparent)]
    Nn(#[from] rekindle_nn::Error),
    /// From an optimiser.
    #[error(transparent)]
    Optim(#[from] rekindle_optim::Error),
    /// From candle.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),

    // Of the classical agents, `bandit` and `tabular`.
    /// A setting of a classical agent or of a solver has a value outside its range.
    #[error("`{field}` is {value}, but must be {expected}")]
    AgentSetting {
        /// Name of the setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// The accepted range.
        expected: &'static str,
    },
    /// A bandit without arms.
    #[error("a bandit needs at least one arm; make its family with `arms >= 1`")]
    NoArms,
    /// Nothing to play.
    #[error("the {what} is zero, so that nothing would ever happen; it must be at least 1")]
    NothingToPlay {
        /// What is zero.
        what: &'static str,
    },
    /// A reward that the agent's belief says cannot happen.
    #[error("the reward is {reward}, but {belief} expects {expected}; use a belief that fits the arms")]
    ImpossibleReward {
        /// The reward.
        reward: f64,
        /// The belief.
        belief: &'static str,
        /// What it can learn from.
        expected: &'static str,
    },
    /// A dynamic program that would not fit.
    #[error(
        "the dynamic program over {arms} arms and {horizon} pulls has more than {limit} states; \
         raise `max_states`, or play the Gittins index, which is close to optimal"
    )]
    TooManyStates {
        /// Arms.
        arms: usize,
        /// Pulls.
        horizon: usize,
        /// Most states that may be kept.
        limit: usize,
    },
    /// An iteration that did not converge.
    #[error("{what} did not reach its tolerance {tolerance} in {iterations} iterations; allow more, or a larger one")]
    NotConverged {
        /// What was iterated.
        what: &'static str,
        /// What it should have reached.
        tolerance: f64,
        /// How often it was tried.
        iterations: usize,
    },
}

impl Error {
    /// A setting outside its range.
    pub(crate) fn agent(field: &'static str, value: impl std::fmt::Display, expected: &'static str) -> Self {
        Self::AgentSetting { field, value: value.to_string(), expected }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
