//! Estimators that a transformer's answers are held against, after every prefix of a sequence.
//!
//! ```text
//! least squares   ŵ = argmin ‖w‖ among the minimisers of ‖X w − y‖
//! averaging       ŵ = (1/k) Σ yᵢ xᵢ
//! neighbours      ŷ = mean of the targets of the n nearest inputs
//! ```
//! Garg, Tsipras, Liang & Valiant 2022, section 3. For x and w from N(0, I_d) and k examples, the squared error of least
//! squares over that of answering zero is (d − k)/d, and none from k = d on; that of averaging is (d + 1)/k.

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::Tensor;
use rekindle_tasks::Batch;

use crate::{Error, Result};

/// An estimator without any training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Always zero.
    Zero,
    /// The weights of least norm among those that fit best.
    LeastSquares,
    /// The mean of y·x: one step of gradient descent from zero.
    Averaging,
    /// The mean target of the nearest inputs, of as many as there are, at most this many `≥ 1`. Garg et al. take 3.
    Neighbours(usize),
}

impl Baseline {
    /// Answers `[M, T, 1]` for a sequence `x [M, T, D]`, `y [M, T, 1]`: number t after the examples 0 to t − 1; the first
    /// is zero. In the type of `x`, on the CPU.
    ///
    /// # Errors
    /// If the sequence is not a regression with one target, or with no neighbours to take.
    pub fn outputs(self, sequence: &Batch) -> Result<Tensor> {
        if self == Self::Neighbours(0) {
            return Err(Error::setting("neighbours", &0, "at least 1"));
        }
        let (&[m, t, d], &[my, ty, 1]) = (sequence.x.dims(), sequence.y.dims()) else { return Err(misfit(sequence)) };
        if (m, t) != (my, ty) {
            return Err(misfit(sequence));
        }
        let (x, y) = (numbers(&sequence.x)?, numbers(&sequence.y)?);
        let mut answers = Vec::with_capacity(m * t);
        for task in 0..m {
            let xs: Vec<&[f64]> = x[task * t * d..(task + 1) * t * d].chunks(d.max(1)).collect();
            let ys = &y[task * t..(task + 1) * t];
            answers.extend((0..t).map(|k| if k == 0 { 0.0 } else { self.answer(&xs[..k], &ys[..k], xs[k]) }));
        }
        Ok(Tensor::from_vec(answers, (m, t, 1))?.to_dtype(sequence.x.dtype())?)
    }

    /// The answer for `x` after k ≥ 1 examples.
    fn answer(self, xs: &[&[f64]], ys: &[f64], x: &[f64]) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::LeastSquares => dot(&least_squares(xs, ys), x),
            Self::Averaging => xs.iter().zip(ys).map(|(xi, y)| y * dot(xi, x)).sum::<f64>() / xs.len() as f64,
            Self::Neighbours(n) => {
                let distance = |xi: &[f64]| xi.iter().zip(x).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
                let mut order: Vec<(f64, f64)> = xs.iter().zip(ys).map(|(xi, &y)| (distance(xi), y)).collect();
                order.sort_by(|a, b| a.0.total_cmp(&b.0));
                let near = &order[..n.min(order.len())];
                near.iter().map(|(_, y)| y).sum::<f64>() / near.len() as f64
            }
        }
    }
}

/// The weights of least norm among those that fit best: `Xᵀ (X Xᵀ)⁻¹ y` of few examples, `(Xᵀ X)⁻¹ Xᵀ y` of many. The
/// numbers of dependent rows or columns are left out.
fn least_squares(xs: &[&[f64]], ys: &[f64]) -> Vec<f64> {
    let (k, d) = (xs.len(), xs[0].len());
    if k <= d {
        let gram = |i: usize, j: usize| dot(xs[i], xs[j]);
        let dual = solve(k, gram, ys);
        return (0..d).map(|j| xs.iter().zip(&dual).map(|(x, a)| a * x[j]).sum()).collect();
    }
    let gram = |i: usize, j: usize| xs.iter().map(|x| x[i] * x[j]).sum();
    let right: Vec<f64> = (0..d).map(|j| xs.iter().zip(ys).map(|(x, y)| x[j] * y).sum()).collect();
    solve(d, gram, &right)
}

/// A solution of `A z = b` for a positive semi-definite A, by Cholesky's factors. Rows that depend on those before them
/// have the solution zero.
fn solve(n: usize, a: impl Fn(usize, usize) -> f64, b: &[f64]) -> Vec<f64> {
    const DEPENDENT: f64 = 1e-12;
    let largest = (0..n).map(|i| a(i, i)).fold(0.0, f64::max);
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let rest = a(i, j) - (0..j).map(|c| l[i * n + c] * l[j * n + c]).sum::<f64>();
            let pivot = l[j * n + j];
            l[i * n + j] = match (i == j, pivot > 0.0) {
                (true, _) if rest > DEPENDENT * largest => rest.sqrt(),
                (false, true) => rest / pivot,
                _ => 0.0,
            };
        }
    }
    let divide = |value: f64, pivot: f64| if pivot > 0.0 { value / pivot } else { 0.0 };
    let mut z = b.to_vec();
    for i in 0..n {
        let known: f64 = (0..i).map(|j| l[i * n + j] * z[j]).sum();
        z[i] = divide(z[i] - known, l[i * n + i]);
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| l[j * n + i] * z[j]).sum();
        z[i] = divide(z[i] - known, l[i * n + i]);
    }
    z
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn numbers(value: &Value) -> Result<Vec<f64>> {
    Ok(value.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

fn misfit(sequence: &Batch) -> Error {
    let (x, y) = (sequence.x.dims(), sequence.y.dims());
    Error::Batch { message: format!("inputs {x:?} and targets {y:?}, but baselines take [M, T, D] and [M, T, 1]") }
}
