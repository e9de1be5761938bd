//! CPU kernels for the workloads of meta-learning: many small problems, each too small for a general library.
//!
//! Plain slices in and out; sizes are checked once at the boundary, and answered with an [`Error`]. Every kernel has a
//! portable form in plain Rust, and a vector form that is compiled for each [`Level`] of the machine.

pub mod block;
mod conv;
mod error;
mod level;
mod simd;

pub use conv::{ConvShape, conv, conv_t, conv_w};
pub use error::{Error, Result};
pub use level::{Level, VARIABLE};
