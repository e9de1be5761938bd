//! Where an agent gets the features φ of a transition from.

use std::fmt::Debug;

use super::Step;
use crate::{Error, Result};

/// Features of a transition, in which rewards of all tasks are (nearly) linear.
pub trait TransitionFeatures: Debug {
    /// How many there are, F.
    fn len(&self) -> usize;

    /// Whether there are none, in which case no reward can be told from another.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes φ of a step, `[F]`.
    ///
    /// # Errors
    /// If the step shows too little.
    fn write(&mut self, step: &Step<'_>, out: &mut [f64]) -> Result<()>;
}

/// The features that the world shows, of which there are F.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given(
    /// How many, `>= 1`.
    pub usize,
);

impl TransitionFeatures for Given {
    fn len(&self) -> usize {
        self.0
    }

    fn write(&mut self, step: &Step<'_>, out: &mut [f64]) -> Result<()> {
        if step.features.len() != self.0 {
            let (found, expected) = (step.features.len(), self.0);
            return Err(Error::Width { what: "the features of a transition", found, expected });
        }
        out.iter_mut().zip(step.features).for_each(|(out, phi)| *out = f64::from(*phi));
        Ok(())
    }
}
