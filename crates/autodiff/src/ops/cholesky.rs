//! Small symmetric positive definite systems, solved directly.
//!
//! ```text
//! A = L Lᵀ        X = A⁻¹ B = L⁻ᵀ L⁻¹ B
//! ∂/∂B: G = A⁻¹ U        ∂/∂A: −G Xᵀ
//! ```
//! A solution's derivative is made of solutions with the same matrix, so every order of differentiation runs on one
//! factor. The loops run in `f64` on the host, whatever type and device the operands have: the systems of few-shot
//! learning have as many rows as a support set, for which a factor costs less than a call to a device.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use smallvec::smallvec;

use crate::ops::Transpose::{No, Yes};
use crate::{Error, Result, Tensor};

impl Tensor {
    /// The solution X `[M, n, r]` of `A X = B` for every task, with `self` = A `[M, n, n]` symmetric positive definite
    /// and `b` `[M, n, r]`. Of an A that is not symmetric the symmetric part is used.
    ///
    /// ```
    /// use rekindle_autodiff::Tensor;
    /// let a = Tensor::from_vec(vec![4f64, 2., 2., 3.], (1, 2, 2))?;
    /// let b = Tensor::from_vec(vec![8f64, 8.], (1, 2, 1))?;
    /// let x = a.solve_spd(&b)?.to_vec_f64()?;
    /// assert!((x[0] - 1.0).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12);
    /// # Ok::<(), rekindle_autodiff::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not fit, or if a task's matrix is not positive definite.
    pub fn solve_spd(&self, b: &Self) -> Result<Self> {
        let (&[m, n, columns], &[mb, nb, _]) = (self.dims(), b.dims()) else { return Err(mismatch(self, b)) };
        if (m, n, n) != (mb, columns, nb) {
            return Err(mismatch(self, b));
        }
        let symmetric = self.add(&self.transpose(1, 2)?)?.scale(0.5)?;
        let factor = Arc::new(Factor::of(symmetric.value())?);
        solved(&symmetric, &factor, b)
    }
}

/// `A⁻¹ B` for an A that is symmetric, with its factor.
fn solved(a: &Tensor, factor: &Arc<Factor>, b: &Tensor) -> Result<Tensor> {
    let x = factor.solve(b.value())?;
    let (held, factor, saved) = (a.clone(), Arc::clone(factor), x.clone());
    Ok(Tensor::custom(x, &[a, b], move |up| {
        let g = solved(&held, &factor, up.grad())?;
        let by_a = up.wants(0).then(|| g.product(No, &up.output(&saved), Yes)?.neg()).transpose()?;
        Ok(smallvec![by_a, up.wants(1).then_some(g)])
    }))
}

/// The lower triangles L of M matrices, `[M, n, n]` in row-major order.
struct Factor {
    lower: Vec<f64>,
    n: usize,
}

impl Factor {
    /// Cholesky's factor, row by row.
    fn of(a: &Value) -> Result<Self> {
        let (m, n, _) = a.dims3()?;
        let mut lower = on_host(a)?;
        for (task, l) in lower.chunks_exact_mut((n * n).max(1)).take(m).enumerate() {
            for i in 0..n {
                let (above, row) = l.split_at_mut(i * n);
                for j in 0..i {
                    let other = &above[j * n..j * n + n];
                    row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
                }
                let pivot = row[i] - dot(&row[..i], &row[..i]);
                // A NaN must fail too.
                if pivot.is_nan() || pivot <= 0.0 {
                    return Err(Error::NotPositiveDefinite { task, row: i, pivot });
                }
                row[i] = pivot.sqrt();
            }
        }
        Ok(Self { lower, n })
    }

    /// `L⁻ᵀ L⁻¹ B` for `b [M, n, r]`, of the type and on the device of `b`.
    fn solve(&self, b: &Value) -> Result<Value> {
        let (_, n, r) = b.dims3()?;
        let mut x = on_host(b)?;
        let systems = self.lower.chunks_exact((n * n).max(1)).zip(x.chunks_exact_mut((n * r).max(1)));
        for (l, x) in systems {
            for i in 0..n {
                (0..i).for_each(|j| subtract(x, r, i, j, l[i * n + j]));
                x[i * r..(i + 1) * r].iter_mut().for_each(|v| *v /= l[i * n + i]);
            }
            for i in (0..n).rev() {
                (i + 1..n).for_each(|j| subtract(x, r, i, j, l[j * n + i]));
                x[i * r..(i + 1) * r].iter_mut().for_each(|v| *v /= l[i * n + i]);
            }
        }
        Ok(Value::from_vec(x, b.dims(), &Device::Cpu)?.to_dtype(b.dtype())?.to_device(b.device())?)
    }
}

impl std::fmt::Debug for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Factor({0}×{0})", self.n)
    }
}

/// Row i less `s` times row j, of rows of r.
fn subtract(x: &mut [f64], r: usize, i: usize, j: usize, s: f64) {
    for k in 0..r {
        x[i * r + k] -= s * x[j * r + k];
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn on_host(t: &Value) -> Result<Vec<f64>> {
    if t.elem_count() == 0 {
        return Ok(Vec::new());
    }
    Ok(t.to_device(&Device::Cpu)?.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
}

fn mismatch(a: &Tensor, b: &Tensor) -> Error {
    let message = format!("A {:?}, B {:?}; expected A [M, n, n] and B [M, n, r]", a.shape(), b.shape());
    Error::shape("solve_spd", message)
}
