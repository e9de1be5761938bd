#![doc = include_str!("../README.md")]

pub use rekindle_autodiff as autodiff;
#[cfg(feature = "envs")]
pub use rekindle_envs as envs;
#[cfg(feature = "meta")]
pub use rekindle_meta as meta;
#[cfg(feature = "meta-rl")]
pub use rekindle_meta_rl as meta_rl;
#[cfg(feature = "nn")]
pub use rekindle_nn as nn;
#[cfg(feature = "optim")]
pub use rekindle_optim as optim;
#[cfg(feature = "rl")]
pub use rekindle_rl as rl;
#[cfg(feature = "tasks")]
pub use rekindle_tasks as tasks;
#[cfg(feature = "transfer")]
pub use rekindle_transfer as transfer;
