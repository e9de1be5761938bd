//! The weights of a task from transitions in it, by ridge regression.
//!
//! ```text
//! w = argmin Σ (r − φᵀw)² + λ‖w‖² = (ΦᵀΦ + λI)⁻¹ Φᵀ r
//! ```
//! Barreto et al. 2017, eq. 2 as a problem of least squares. It is all that GPI has to learn in a new task.

use crate::error::positive;
use crate::{Error, Result};

/// Weights `[F]` from features `[B, F]` and rewards `[B]`, with λ `> 0`.
///
/// ```
/// use rekindle_transfer::successor::fit_weights;
/// let w = fit_weights(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], &[2.0, -1.0, 1.0], 1e-9)?;
/// assert!((w[0] - 2.0).abs() < 1e-6 && (w[1] + 1.0).abs() < 1e-6);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Width`] where features are not as many for every reward, [`Error::Setting`] for λ out of its range or without
/// any transition.
pub fn fit_weights(features: &[f64], rewards: &[f64], ridge: f64) -> Result<Vec<f64>> {
    positive("ridge", ridge)?;
    if rewards.is_empty() || features.is_empty() {
        return Err(Error::setting("transitions", rewards.len(), "at least one, with at least one feature"));
    }
    if !features.len().is_multiple_of(rewards.len()) {
        let (found, expected) = (features.len(), features.len().div_ceil(rewards.len()) * rewards.len());
        return Err(Error::Width { what: "the list of features", found, expected });
    }
    let f = features.len() / rewards.len();
    let mut gram = vec![0.0; f * f];
    let mut right = vec![0.0; f];
    for (phi, reward) in features.chunks_exact(f).zip(rewards) {
        for (i, x) in phi.iter().enumerate() {
            right[i] += x * reward;
            gram[i * f..(i + 1) * f].iter_mut().zip(phi).for_each(|(g, y)| *g += x * y);
        }
    }
    (0..f).for_each(|i| gram[i * f + i] += ridge);
    Ok(solve(gram, right))
}

/// Gauss–Jordan elimination of a positive definite system, which needs no search for pivots.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for column in 0..n {
        let pivot = matrix[column * n..(column + 1) * n].to_vec();
        let pivot_right = right[column];
        for row in (0..n).filter(|row| *row != column) {
            let factor = matrix[row * n + column] / pivot[column];
            matrix[row * n..(row + 1) * n].iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
            right[row] -= factor * pivot_right;
        }
    }
    (0..n).map(|i| right[i] / matrix[i * n + i]).collect()
}
