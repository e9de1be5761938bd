//! What a kernel refuses.

/// The outcome of a kernel.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a kernel did not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A slice does not have as many elements as its sizes say, or the sizes contradict each other.
    #[error("{kernel}: {message}")]
    Shape {
        /// The kernel's name.
        kernel: &'static str,
        /// What was given and what was expected.
        message: String,
    },
    /// `REKINDLE_SIMD` names no level, or one that this machine does not have.
    #[error("REKINDLE_SIMD is `{value}`, but this machine has {available}; unset it, or choose one of these")]
    Level {
        /// What the variable says.
        value: String,
        /// The levels of this machine, separated by commas.
        available: String,
    },
}

impl Error {
    pub(crate) fn shape(kernel: &'static str, message: impl Into<String>) -> Self {
        Self::Shape { kernel, message: message.into() }
    }
}

/// An error unless a slice has the length that its sizes say.
pub(crate) fn check_len(kernel: &'static str, name: &str, found: usize, sizes: &[usize]) -> Result<()> {
    match sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size)) {
        Some(expected) if expected == found => Ok(()),
        Some(expected) => {
            let message = format!("{name} has {found} elements, but its sizes {sizes:?} make {expected}");
            Err(Error::shape(kernel, message))
        }
        None => Err(Error::shape(kernel, format!("the sizes {sizes:?} of {name} overflow"))),
    }
}
