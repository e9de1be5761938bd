//! Looking on while a learner trains.

use crate::{Evaluation, Result};

/// One iteration that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iteration {
    /// Iterations that are over, this one included.
    pub iteration: u64,
    /// Iterations there will be.
    pub total: u64,
    /// Mean loss after adaptation, before this iteration's update.
    pub loss: f64,
    /// Wall-clock seconds of this iteration.
    pub seconds: f64,
}

/// One validation.
#[derive(Clone, Copy, Debug)]
pub struct Validation<'a> {
    /// Iterations that are over.
    pub iteration: u64,
    /// The scores.
    pub evaluation: &'a Evaluation,
    /// Whether it is the best so far.
    pub is_best: bool,
}

/// Sees each iteration and validation: a progress bar, a log file, a plot. Observers change nothing; they may stop the
/// training, which can then be resumed.
pub trait Observer {
    /// After an iteration; `false` asks for a checkpoint and an end.
    ///
    /// # Errors
    /// What keeps the observer from its work; training stops with it.
    fn iteration(&mut self, iteration: &Iteration) -> Result<bool>;

    /// After a validation.
    ///
    /// # Errors
    /// What keeps the observer from its work; training stops with it.
    fn validation(&mut self, _validation: &Validation<'_>) -> Result<()> {
        Ok(())
    }
}

/// Nobody looks on.
impl Observer for () {
    fn iteration(&mut self, _iteration: &Iteration) -> Result<bool> {
        Ok(true)
    }
}

/// Several observers, one after the other; training goes on while all of them want it to.
impl Observer for Vec<Box<dyn Observer + '_>> {
    fn iteration(&mut self, iteration: &Iteration) -> Result<bool> {
        self.iter_mut().try_fold(true, |go_on, observer| Ok(observer.iteration(iteration)? && go_on))
    }

    fn validation(&mut self, validation: &Validation<'_>) -> Result<()> {
        self.iter_mut().try_for_each(|observer| observer.validation(validation))
    }
}
