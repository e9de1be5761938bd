//! What this crate refuses.

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that `rekindle-optim` refuses, with the values that it saw and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside of its range.
    #[error("{transform}: {setting} must be {range}, but is {value}")]
    Setting {
        /// The transformation or schedule.
        transform: &'static str,
        /// Which of its settings.
        setting: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// A state that another transformation made.
    #[error(
        "the state has no slot `{name}`, only [{available}]; it was made by another transformation: begin with this \
         one's `init`, or restore the checkpoint with the transformation that wrote it"
    )]
    MissingSlot {
        /// The slot asked for.
        name: String,
        /// The slots there are.
        available: String,
    },
    /// A state with more or fewer parts than the transformation has.
    #[error("{transform} has {expected} parts, but the state has {found}; was it made by another transformation?")]
    Children {
        /// The transformation.
        transform: &'static str,
        /// Its number of parts.
        expected: usize,
        /// Those of the state.
        found: usize,
    },
    /// A selection of parameters that selects none: a misspelt name.
    #[error("the selection {selection} matches no parameter; there are: {available}")]
    Unmatched {
        /// The selection, or the part of it that matches nothing.
        selection: String,
        /// The names there are.
        available: String,
    },
    /// Stored tensors that are no optimiser state.
    #[error("`{name}` cannot be part of an optimiser state: {message}")]
    NotAState {
        /// The tensor or slot.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// Leaves with and without a task axis where one norm a task is asked for.
    #[error(
        "ClipNorm: the gradient of `{name}` has {found} tasks, others have {n_tasks}; expand the shared parameters to \
         the tasks first, put them into a group of their own, or use NormScope::Everything"
    )]
    MixedTasks {
        /// The parameter.
        name: String,
        /// Its leading axis.
        found: usize,
        /// The largest leading axis.
        n_tasks: usize,
    },
    /// A transformation that broke a rule of [`Transform`](crate::Transform).
    #[error("conformance: {rule}: {message}")]
    Conformance {
        /// The rule.
        rule: &'static str,
        /// What was seen.
        message: String,
    },
    /// An error from below.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// An error of candle's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
