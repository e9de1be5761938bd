#![doc = include_str!("../README.md")]

pub mod bandit;
pub mod instances;
pub mod tabular;

mod error;

pub use error::{Error, Result};
