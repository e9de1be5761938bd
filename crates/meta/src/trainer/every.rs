//! Fewer iterations for an observer that need not see all.

use super::{Iteration, Observer, Validation};
use crate::{Error, Result};

/// Shows its observer the iterations n, 2n, 3n, … and the last one, and every validation.
///
/// What it shows is the loss of those iterations, not a mean since the last one: so the log of a run that was killed
/// and resumed is that of a run left alone.
///
/// ```
/// use rekindle_meta::{EveryN, JsonLines};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("metrics.jsonl");
/// let log = EveryN::new(100, JsonLines::open(path)?)?; // 70,000 iterations, 700 lines
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EveryN<O> {
    n: u64,
    observer: O,
}

impl<O: Observer> EveryN<O> {
    /// Every n-th iteration, n `≥ 1`.
    ///
    /// # Errors
    /// If n is 0.
    pub fn new(n: u64, observer: O) -> Result<Self> {
        if n == 0 {
            return Err(Error::setting("n", &0, "at least 1"));
        }
        Ok(Self { n, observer })
    }

    /// The observer.
    pub fn into_inner(self) -> O {
        self.observer
    }
}

impl<O: Observer> Observer for EveryN<O> {
    fn iteration(&mut self, iteration: &Iteration) -> Result<bool> {
        let shown = iteration.iteration.is_multiple_of(self.n) || iteration.iteration == iteration.total;
        if shown { self.observer.iteration(iteration) } else { Ok(true) }
    }

    fn validation(&mut self, validation: &Validation<'_>) -> Result<()> {
        self.observer.validation(validation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Evaluation;

    #[derive(Default)]
    struct Seen(Vec<u64>, usize);

    impl Observer for Seen {
        fn iteration(&mut self, iteration: &Iteration) -> Result<bool> {
            self.0.push(iteration.iteration);
            Ok(iteration.iteration != 6)
        }

        fn validation(&mut self, _validation: &Validation<'_>) -> Result<()> {
            self.1 += 1;
            Ok(())
        }
    }

    #[test]
    fn shows_multiples_the_last_one_and_all_validations() -> Result<()> {
        let mut every = EveryN::new(3, Seen::default())?;
        let evaluation = Evaluation::new(vec![1.0])?;
        for iteration in 1..=8 {
            let go_on = every.iteration(&Iteration { iteration, total: 8, loss: 0.0, seconds: 0.0 })?;
            // Its observer's wish to stop is passed on.
            assert_eq!(go_on, iteration != 6);
            every.validation(&Validation { iteration, evaluation: &evaluation, is_best: false })?;
        }
        let Seen(iterations, validations) = every.into_inner();
        assert_eq!((iterations, validations), (vec![3, 6, 8], 8));
        assert_eq!(EveryN::new(0, ()).unwrap_err().to_string(), "n = 0, but must be at least 1");
        Ok(())
    }
}
