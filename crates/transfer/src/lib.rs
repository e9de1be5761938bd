#![doc = include_str!("../README.md")]

pub mod curriculum;
pub mod domain;
mod matrix;
pub mod zero_shot;

mod error;

pub use error::{Error, Result};
