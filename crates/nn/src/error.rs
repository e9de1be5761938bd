//! The crate's one error type.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while models are built and run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// An input has the wrong shape.
    #[error("{what} has shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The expected shape.
        expected: String,
    },
    /// An image that four max pools would shrink to nothing.
    #[error(
        "images of {height}×{width} do not survive four 2×2 max pools, which need at least 16×16; \
         resize them, or use `Downsampling::Stride2`"
    )]
    ImageTooSmall {
        /// Image height H.
        height: usize,
        /// Image width W.
        width: usize,
    },
    /// A sequence that is longer than a model has positions for.
    #[error(
        "step {steps} of a sequence for a model of {context} positions; shorten the sequence, or make the model with \
         `context` ≥ {steps} and train it on sequences of that length"
    )]
    TooLong {
        /// Steps that were to be seen.
        steps: usize,
        /// Positions that the model has.
        context: usize,
    },
    /// An error of the tape's.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// An error of the tensor library's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// A field outside its range.
    pub(crate) fn config(field: &'static str, value: impl std::fmt::Debug, expected: &'static str) -> Self {
        Self::Config { field, value: format!("{value:?}"), expected }
    }

    /// A tensor of the wrong shape.
    pub(crate) fn shape(what: &'static str, found: &[usize], expected: impl Into<String>) -> Self {
        Self::Shape { what, found: found.to_vec(), expected: expected.into() }
    }
}
