//! The one check of shapes that every method for two domains begins with.

use crate::{Error, Result};

/// Sizes of features `[M, B, D]` of a source and `[M, B', D]` of a target domain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// D.
    pub(super) features: usize,
    /// B and B'.
    pub(super) examples: [usize; 2],
}

impl Sizes {
    pub(super) fn of(source: &[usize], target: &[usize]) -> Result<Self> {
        let &[m, b, d] = source else {
            return Err(Error::shape("the features of the source domain", source, "[M, B, D]"));
        };
        check_examples("source domain", b)?;
        match *target {
            [tasks, examples, features] if tasks == m && features == d => {
                check_examples("target domain", examples)?;
                Ok(Self { features: d, examples: [b, examples] })
            }
            _ => Err(Error::shape("the features of the target domain", target, format!("[{m}, B, {d}]"))),
        }
    }
}

/// Refuses a domain without examples.
pub(super) fn check_examples(what: &'static str, n: usize) -> Result<()> {
    if n == 0 { Err(Error::Empty { what }) } else { Ok(()) }
}
