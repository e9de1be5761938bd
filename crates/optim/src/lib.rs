#![doc = include_str!("../README.md")]

mod adam;
mod error;
mod root;
mod schedule;
mod setting;
mod sgd;
mod state;
mod transform;

pub use adam::Adam;
pub use error::{Error, Result};
pub use root::safe_sqrt;
pub use schedule::{Schedule, ScheduleFn};
pub use sgd::Sgd;
pub use state::State;
pub use transform::{Transform, apply_updates};
