//! Straight-line regression: the simplest distribution over tasks, solved in closed form by least squares.
//!
//! ```text
//! y = a x + b + σ ε,   a ~ U,  b ~ U,  x ~ U,  ε ~ N(0, 1)
//! ```

use std::ops::Range;

use candle_core::{Device, Tensor};
use rand::{Rng, RngCore};

use crate::error::at_least_one;
use crate::sinusoid::{check_range, uniform};
use crate::{Batch, Error, Result, TaskBatch, TaskSampler};

/// A distribution over lines. Inputs `x [M, B, 1]`, targets `y [M, B, 1]`, f32.
///
/// The defaults have no published source: unit ranges for slope and offset, inputs on the sinusoid's [−5, 5], no noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Range of the slope a.
    pub slope: Range<f32>,
    /// Range of the offset b.
    pub offset: Range<f32>,
    /// Range of the inputs x.
    pub inputs: Range<f32>,
    /// Standard deviation σ of the noise on support and query targets, `>= 0`.
    pub noise: f32,
    /// Support points per task K, `>= 1`.
    pub shots: usize,
    /// Query points per task Q, `>= 1`.
    pub queries: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { slope: -1.0..1.0, offset: -1.0..1.0, inputs: -5.0..5.0, noise: 0.0, shots: 10, queries: 10 }
    }
}

impl Line {
    /// Checks counts, ranges and noise.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field.
    pub fn validate(&self) -> Result<()> {
        check_range("slope", &self.slope)?;
        check_range("offset", &self.offset)?;
        check_range("inputs", &self.inputs)?;
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::Config {
                field: "noise",
                value: self.noise.to_string(),
                expected: "finite and at least 0",
            });
        }
        at_least_one(&[("shots", self.shots), ("queries", self.queries)])
    }

    fn points(&self, rng: &mut dyn RngCore, lines: &[(f32, f32)], n: usize) -> Result<Batch> {
        let shape = (lines.len(), n, 1);
        let x: Vec<f32> = (0..lines.len() * n).map(|_| uniform(rng, &self.inputs)).collect();
        let line = |i: usize| lines[i / n];
        let mut y: Vec<f32> = x.iter().enumerate().map(|(i, x)| line(i).0 * x + line(i).1).collect();
        if self.noise > 0.0 {
            y.iter_mut().for_each(|y| *y += self.noise * normal(rng));
        }
        Ok(Batch { x: Tensor::from_vec(x, shape, &Device::Cpu)?, y: Tensor::from_vec(y, shape, &Device::Cpu)? })
    }
}

impl TaskSampler for Line {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        self.validate()?;
        let lines: Vec<_> = (0..n_tasks).map(|_| (uniform(rng, &self.slope), uniform(rng, &self.offset))).collect();
        Ok(TaskBatch { support: self.points(rng, &lines, self.shots)?, query: self.points(rng, &lines, self.queries)? })
    }
}

/// A standard normal draw by Box and Muller's formula, in libm's functions for the sake of equal bits on every machine.
pub(crate) fn normal(rng: &mut dyn RngCore) -> f32 {
    let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
    libm::sqrtf(-2.0 * libm::logf(u)) * libm::cosf(std::f32::consts::TAU * v)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
        tensor.squeeze(2).unwrap().to_vec2().unwrap()
    }

    /// Without noise every point of a task, support or query, lies on the line through the first two support points.
    #[test]
    fn support_and_query_lie_on_one_line() -> Result<()> {
        let tasks = Line { shots: 4, queries: 6, ..Line::default() }.sample(&mut ChaCha8Rng::seed_from_u64(1), 8)?;
        tasks.validate()?;
        let (xs, ys) = (rows(&tasks.support.x), rows(&tasks.support.y));
        let (xq, yq) = (rows(&tasks.query.x), rows(&tasks.query.y));
        for task in 0..8 {
            let slope = (ys[task][1] - ys[task][0]) / (xs[task][1] - xs[task][0]);
            assert!((-1.01..1.01).contains(&slope));
            for (x, y) in xs[task].iter().chain(&xq[task]).zip(ys[task].iter().chain(&yq[task])) {
                assert!((ys[task][0] + slope * (x - xs[task][0]) - y).abs() < 1e-3);
            }
        }
        Ok(())
    }

    /// On the constant line y = 0 the targets are the noise: mean 0, variance σ², fourth moment 3σ⁴.
    #[test]
    fn noise_has_the_moments_of_a_normal() -> Result<()> {
        let flat = Line { slope: 0.0..0.0, offset: 0.0..0.0, noise: 2.0, shots: 1000, ..Line::default() };
        let tasks = flat.sample(&mut ChaCha8Rng::seed_from_u64(2), 100)?;
        let y: Vec<f64> = rows(&tasks.support.y).concat().into_iter().map(f64::from).collect();
        let moment = |k| y.iter().map(|y| y.powi(k)).sum::<f64>() / y.len() as f64;
        assert!(moment(1).abs() < 0.03 && (moment(2) - 4.0).abs() < 0.1 && (moment(4) - 48.0).abs() < 3.0);
        Ok(())
    }

    #[test]
    fn bad_settings_are_named() {
        let message = |line: Line| line.validate().unwrap_err().to_string();
        assert!(message(Line { noise: -1.0, ..Line::default() }).contains("`noise` is -1"));
        assert!(message(Line { noise: f32::NAN, ..Line::default() }).contains("`noise` is NaN"));
        assert!(message(Line { queries: 0, ..Line::default() }).contains("`queries` is 0"));
    }
}
