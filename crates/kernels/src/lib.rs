//! CPU kernels for the workloads of meta-learning: many small problems, each too small for a general library.
//!
//! Plain slices in and out; sizes are checked once at the boundary, and answered with an [`Error`]. Every kernel has a
//! portable form in plain Rust, and a vector form that is compiled for each [`Level`] of the machine.

mod adam;
pub mod block;
pub mod centred;
pub mod collect;
pub mod conv;
mod dense;
mod error;
mod gemm;
mod level;
pub mod math;
mod memory;
mod peak;
pub mod recurrent;
mod reduce;
mod scratch;
mod simd;

pub use adam::{AdamStep, adam};
pub use conv::{ConvShape, conv, conv_t, conv_w};
pub use dense::{After, Base, Operand, Product, product};
pub use error::{Error, Result};
pub use gemm::{Float, Matrix, gemm, gemm_extend};
pub use level::{Level, VARIABLE};
pub use peak::multiply_adds;
pub use reduce::sum;
