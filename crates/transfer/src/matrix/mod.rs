//! Small dense matrices in `f64` on the host, for closed forms: products, covariances, Cholesky, eigenvectors.
//!
//! A closed form is solved once, not in a loop, and wants accuracy more than speed: plain loops in the order of memory.

mod eigen;

pub(crate) use eigen::Eigen;

use rekindle_autodiff::Tensor;

use crate::Result;

/// `[rows, columns]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) data: Vec<f64>,
}

impl Matrix {
    pub(crate) fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    pub(crate) fn new(rows: usize, cols: usize, data: Vec<f64>) -> Self {
        debug_assert_eq!(data.len(), rows * cols);
        Self { rows, cols, data }
    }

    /// One matrix for each task of `[M, B, D]`.
    pub(crate) fn of_tasks(x: &Tensor) -> Result<Vec<Self>> {
        let (m, b, d) = (x.dim(0)?, x.dim(1)?, x.dim(2)?);
        let all = x.to_vec_f64()?;
        Ok((0..m).map(|task| Self::new(b, d, all[task * b * d..(task + 1) * b * d].to_vec())).collect())
    }

    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.data[i * self.cols..(i + 1) * self.cols]
    }

    pub(crate) fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.cols, self.rows);
        for i in 0..self.rows {
            for (j, &value) in self.row(i).iter().enumerate() {
                out.data[j * self.rows + i] = value;
            }
        }
        out
    }

    /// `A B`.
    pub(crate) fn times(&self, rhs: &Self) -> Self {
        debug_assert_eq!(self.cols, rhs.rows);
        let mut out = Self::zeros(self.rows, rhs.cols);
        for i in 0..self.rows {
            let into = &mut out.data[i * rhs.cols..(i + 1) * rhs.cols];
            for (k, &a) in self.row(i).iter().enumerate() {
                add_scaled(into, rhs.row(k), a);
            }
        }
        out
    }

    /// `Aᵀ B`.
    pub(crate) fn transposed_times(&self, rhs: &Self) -> Self {
        debug_assert_eq!(self.rows, rhs.rows);
        let mut out = Self::zeros(self.cols, rhs.cols);
        for k in 0..self.rows {
            for (i, &a) in self.row(k).iter().enumerate() {
                add_scaled(&mut out.data[i * rhs.cols..(i + 1) * rhs.cols], rhs.row(k), a);
            }
        }
        out
    }

    /// `A + s I`.
    pub(crate) fn plus_identity(mut self, s: f64) -> Self {
        for i in 0..self.rows {
            self.data[i * self.cols + i] += s;
        }
        self
    }

    /// Covariance of the rows, divided by n − 1; zero for a single row, about which nothing is known.
    pub(crate) fn covariance(&self) -> Self {
        let n = self.rows as f64;
        let mut mean = vec![0.0; self.cols];
        (0..self.rows).for_each(|i| add_scaled(&mut mean, self.row(i), 1.0 / n));
        let mut centred = self.clone();
        (0..self.rows).for_each(|i| add_scaled(centred.row_mut(i), &mean, -1.0));
        let mut covariance = centred.transposed_times(&centred);
        covariance.data.iter_mut().for_each(|x| *x /= (n - 1.0).max(1.0));
        covariance
    }

    /// `A⁻¹ B` for a symmetric positive definite A; `None` if it is not, in floating point.
    pub(crate) fn solve(&self, rhs: &Self) -> Option<Self> {
        let n = self.rows;
        let lower = self.cholesky()?;
        let mut x = rhs.clone();
        let mut earlier = vec![0.0; rhs.cols];
        let mut settle = |x: &mut Self, i: usize, of: &mut dyn Iterator<Item = (usize, f64)>| {
            earlier.fill(0.0);
            of.for_each(|(k, l)| add_scaled(&mut earlier, x.row(k), l));
            let diagonal = lower.data[i * n + i];
            x.row_mut(i).iter_mut().zip(&earlier).for_each(|(x, e)| *x = (*x - e) / diagonal);
        };
        for i in 0..n {
            settle(&mut x, i, &mut (0..i).map(|k| (k, lower.data[i * n + k])));
        }
        for i in (0..n).rev() {
            settle(&mut x, i, &mut (i + 1..n).map(|k| (k, lower.data[k * n + i])));
        }
        x.data.iter().all(|v| v.is_finite()).then_some(x)
    }

    /// The lower factor L of `A = L Lᵀ`.
    fn cholesky(&self) -> Option<Self> {
        let n = self.rows;
        let mut lower = Self::zeros(n, n);
        for i in 0..n {
            for j in 0..=i {
                let rest = self.data[i * n + j] - dot(&lower.row(i)[..j], &lower.row(j)[..j]);
                lower.data[i * n + j] = if i == j { rest.sqrt() } else { rest / lower.data[j * n + j] };
            }
            let diagonal = lower.data[i * n + i];
            if !(diagonal > 0.0 && diagonal.is_finite()) {
                return None;
            }
        }
        Some(lower)
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// `a + s b`, in place.
pub(crate) fn add_scaled(a: &mut [f64], b: &[f64], s: f64) {
    a.iter_mut().zip(b).for_each(|(x, y)| *x += s * y);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries without a pattern.
    pub(super) fn filled(rows: usize, cols: usize) -> Matrix {
        Matrix::new(rows, cols, (0..rows * cols).map(|i| ((i * 37 + 11) % 29) as f64 / 7.0 - 2.0).collect())
    }

    #[test]
    fn products_agree_with_sums_of_products() {
        let (a, b) = (filled(3, 4), filled(4, 2));
        let slow = |i: usize, j: usize| (0..4).map(|k| a.data[i * 4 + k] * b.data[k * 2 + j]).sum::<f64>();
        let product = a.times(&b);
        for i in 0..3 {
            for j in 0..2 {
                assert!((product.data[i * 2 + j] - slow(i, j)).abs() < 1e-12);
            }
        }
        assert_eq!(a.transposed().transposed_times(&b).data, product.data);
    }

    /// `A (A⁻¹ B) = B`; a matrix that is not positive definite is refused.
    #[test]
    fn systems_are_solved() {
        let x = filled(7, 5);
        let (a, b) = (x.transposed_times(&x).plus_identity(0.1), filled(5, 3));
        let back = a.times(&a.solve(&b).expect("positive definite"));
        assert!(back.data.iter().zip(&b.data).all(|(x, y)| (x - y).abs() < 1e-9));
        assert!(Matrix::zeros(3, 3).plus_identity(-1.0).solve(&filled(3, 1)).is_none());
    }

    /// Two variables by hand: (0, 0), (2, 4), (4, 2) have variances 4 and covariance 2.
    #[test]
    fn covariances_are_divided_by_one_less() {
        let x = Matrix::new(3, 2, vec![0.0, 0.0, 2.0, 4.0, 4.0, 2.0]);
        assert_eq!(x.covariance().data, [4.0, 2.0, 2.0, 4.0]);
        assert_eq!(Matrix::new(1, 2, vec![3.0, 1.0]).covariance().data, [0.0; 4]);
    }
}
