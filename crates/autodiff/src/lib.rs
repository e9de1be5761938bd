#![doc = include_str!("../README.md")]

mod error;
mod grad;
mod kernel;
mod ops;
mod position;
mod tape;
mod tensor;

pub use error::{Error, Result};
pub use grad::{Order, grad, hvp, jvp, partial_vjp, value_and_grad, vjp};
pub use kernel::{AdamStep, ComposedScope, adam};
pub use ops::{ConvGeometry, FusedGrads, NormStats, Transpose};
pub use tape::{Grads, NoRecord, Upstream, is_recording};
pub use tensor::Tensor;
