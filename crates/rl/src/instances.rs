//! The same thing done to many independent instances, on several threads, and what came out on average.
//!
//! An instance is told its number alone and draws from generators made of that number, so neither the number of threads
//! nor the order of work changes a bit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, Result};

/// Calls `work(0), …, work(n − 1)` on up to `threads` threads and returns the answers in this order.
///
/// # Errors
/// The error of the lowest instance among those that were tried; no new ones are begun after one.
pub fn for_each<T: Send, E: Send + From<Error>>(
    n: usize,
    threads: usize,
    work: impl Fn(usize) -> std::result::Result<T, E> + Sync,
) -> std::result::Result<Vec<T>, E> {
    if threads == 0 {
        return Err(Error::agent("threads", 0, "at least 1").into());
    }
    if threads == 1 || n < 2 {
        return (0..n).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(n));
    let worker = || {
        while let Some(i) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < n) {
            let answer = work(i);
            if answer.is_err() {
                next.store(n, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((i, answer));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(n) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, answer)| answer).collect()
}

/// A mean over independent instances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The mean.
    pub mean: f64,
    /// Standard error of the mean, s / √n; zero for a single instance.
    pub standard_error: f64,
    /// Standard deviation s of one instance.
    pub deviation: f64,
    /// Number of instances n.
    pub n: usize,
}

impl Summary {
    /// Mean and spread of some values.
    ///
    /// # Errors
    /// [`Error::NothingToPlay`] without values.
    pub fn of(values: &[f64]) -> Result<Self> {
        let n = values.len();
        if n == 0 {
            return Err(Error::NothingToPlay { what: "number of instances" });
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let deviation = (squares / (n as f64 - 1.0).max(1.0)).sqrt();
        Ok(Self { mean, standard_error: deviation / (n as f64).sqrt(), deviation, n })
    }

    /// The same of values `n` times as large.
    #[must_use]
    pub fn times(&self, n: usize) -> Self {
        let factor = n as f64;
        let (mean, deviation) = (factor * self.mean, factor * self.deviation);
        Self { mean, standard_error: factor * self.standard_error, deviation, n: self.n }
    }

    /// Half-width of the 95 % interval, 1.96 standard errors.
    pub fn ci95(&self) -> f64 {
        1.96 * self.standard_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_change_neither_answers_nor_order() -> Result<()> {
        let work = |i: usize| -> Result<usize> { Ok(i * i) };
        let one = for_each(100, 1, work)?;
        assert_eq!(one[9], 81);
        assert_eq!(for_each(100, 3, work)?, one);
        assert!(for_each(0, 2, work)?.is_empty());
        Ok(())
    }

    #[test]
    fn an_instance_that_fails_is_reported() {
        let work = |i| if i == 7 { Err(Error::NoArms) } else { Ok(i) };
        for threads in [1, 2] {
            assert!(matches!(for_each(20, threads, work), Err(Error::NoArms)));
        }
        assert!(matches!(for_each(1, 0, work), Err(Error::AgentSetting { field: "threads", .. })));
    }

    /// 1, 2, 3, 6 by hand: mean 3, s² = (4 + 1 + 0 + 9) / 3.
    #[test]
    fn mean_and_standard_error_by_hand() -> Result<()> {
        let summary = Summary::of(&[1.0, 2.0, 3.0, 6.0])?;
        assert!((summary.mean - 3.0).abs() < 1e-12);
        assert!((summary.standard_error - (14.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
        assert!(Summary::of(&[]).is_err());
        Ok(())
    }
}
