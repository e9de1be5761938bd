//! What can go wrong when expressions are built and differentiated.

use candle_core::{DType, Shape};

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that `rekindle-autodiff` refuses, with the values that it saw and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// [`grad`](crate::grad()) needs one number to differentiate.
    #[error("grad needs a scalar, but the output has shape {shape:?}; sum it first, or pass a seed to `vjp`")]
    NotScalar {
        /// Shape of the output.
        shape: Shape,
    },
    /// The output does not depend on one of the tensors that a gradient was asked for.
    #[error(
        "the output does not depend on input {index} (shape {shape:?}); if that is meant, use `partial_vjp`, which \
         answers None there"
    )]
    NotConnected {
        /// Position in the list of inputs.
        index: usize,
        /// Shape of that input.
        shape: Shape,
    },
    /// A gradient was asked for with respect to a constant.
    #[error(
        "input {index} (shape {shape:?}) is a constant; call `leaf()` on it before it is used in the expression, and \
         check that no `NoRecord` scope is open"
    )]
    NotTracked {
        /// Position in the list of inputs.
        index: usize,
        /// Shape of that input.
        shape: Shape,
    },
    /// A derivative of an order that a node cannot give.
    #[error(
        "`{op}` can be differentiated once only (it runs through candle's own backward); use Order::First, or write \
         the model with rekindle's ops"
    )]
    OnceDifferentiable {
        /// Name of the node.
        op: &'static str,
    },
    /// A kernel was given something that does not fit.
    #[error(transparent)]
    Kernel(#[from] rekindle_kernels::Error),
    /// Shapes that do not fit.
    #[error("{op}: {message}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The shapes, and what was expected.
        message: String,
    },
    /// An argument outside of its range.
    #[error("{op}: {message}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// The value, and its range.
        message: String,
    },
    /// An element type that an operation has no meaning for.
    #[error("{op}: needs a floating-point tensor, but got {dtype:?}")]
    DType {
        /// The operation.
        op: &'static str,
        /// The type that came.
        dtype: DType,
    },
    /// A linear system that is solved by a Cholesky factor, but has none.
    #[error(
        "solve_spd: the matrix of task {task} is not positive definite (pivot {pivot:e} in row {row}); add a multiple of \
         the identity, or a larger one"
    )]
    NotPositiveDefinite {
        /// The task.
        task: usize,
        /// The row at which the factor ends.
        row: usize,
        /// What should be above zero.
        pivot: f64,
    },
    /// A parameter that was asked for is not there.
    #[error("no parameter is named `{name}`; there are: {available}")]
    MissingParam {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: String,
    },
    /// Two sets of parameters that should have the same names do not.
    #[error("the parameters differ: missing [{missing}], extra [{extra}]")]
    ParamMismatch {
        /// Names expected, but not there.
        missing: String,
        /// Names there, but not expected.
        extra: String,
    },
    /// A parameter whose shape is not the expected one.
    #[error("parameter `{name}` has shape {found:?}, expected {expected:?}")]
    ParamShape {
        /// The parameter.
        name: String,
        /// Shape found.
        found: Shape,
        /// Shape expected.
        expected: Shape,
    },
    /// A name that stands twice.
    #[error("the parameter name `{name}` stands twice")]
    DuplicateParam {
        /// The name.
        name: String,
    },
    /// A file that cannot be read or written.
    #[error("{action} {path}: {source}")]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file that is no whole safetensors file.
    #[error("{path} is not a whole safetensors file ({message}); was its writer interrupted?")]
    Corrupt {
        /// The file.
        path: std::path::PathBuf,
        /// What the reader said.
        message: String,
    },
    /// An analytic gradient that differs from the finite differences.
    #[error(
        "gradient check failed at order {order}, input {input}, element {element}: analytic {analytic:e}, finite \
         difference {numeric:e}, relative error {error:e} (tolerance {tolerance:e})"
    )]
    GradientCheck {
        /// Order of the derivative.
        order: usize,
        /// Which input.
        input: usize,
        /// Which element of it.
        element: usize,
        /// The derivative from the tape.
        analytic: f64,
        /// The derivative from central differences.
        numeric: f64,
        /// The relative error.
        error: f64,
        /// The bound.
        tolerance: f64,
    },
    /// An error of candle's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn shape(op: &'static str, message: impl Into<String>) -> Self {
        Self::Shape { op, message: message.into() }
    }

    pub(crate) fn argument(op: &'static str, message: impl Into<String>) -> Self {
        Self::Argument { op, message: message.into() }
    }
}
