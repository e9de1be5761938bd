#![doc = include_str!("../README.md")]

mod env; // read first

mod action;
mod augment;
mod bounds;
mod family;
mod rows;
mod space;
mod time_limit;
mod trial;
mod vec_env;

pub mod conformance;
pub mod random;

mod error;

pub use action::{Action, ActionBuffer, Actions};
pub use augment::{Augment, Layout};
pub use bounds::ClipActions;
pub use env::{Env, Transition};
pub use error::{Error, Result};
pub use family::{EnvFamily, Redraw, Single, TaskPool, Trials, Wrapped};
pub use random::{env_rng, stream_rng};
pub use space::Space;
pub use time_limit::TimeLimit;
pub use trial::Trial;
pub use vec_env::{Step, VecEnv};
