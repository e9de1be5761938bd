//! Timing a piece of work by repeats, for the speed experiments.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::usage::Meter;

/// How to time: warm up, then run repeats that each last about `seconds`.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Calls before anything is timed, `>= 1`.
    pub warmup: usize,
    /// Timed repeats, `>= 1`.
    pub repeats: usize,
    /// Wall-clock length of one repeat in seconds, `> 0`.
    pub seconds: f64,
}

impl Default for Measure {
    /// 3 warm-up calls, 5 repeats of 2 s.
    fn default() -> Self {
        Self { warmup: 3, repeats: 5, seconds: 2.0 }
    }
}

/// Work to time: what one call of it does, and how much that is.
pub struct Work {
    /// Units that a call does, in whatever the workload counts: tasks, images, steps.
    pub units: f64,
    /// Does them. On a GPU it must wait for the device (`Device::synchronize`), or only the launch is timed.
    pub call: Box<dyn FnMut() -> Result<()>>,
}

impl Work {
    /// `units` in each call.
    pub fn new(units: usize, call: impl FnMut() -> Result<()> + 'static) -> Self {
        Self { units: units as f64, call: Box::new(call) }
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("units", &self.units).finish_non_exhaustive()
    }
}

/// Seconds per call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Wall-clock seconds per call in the fastest repeat.
    pub wall_best: f64,
    /// Wall-clock seconds per call in the median repeat.
    pub wall_median: f64,
    /// Processor seconds (all threads, user and system) per call in the cheapest repeat.
    pub cpu_best: Option<f64>,
    /// Processor seconds per call in the median repeat.
    pub cpu_median: Option<f64>,
    /// Wall-clock seconds of the very first call, which pays for caches and thread pools.
    pub first_call: f64,
    /// Calls in one repeat.
    pub calls: usize,
    /// Repeats.
    pub repeats: usize,
}

impl Timing {
    /// Calls per wall-clock second, best repeat.
    pub fn per_second(&self) -> f64 {
        self.wall_best.recip()
    }

    /// Calls per processor second, best repeat, where the system tells.
    pub fn per_cpu_second(&self) -> Option<f64> {
        self.cpu_best.map(f64::recip)
    }
}

impl Measure {
    /// Times `work`, which on a GPU must wait for the device as [`Work::call`] does.
    ///
    /// # Errors
    /// If the settings are out of range, or with the first error of `work`.
    pub fn run(&self, mut work: impl FnMut() -> Result<()>) -> Result<Timing> {
        let Self { warmup, repeats, seconds } = *self;
        ensure!(
            warmup >= 1 && repeats >= 1 && seconds > 0.0,
            "timing needs at least one warm-up call, one repeat and a length above zero, not {self:?}"
        );
        let first_call = timed(1, &mut work)?.0;
        for _ in 1..warmup {
            work()?;
        }
        let calls = calls_that_last(seconds, &mut work)?;
        let runs = (0..repeats).map(|_| timed(calls, &mut work)).collect::<Result<Vec<_>>>()?;
        let per_call = |total: f64| total / calls as f64;
        let wall: Vec<_> = runs.iter().map(|run| per_call(run.0)).collect();
        let cpu: Option<Vec<_>> = runs.iter().map(|run| run.1.map(per_call)).collect();
        let (wall_best, wall_median) = best_and_median(wall);
        let (cpu_best, cpu_median) = cpu.map(best_and_median).unzip();
        Ok(Timing { wall_best, wall_median, cpu_best, cpu_median, first_call, calls, repeats })
    }
}

/// Wall and processor seconds of `calls` calls.
fn timed(calls: usize, work: &mut impl FnMut() -> Result<()>) -> Result<(f64, Option<f64>)> {
    let meter = Meter::start();
    for _ in 0..calls {
        work()?;
    }
    Ok((meter.wall_seconds(), meter.cpu_seconds()))
}

/// How many calls fill `seconds`: doubled until a fifth of it is filled, then scaled up.
fn calls_that_last(seconds: f64, work: &mut impl FnMut() -> Result<()>) -> Result<usize> {
    let mut calls = 1;
    loop {
        let wall = timed(calls, work)?.0;
        if wall > 0.2 * seconds {
            return Ok(((seconds / wall * calls as f64).round() as usize).max(1));
        }
        calls *= 2;
    }
}

pub(crate) fn best_and_median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (values[0], (values[(n - 1) / 2] + values[n / 2]) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sleep_of_known_length_is_timed() -> Result<()> {
        let nap = Duration::from_millis(4);
        let timing = Measure { warmup: 1, repeats: 3, seconds: 0.04 }.run(|| {
            std::thread::sleep(nap);
            Ok(())
        })?;
        assert!(timing.wall_best >= nap.as_secs_f64(), "{timing:?}");
        assert!(timing.wall_best <= timing.wall_median, "{timing:?}");
        assert!(timing.per_second() <= 250.0, "{timing:?}");
        Ok(())
    }

    #[test]
    fn medians_of_even_and_odd_counts() {
        assert_eq!(best_and_median(vec![3.0, 1.0, 2.0]), (1.0, 2.0));
        assert_eq!(best_and_median(vec![4.0, 1.0, 2.0, 3.0]), (1.0, 2.5));
    }

    #[test]
    fn errors_of_the_work_and_of_the_settings_come_through() {
        assert!(Measure::default().run(|| anyhow::bail!("no")).is_err());
        assert!(Measure { repeats: 0, ..Measure::default() }.run(|| Ok(())).is_err());
    }
}
