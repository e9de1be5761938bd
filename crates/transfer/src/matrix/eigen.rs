//! Eigenvalues and eigenvectors of a symmetric matrix: Householder's reflections to a tridiagonal one, and implicit QL.
//!
//! ```text
//! A = Q T Qᵀ,   T = W diag(λ) Wᵀ,   so A = V diag(λ) Vᵀ with V = Q W
//! ```
//! Golub & Van Loan, *Matrix Computations*, §8.3. Eigenvectors are rows here, so that a rotation of two of them runs
//! through contiguous memory. Some 5 n³ operations: a second or two for n = 800.

use super::{Matrix, add_scaled, dot};

/// QL steps on one eigenvalue; two or three are usual.
const MOST_STEPS: usize = 100;

/// `A = Σ λᵢ vᵢ vᵢᵀ`, in no particular order.
#[derive(Clone, Debug)]
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    /// Row i is vᵢ.
    pub(crate) vectors: Matrix,
}

impl Eigen {
    /// Of a symmetric matrix. `None` if it is not finite.
    pub(crate) fn of(a: Matrix) -> Option<Self> {
        if !a.data.iter().all(|x| x.is_finite()) {
            return None;
        }
        let (mut diagonal, mut beside, mut vectors) = tridiagonal(a);
        for first in 0..diagonal.len() {
            let mut steps = 0;
            while let Some(last) = block_end(&diagonal, &beside, first) {
                steps += 1;
                if steps > MOST_STEPS {
                    return None;
                }
                ql_step(&mut diagonal, &mut beside, &mut vectors, (first, last));
            }
        }
        Some(Self { values: diagonal, vectors })
    }

    /// `f(A) = Σ f(λᵢ) vᵢ vᵢᵀ`.
    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Matrix {
        let mut scaled = self.vectors.clone();
        for (i, &value) in self.values.iter().enumerate() {
            let factor = f(value);
            scaled.row_mut(i).iter_mut().for_each(|x| *x *= factor);
        }
        self.vectors.transposed_times(&scaled)
    }

    /// Numbers of the eigenvectors, that of the largest eigenvalue first.
    pub(crate) fn descending(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by(|&a, &b| self.values[b].total_cmp(&self.values[a]));
        order
    }
}

/// Diagonal of T, what stands beside it (the last entry is 0), and `Qᵀ`.
fn tridiagonal(mut a: Matrix) -> (Vec<f64>, Vec<f64>, Matrix) {
    let n = a.rows;
    let mut beside = vec![0.0; n];
    let mut reflections = Vec::new();
    for (k, beside) in beside.iter_mut().enumerate().take(n.saturating_sub(1)) {
        let mut v = a.row(k)[k + 1..].to_vec();
        // The sign that avoids cancellation.
        *beside = -dot(&v, &v).sqrt().copysign(v[0]);
        v[0] -= *beside;
        let norm = dot(&v, &v);
        if norm > 0.0 {
            let beta = 2.0 / norm;
            reflect(&mut a, k + 1, &v, beta);
            reflections.push((k + 1, v, beta));
        }
    }
    let diagonal = (0..n).map(|i| a.data[i * n + i]).collect();
    let mut q = Matrix::zeros(n, n).plus_identity(1.0);
    for (start, v, beta) in reflections.iter().rev() {
        // Rows above `start` are still those of the identity, and have nothing in these columns.
        for i in *start..n {
            let row = &mut q.row_mut(i)[*start..];
            let along = dot(row, v);
            add_scaled(row, v, -beta * along);
        }
    }
    (diagonal, beside, q)
}

/// The rows and columns of a symmetric matrix from `start` on, reflected from both sides by `H = I − β v vᵀ`:
/// `A − v wᵀ − w vᵀ` with `p = β A v` and `w = p − ½β (vᵀp) v`.
fn reflect(a: &mut Matrix, start: usize, v: &[f64], beta: f64) {
    let mut w: Vec<f64> = (start..a.rows).map(|i| beta * dot(&a.row(i)[start..], v)).collect();
    let along = 0.5 * beta * dot(&w, v);
    add_scaled(&mut w, v, -along);
    for i in start..a.rows {
        let (v_i, w_i) = (v[i - start], w[i - start]);
        let row = &mut a.row_mut(i)[start..];
        add_scaled(row, &w, -v_i);
        add_scaled(row, v, -w_i);
    }
}

/// The last index of the block that begins at `first` and does not fall apart; `None` when it is `first` alone.
fn block_end(diagonal: &[f64], beside: &[f64], first: usize) -> Option<usize> {
    let negligible = |i: usize| {
        let around = diagonal[i].abs() + diagonal[i + 1].abs();
        beside[i].abs() <= f64::EPSILON * around || beside[i].abs() < f64::MIN_POSITIVE
    };
    let last = (first..diagonal.len() - 1).find(|&i| negligible(i)).unwrap_or(diagonal.len() - 1);
    (last > first).then_some(last)
}

/// One implicit QL step on a block, with Wilkinson's shift: rotations chase a bulge from its end to its beginning.
fn ql_step(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut Matrix, (first, last): (usize, usize)) {
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let shift = diagonal[first] - beside[first] / (half + half.hypot(1.0).copysign(half));
    let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
    let mut bulge = diagonal[last] - shift;
    for i in (first..last).rev() {
        let (out, along) = (sine * beside[i], cosine * beside[i]);
        let radius = out.hypot(bulge);
        beside[i + 1] = radius;
        if radius == 0.0 {
            // The block has fallen apart on the way.
            diagonal[i + 1] -= moved;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (out / radius, bulge / radius);
        let rest = diagonal[i + 1] - moved;
        let turned = (diagonal[i] - rest) * sine + 2.0 * cosine * along;
        moved = sine * turned;
        diagonal[i + 1] = rest + moved;
        bulge = cosine * turned - along;
        rotate(vectors, i, sine, cosine);
    }
    diagonal[first] -= moved;
    beside[first] = bulge;
    beside[last] = 0.0;
}

/// Rows i and i + 1, turned.
fn rotate(vectors: &mut Matrix, i: usize, sine: f64, cosine: f64) {
    let n = vectors.cols;
    let (above, below) = vectors.data[i * n..(i + 2) * n].split_at_mut(n);
    for (a, b) in above.iter_mut().zip(below) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::filled;
    use super::*;

    /// `A = V diag(λ) Vᵀ` and `V Vᵀ = I`, for full and for deficient rank, and for a diagonal matrix.
    #[test]
    fn symmetric_matrices_are_taken_apart_and_put_together() {
        let x = filled(5, 9);
        let full = filled(9, 9);
        let cases = [
            x.transposed_times(&x),
            full.transposed_times(&full).plus_identity(0.3),
            Matrix::zeros(4, 4).plus_identity(2.0),
            Matrix::new(1, 1, vec![-3.0]),
            Matrix::new(2, 2, vec![0.0, 1.0, 1.0, 0.0]),
        ];
        for a in cases {
            let eigen = Eigen::of(a.clone()).expect("finite");
            let close = |x: &Matrix, y: &Matrix| x.data.iter().zip(&y.data).all(|(x, y)| (x - y).abs() < 1e-9);
            assert!(close(&eigen.map(|value| value), &a), "{a:?}");
            let gram = eigen.vectors.times(&eigen.vectors.transposed());
            assert!(close(&gram, &Matrix::zeros(a.rows, a.rows).plus_identity(1.0)));
            let trace: f64 = (0..a.rows).map(|i| a.data[i * a.rows + i]).sum();
            assert!((eigen.values.iter().sum::<f64>() - trace).abs() < 1e-9);
        }
    }

    /// The path of n nodes: `2 − 2 cos(πk/n)`, k = 0, …, n − 1, are the eigenvalues of its Laplacian.
    #[test]
    fn the_laplacian_of_a_path_has_its_known_spectrum() {
        let n = 12;
        let mut laplacian = Matrix::zeros(n, n);
        for i in 0..n - 1 {
            for (a, b, value) in [(i, i, 1.0), (i + 1, i + 1, 1.0), (i, i + 1, -1.0), (i + 1, i, -1.0)] {
                laplacian.data[a * n + b] += value;
            }
        }
        let eigen = Eigen::of(laplacian).expect("finite");
        for (k, &i) in eigen.descending().iter().rev().enumerate() {
            let known = 2.0 - 2.0 * (std::f64::consts::PI * k as f64 / n as f64).cos();
            assert!((eigen.values[i] - known).abs() < 1e-12);
        }
    }

    /// A square root multiplied by itself, and one that undoes it.
    #[test]
    fn functions_of_a_matrix() {
        let x = filled(9, 6);
        let a = x.transposed_times(&x).plus_identity(1.0);
        let eigen = Eigen::of(a.clone()).expect("finite");
        let (root, inverse_root) = (eigen.map(f64::sqrt), eigen.map(|value| 1.0 / value.sqrt()));
        let identity = Matrix::zeros(6, 6).plus_identity(1.0);
        for (found, expected) in [(root.times(&root), a), (root.times(&inverse_root), identity)] {
            assert!(found.data.iter().zip(&expected.data).all(|(x, y)| (x - y).abs() < 1e-9));
        }
        assert!(Eigen::of(Matrix::new(1, 1, vec![f64::NAN])).is_none());
    }
}
