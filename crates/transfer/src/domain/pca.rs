//! Principal components: what features of two domains look like in the plane.

use rekindle_autodiff::Tensor;

use super::coral::constant;
use super::sizes::check_examples;
use crate::matrix::{Eigen, Matrix, add_scaled, dot};
use crate::{Error, Result};

/// The first `n` principal components `[M, B, n]` of `[M, B, D]`: centred, and projected on the eigenvectors of the
/// covariance with the largest eigenvalues, each turned so that its largest entry is positive.
/// A constant.
///
/// # Errors
/// [`Error::Empty`] without examples; [`Error::Setting`] unless `1 ≤ n ≤ D`; [`Error::Shape`] for another rank;
/// [`Error::Unsolvable`] if a feature is not finite.
pub fn principal_components(features: &Tensor, n: usize) -> Result<Tensor> {
    let &[m, b, d] = features.dims() else {
        return Err(Error::shape("the features", features.dims(), "[M, B, D]"));
    };
    check_examples("given domain", b)?;
    if n == 0 || n > d {
        return Err(Error::setting("n", n, "from 1 to the number of features"));
    }
    let projected = Matrix::of_tasks(features)?.into_iter().map(|x| project(x, n)).collect::<Option<Vec<_>>>();
    let unsolvable = Error::Unsolvable { what: "a covariance", remedy: "look for features that are not finite" };
    constant(projected.ok_or(unsolvable)?.concat(), &[m, b, n], features)
}

fn project(mut x: Matrix, n: usize) -> Option<Vec<f64>> {
    let mut mean = vec![0.0; x.cols];
    (0..x.rows).for_each(|i| add_scaled(&mut mean, x.row(i), 1.0 / x.rows as f64));
    (0..x.rows).for_each(|i| add_scaled(x.row_mut(i), &mean, -1.0));
    // X Xᵀ and XᵀX have the same eigenvalues above zero, and eigenvectors u and Xᵀu: the smaller matrix is solved.
    let wide = x.cols > x.rows;
    let eigen = Eigen::of(if wide { x.times(&x.transposed()) } else { x.transposed_times(&x) })?;
    let mut axes = Matrix::zeros(n, x.cols);
    for (i, &k) in eigen.descending().iter().take(n).enumerate() {
        let vector = eigen.vectors.row(k);
        if wide {
            (0..x.rows).for_each(|row| add_scaled(axes.row_mut(i), x.row(row), vector[row]));
        } else {
            axes.row_mut(i).copy_from_slice(vector);
        }
        let axis = axes.row_mut(i);
        let largest = axis.iter().copied().fold(0.0, |best: f64, v| if v.abs() > best.abs() { v } else { best });
        // An eigenvalue of zero has no direction: its component is zero as it stands.
        let length = dot(axis, axis).sqrt().copysign(largest);
        axis.iter_mut().for_each(|v| *v /= if length == 0.0 { 1.0 } else { length });
    }
    Some(x.times(&axes.transposed()).data)
}
