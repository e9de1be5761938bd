//! Range checks that every transformation's `validate` is written in.

use crate::{Error, Result};

fn check(transform: &'static str, setting: &'static str, value: f64, range: &'static str, ok: bool) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Setting { transform, setting, value, range }) }
}

/// `0 < value < ∞`.
pub(crate) fn positive(transform: &'static str, setting: &'static str, value: f64) -> Result<()> {
    check(transform, setting, value, "a finite number above 0", value.is_finite() && value > 0.0)
}

/// `0 ≤ value < ∞`.
pub(crate) fn not_negative(transform: &'static str, setting: &'static str, value: f64) -> Result<()> {
    check(transform, setting, value, "a finite number of at least 0", value.is_finite() && value >= 0.0)
}

/// `0 ≤ value < 1`.
pub(crate) fn below_one(transform: &'static str, setting: &'static str, value: f64) -> Result<()> {
    check(transform, setting, value, "in [0, 1)", (0.0..1.0).contains(&value))
}

/// `−∞ < value < ∞`.
pub(crate) fn finite(transform: &'static str, setting: &'static str, value: f64) -> Result<()> {
    check(transform, setting, value, "a finite number", value.is_finite())
}
