//! CPU kernels for the workloads of meta-learning: many small problems, each too small for a general library.
//!
//! Plain slices in and out; sizes are checked once at the boundary, and answered with an [`Error`]. Every kernel has a
//! portable form in plain Rust, and a vector form that is compiled for each [`Level`] of the machine.

mod dense;
mod error;
mod level;
mod peak;
mod simd;
pub mod winograd;

pub use dense::{After, Base, Operand, Product, product};
pub use error::{Error, Result};
pub use level::{Level, VARIABLE};
pub use peak::multiply_adds;
