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
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
