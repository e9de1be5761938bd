#![doc = include_str!("../README.md")]

mod check;
mod error;
mod foreign;
mod grad;
mod kernel;
mod offer;
mod ops;
mod params;
mod position;
mod solve;
mod tape;
mod tensor;

pub use check::{Check, check_gradients};
pub use error::{Error, Result};
pub use foreign::{ForeignParams, foreign};
pub use grad::{Order, grad, grad_step, hvp, jvp, partial_vjp, value_and_grad, vjp};
pub use kernel::{AdamStep, ComposedScope, adam};
pub use ops::{ConvBlock, ConvGeometry, FusedGrads, GruWeights, LstmWeights, NormStats, Transpose};
pub use params::Params;
pub use solve::{CgConfig, conjugate_gradient};
pub use tape::{Grads, NoRecord, Upstream, is_recording};
pub use tensor::Tensor;
