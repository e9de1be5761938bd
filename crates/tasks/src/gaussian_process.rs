//! Functions of a Gaussian process: smooth, and of no fixed number of parameters.
//!
//! ```text
//! y ~ N(0, K + ν² I),   K_ij = s² exp(−(x_i − x_j)²/2l²),   l ~ U for each task,   x ~ U
//! ```
//! drawn as `y = L z` with `L Lᵀ = K + ν² I` and `z ~ N(0, I)`, support and query set together. Garnelo et al., *Conditional
//! Neural Processes*, 2018, §4.1, and Kim et al., *Attentive Neural Processes*, 2019, §4.1, learn to regress such functions.

use std::ops::Range;

use candle_core::{Device, Tensor};
use rand::RngCore;

use crate::error::at_least_one;
use crate::line::normal;
use crate::sinusoid::{check_range, uniform};
use crate::{Batch, Error, Result, TaskBatch, TaskSampler};

/// Functions of a Gaussian process with a squared exponential kernel. Inputs `x [M, B, 1]`, targets `y [M, B, 1]`, f32.
///
/// The defaults are those of the published code of attentive neural processes, for kernels that change from task to task.
///
/// ```
/// use rekindle_tasks::{GaussianProcess, TaskSampler, batch_rng};
///
/// let tasks = GaussianProcess { shots: 3, ..GaussianProcess::default() }.sample(&mut batch_rng(0, 0), 2)?;
/// assert_eq!(tasks.support.x.dims(), [2, 3, 1]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianProcess {
    /// Range of the length l over which a function changes, `> 0`. Default `[0.1, 0.6]`.
    pub length: Range<f32>,
    /// Standard deviation s of a function's values, `> 0`. Default 1.
    pub deviation: f32,
    /// Standard deviation ν of the noise, `> 0`. Default 0.02.
    pub noise: f32,
    /// Range of the inputs x. Default `[−2, 2]`.
    pub inputs: Range<f32>,
    /// Support points per task K, `>= 1`. Default 10.
    pub shots: usize,
    /// Query points per task Q, `>= 1`. Default 20.
    pub queries: usize,
}

impl Default for GaussianProcess {
    fn default() -> Self {
        Self { length: 0.1..0.6, deviation: 1.0, noise: 0.02, inputs: -2.0..2.0, shots: 10, queries: 20 }
    }
}

impl GaussianProcess {
    /// Checks counts, ranges and deviations.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field.
    pub fn validate(&self) -> Result<()> {
        check_range("length", &self.length)?;
        check_range("inputs", &self.inputs)?;
        // Without noise K has no root in floating-point numbers as soon as two inputs lie side by side.
        let positive = [("length", self.length.start), ("deviation", self.deviation), ("noise", self.noise)];
        for (field, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::Config { field, value: value.to_string(), expected: "finite and above 0" });
            }
        }
        at_least_one(&[("shots", self.shots), ("queries", self.queries)])
    }

    /// Values at `x` of a function with this length.
    fn values(&self, rng: &mut dyn RngCore, x: &[f32], length: f64) -> Vec<f32> {
        let (variance, noise) = (f64::from(self.deviation).powi(2), f64::from(self.noise).powi(2));
        let kernel = |i: usize, j: usize| {
            let distance = f64::from(x[i] - x[j]) / length;
            variance * libm::exp(-0.5 * distance * distance) + if i == j { noise } else { 0.0 }
        };
        let z: Vec<f64> = x.iter().map(|_| f64::from(normal(rng))).collect();
        let root = cholesky(x.len(), kernel);
        root.iter().map(|row| row.iter().zip(&z).map(|(l, z)| l * z).sum::<f64>() as f32).collect()
    }
}

/// Rows of the lower triangular root of a positive definite matrix.
fn cholesky(n: usize, matrix: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(n);
    for i in 0..n {
        let mut row = Vec::with_capacity(i + 1);
        for j in 0..i {
            let above: &[f64] = &rows[j];
            let rest = matrix(i, j) - dot(&row, above);
            row.push(rest / above[j]);
        }
        let rest = matrix(i, i) - dot(&row, &row);
        row.push(rest.sqrt());
        rows.push(row);
    }
    rows
}

/// The scalar product over the shorter of two slices.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl TaskSampler for GaussianProcess {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        self.validate()?;
        let (shots, all) = (self.shots, self.shots + self.queries);
        let (mut xs, mut ys) = (Vec::with_capacity(n_tasks * all), Vec::with_capacity(n_tasks * all));
        for _ in 0..n_tasks {
            let length = f64::from(uniform(rng, &self.length));
            let x: Vec<f32> = (0..all).map(|_| uniform(rng, &self.inputs)).collect();
            ys.extend(self.values(rng, &x, length));
            xs.extend(x);
        }
        let shaped = |values| Tensor::from_vec(values, (n_tasks, all, 1), &Device::Cpu);
        let (x, y) = (shaped(xs)?, shaped(ys)?);
        let part = |start, len| -> Result<Batch> {
            let cut = |t: &Tensor| t.narrow(1, start, len)?.contiguous();
            Ok(Batch { x: cut(&x)?, y: cut(&y)? })
        };
        Ok(TaskBatch { support: part(0, shots)?, query: part(shots, self.queries)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch_rng;

    /// The mean of y(x) y(x') over functions is the kernel, on both sides of the border between support and query set.
    #[test]
    fn values_have_the_covariance_of_the_kernel() -> Result<()> {
        let process = GaussianProcess { length: 0.5..0.5, deviation: 2.0, ..GaussianProcess::default() };
        let (x, tasks) = ([0.0, 0.3, 1.5], 40_000);
        let rng = &mut batch_rng(0, 0);
        let mut products = [[0.0; 3]; 3];
        for _ in 0..tasks {
            let y = process.values(rng, &x, 0.5);
            for (i, row) in products.iter_mut().enumerate() {
                row.iter_mut().zip(&y).for_each(|(sum, other)| *sum += f64::from(y[i] * other) / f64::from(tasks));
            }
        }
        for (i, row) in products.iter().enumerate() {
            for (j, found) in row.iter().enumerate() {
                let distance = f64::from(x[i] - x[j]) / 0.5;
                let expected = 4.0 * (-0.5 * distance * distance).exp() + if i == j { 4e-4 } else { 0.0 };
                assert!((found - expected).abs() < 0.1, "{i} {j}: {found}, {expected}");
            }
        }
        Ok(())
    }

    /// The root times itself is the matrix.
    #[test]
    fn cholesky_is_a_root() {
        let matrix = [[4.0, 2.0, -2.0], [2.0, 5.0, 3.0], [-2.0, 3.0, 11.0]];
        let root = cholesky(3, |i, j| matrix[i][j]);
        for i in 0..3 {
            for j in 0..3 {
                assert!((dot(&root[i], &root[j]) - matrix[i][j]).abs() < 1e-12);
            }
        }
    }

    /// Near a support point a query has nearly its value: both come from one function.
    #[test]
    fn support_and_query_are_of_one_function() -> Result<()> {
        let process = GaussianProcess { shots: 40, length: 0.6..0.6, ..GaussianProcess::default() };
        let tasks = process.sample(&mut batch_rng(1, 0), 20)?;
        tasks.validate()?;
        let rows = |t: &Tensor| t.squeeze(2)?.to_vec2::<f32>();
        let (xs, ys, xq, yq) =
            (rows(&tasks.support.x)?, rows(&tasks.support.y)?, rows(&tasks.query.x)?, rows(&tasks.query.y)?);
        let (mut errors, mut near) = (0.0, 0);
        for task in 0..20 {
            for (x, y) in xq[task].iter().zip(&yq[task]) {
                for (_, y2) in xs[task].iter().zip(&ys[task]).filter(|(x2, _)| (x - **x2).abs() < 0.01) {
                    (errors, near) = (errors + (y - y2).powi(2), near + 1);
                }
            }
        }
        assert!(near > 50 && errors / (near as f32) < 0.003, "{near} {errors}");
        Ok(())
    }

    #[test]
    fn bad_settings_are_named() {
        let message = |process: GaussianProcess| process.validate().unwrap_err().to_string();
        assert!(message(GaussianProcess { noise: 0.0, ..GaussianProcess::default() }).contains("`noise` is 0"));
        assert!(message(GaussianProcess { length: 0.0..1.0, ..GaussianProcess::default() }).contains("`length` is 0"));
        assert!(message(GaussianProcess { shots: 0, ..GaussianProcess::default() }).contains("`shots` is 0"));
    }
}
