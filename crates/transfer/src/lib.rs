#![doc = include_str!("../README.md")]

mod descent;
mod error;
pub mod policy;
pub mod successor;

pub use error::{Error, Result};
