//! Sinusoid regression: each task is one sine wave.
//!
//! ```text
//! y = A sin(x − φ),   A ~ U[0.1, 5],   φ ~ U[0, π],   x ~ U[−5, 5]
//! ```
//! Finn, Abbeel & Levine, *Model-Agnostic Meta-Learning*, 2017, §5.1 (paper and code agree on these ranges). Two
//! anchors in closed form: predicting zero costs E[A²]/2 = 4.252 in mean squared error, and the best function that
//! ignores the task, −(2/π)·E[A]·cos x, costs 3.006.

use std::f32::consts::{PI, TAU};
use std::ops::Range;

use candle_core::{Device, Tensor};
use rand::{Rng, RngCore, seq::index};

use crate::sine::sines;
use crate::{Batch, Error, Result, TaskBatch, TaskSampler};

/// A distribution over sine waves. Default: the 10-shot protocol of MAML.
///
/// Inputs are `x [M, B, 1]`, or `[M, B, 3]` with [`oracle`](Self::oracle); targets `y [M, B, 1]`; all f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Sinusoid {
    /// Range of the amplitude A, drawn uniformly.
    pub amplitude: Range<f32>,
    /// Range of the phase φ in radians, drawn uniformly.
    pub phase: Range<f32>,
    /// Where the inputs lie.
    pub inputs: Inputs,
    /// Support points per task K, `>= 1`.
    pub shots: usize,
    /// Query points per task Q, `>= 1`.
    pub queries: usize,
    /// Whether the inputs are (x, A, φ) rather than x alone: what the oracle baseline of the paper sees.
    pub oracle: bool,
}

/// How the inputs of a task are chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// Each point is drawn uniformly from the range.
    Uniform(Range<f32>),
    /// Points of an even grid that includes both ends of the range. A batch of all of them is the grid in order; a
    /// smaller batch is drawn from it without replacement. Support and query are drawn apart and may share points.
    Grid {
        /// Number of points in the grid, `>= 2`.
        n: usize,
        /// First and last point.
        range: Range<f32>,
    },
}

impl Default for Sinusoid {
    fn default() -> Self {
        let inputs = Inputs::Uniform(-5.0..5.0);
        Self { amplitude: 0.1..5.0, phase: 0.0..PI, inputs, shots: 10, queries: 10, oracle: false }
    }
}

impl Sinusoid {
    /// MAML's protocol with `shots` support and as many query points.
    pub fn maml(shots: usize) -> Self {
        Self { shots, queries: shots, ..Self::default() }
    }

    /// The sine tasks of Reptile (Nichol, Achiam & Schulman 2018, and the authors' demonstration): φ ~ U[0, 2π],
    /// inputs from a fixed grid of 50 points on [−5, 5]. Training takes `shots` = 50, the whole grid; evaluation 10.
    /// The query is the whole grid.
    pub fn reptile(shots: usize) -> Self {
        let inputs = Inputs::Grid { n: 50, range: -5.0..5.0 };
        Self { phase: 0.0..TAU, inputs, shots, queries: 50, ..Self::default() }
    }

    /// Checks counts and ranges.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field.
    pub fn validate(&self) -> Result<()> {
        check_range("amplitude", &self.amplitude)?;
        check_range("phase", &self.phase)?;
        let most = match &self.inputs {
            Inputs::Uniform(range) => check_range("inputs", range).map(|()| usize::MAX)?,
            Inputs::Grid { n: n @ 0..2, .. } => {
                return Err(Error::Config {
                    field: "inputs",
                    value: format!("a grid of {n}"),
                    expected: "at least 2 points",
                });
            }
            Inputs::Grid { n, range } => check_range("inputs", range).map(|()| *n)?,
        };
        for (field, value) in [("shots", self.shots), ("queries", self.queries)] {
            if value == 0 || value > most {
                let expected = "at least 1, and at most the points of the grid";
                return Err(Error::Config { field, value: value.to_string(), expected });
            }
        }
        Ok(())
    }

    /// Tasks and the latent `[M, 2]` (A, φ) behind each, which no learner sees: for plots and oracles.
    ///
    /// # Errors
    /// [`Error::Config`] as [`validate`](Self::validate).
    pub fn sample_with_latents(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<(TaskBatch, Tensor)> {
        self.validate()?;
        let (mut support, mut query) = (Points::new(n_tasks * self.shots), Points::new(n_tasks * self.queries));
        let mut latents = Vec::with_capacity(2 * n_tasks);
        for _ in 0..n_tasks {
            let wave = Wave { amplitude: uniform(rng, &self.amplitude), phase: uniform(rng, &self.phase) };
            latents.extend([wave.amplitude, wave.phase]);
            support.extend(&self.inputs.draw(rng, self.shots), &wave, self.oracle);
            query.extend(&self.inputs.draw(rng, self.queries), &wave, self.oracle);
        }
        let tasks =
            TaskBatch { support: support.batch(n_tasks, self.shots)?, query: query.batch(n_tasks, self.queries)? };
        Ok((tasks, Tensor::from_vec(latents, (n_tasks, 2), &Device::Cpu)?))
    }
}

impl TaskSampler for Sinusoid {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        Ok(self.sample_with_latents(rng, n_tasks)?.0)
    }
}

impl Inputs {
    fn draw(&self, rng: &mut dyn RngCore, count: usize) -> Vec<f32> {
        match self {
            Self::Uniform(range) => (0..count).map(|_| uniform(rng, range)).collect(),
            Self::Grid { n, range } => {
                let step = (range.end - range.start) / (*n - 1) as f32;
                let point = |i: usize| range.start + step * i as f32;
                if count == *n {
                    (0..count).map(point).collect()
                } else {
                    index::sample(rng, *n, count).iter().map(point).collect()
                }
            }
        }
    }
}

/// The latents of one task.
struct Wave {
    amplitude: f32,
    phase: f32,
}

/// Inputs and targets of one batch as they are collected, task after task.
struct Points {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Points {
    fn new(capacity: usize) -> Self {
        Self { x: Vec::with_capacity(capacity), y: Vec::with_capacity(capacity) }
    }

    fn extend(&mut self, xs: &[f32], wave: &Wave, oracle: bool) {
        for &x in xs {
            self.x.push(x);
            if oracle {
                self.x.extend([wave.amplitude, wave.phase]);
            }
        }
        let start = self.y.len();
        self.y.extend(xs.iter().map(|x| x - wave.phase));
        let ys = &mut self.y[start..];
        // These sines have the same bits on every machine; the platform's may not.
        sines(ys);
        ys.iter_mut().for_each(|y| *y *= wave.amplitude);
    }

    fn batch(self, n_tasks: usize, n: usize) -> Result<Batch> {
        let features = self.x.len().checked_div(self.y.len()).unwrap_or(1);
        let x = Tensor::from_vec(self.x, (n_tasks, n, features), &Device::Cpu)?;
        Ok(Batch { x, y: Tensor::from_vec(self.y, (n_tasks, n, 1), &Device::Cpu)? })
    }
}

/// A uniform draw from a range that may be a single point.
pub(crate) fn uniform(rng: &mut dyn RngCore, range: &Range<f32>) -> f32 {
    if range.is_empty() { range.start } else { rng.random_range(range.clone()) }
}

/// Refuses ranges that are reversed or not finite; a single point (`a..a`) is a constant.
pub(crate) fn check_range(field: &'static str, range: &Range<f32>) -> Result<()> {
    if range.start <= range.end && (range.end - range.start).is_finite() {
        return Ok(());
    }
    Err(Error::Config { field, value: format!("{range:?}"), expected: "a finite range low..high with low <= high" })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Against the platform's f64 sine, from the latents.
    #[test]
    fn targets_follow_the_equation() -> Result<()> {
        let (tasks, latents) = Sinusoid::maml(7).sample_with_latents(&mut ChaCha8Rng::seed_from_u64(1), 20)?;
        tasks.validate()?;
        for batch in [&tasks.support, &tasks.query] {
            assert_eq!(batch.x.dims(), [20, 7, 1]);
            let (x, y, latents) = (values(&batch.x), values(&batch.y), values(&latents));
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                let (amplitude, phase) = (latents[i / 7 * 2], latents[i / 7 * 2 + 1]);
                let expected = f64::from(amplitude) * (f64::from(*x) - f64::from(phase)).sin();
                assert!((f64::from(y) - expected).abs() < 1e-5);
                assert!((0.1..5.0).contains(&amplitude) && (0.0..PI).contains(&phase) && (-5.0..5.0).contains(x));
            }
        }
        Ok(())
    }

    /// The closed-form anchors of the module's documentation, by Monte Carlo over 4·10⁵ points (standard errors below
    /// 0.02).
    #[test]
    fn mean_squared_errors_of_task_blind_predictors() -> Result<()> {
        let tasks = Sinusoid::maml(2).sample(&mut ChaCha8Rng::seed_from_u64(2), 100_000)?;
        let (x, y) = (
            [values(&tasks.support.x), values(&tasks.query.x)].concat(),
            [values(&tasks.support.y), values(&tasks.query.y)].concat(),
        );
        let mse = |f: &dyn Fn(f32) -> f32| {
            x.iter().zip(&y).map(|(x, y)| f64::from(f(*x) - y).powi(2)).sum::<f64>() / x.len() as f64
        };
        assert!((mse(&|_| 0.0) - 4.252).abs() < 0.05);
        assert!((mse(&|x| -2.0 / PI * 2.55 * x.cos()) - 3.006).abs() < 0.05);
        Ok(())
    }

    #[test]
    fn oracle_inputs_carry_the_latents() -> Result<()> {
        let sampler = Sinusoid { oracle: true, ..Sinusoid::maml(3) };
        let (tasks, latents) = sampler.sample_with_latents(&mut ChaCha8Rng::seed_from_u64(3), 2)?;
        assert_eq!(tasks.query.x.dims(), [2, 3, 3]);
        let repeated = latents.unsqueeze(1)?.broadcast_as((2, 3, 2))?;
        assert_eq!(values(&tasks.query.x.narrow(2, 1, 2)?), values(&repeated));
        Ok(())
    }

    #[test]
    fn reptile_draws_from_a_fixed_grid() -> Result<()> {
        let tasks = Sinusoid::reptile(10).sample(&mut ChaCha8Rng::seed_from_u64(4), 3)?;
        let grid = values(&tasks.query.x.get(0)?);
        assert_eq!((grid.len(), grid[0]), (50, -5.0));
        assert!((grid[49] - 5.0).abs() < 1e-5 && grid.is_sorted());
        assert_eq!(grid, values(&tasks.query.x.get(2)?));
        let mut support = values(&tasks.support.x.get(1)?);
        support.sort_by(f32::total_cmp);
        support.dedup();
        assert_eq!(support.len(), 10, "drawn without replacement");
        assert!(support.iter().all(|x| grid.contains(x)));
        Ok(())
    }

    #[test]
    fn bad_settings_are_named() {
        let message = |s: Sinusoid| s.validate().unwrap_err().to_string();
        assert!(message(Sinusoid::maml(0)).contains("`shots` is 0"));
        assert!(message(Sinusoid::reptile(51)).contains("`shots` is 51"));
        let reversed = std::ops::Range { start: 5.0, end: 0.1 };
        assert!(message(Sinusoid { amplitude: reversed, ..Sinusoid::default() }).contains("`amplitude` is 5.0..0.1"));
        assert!(message(Sinusoid { phase: 0.0..f32::NAN, ..Sinusoid::default() }).contains("`phase`"));
        let inputs = Inputs::Grid { n: 1, range: -1.0..1.0 };
        assert!(message(Sinusoid { inputs, ..Sinusoid::default() }).contains("a grid of 1"));
    }
}
