//! Deep CORAL: the distance of two covariances as a loss.
//!
//! ```text
//! L = ‖C_S − C_T‖²_F / (4 D²)
//! ```
//! Sun & Saenko, *Deep CORAL: Correlation Alignment for Deep Domain Adaptation*, 2016, eqs. 1–3; covariances are divided
//! by n − 1.

use rekindle_autodiff::{Tensor, Transpose};

use super::sizes::Sizes;
use crate::{Error, Result};

/// `‖C_S − C_T‖²_F / (4 D²)`, `[M]`, of features of the source `[M, B, D]` and of the target `[M, B', D]`.
///
/// ```
/// use rekindle_autodiff::Tensor;
/// use rekindle_transfer::domain::coral_loss;
///
/// let source = Tensor::from_vec(vec![-1f64, 1.], (1, 2, 1))?; // variance 2
/// let target = Tensor::from_vec(vec![-2f64, 2.], (1, 2, 1))?; // variance 8
/// assert_eq!(coral_loss(&source, &target)?.to_f64()?, 9.0); // 36 / 4
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] for a domain without examples; [`Error::Shape`] if the shapes do not fit, or with a single
/// example, which has no covariance.
pub fn coral_loss(source: &Tensor, target: &Tensor) -> Result<Tensor> {
    let Sizes { features, examples } = Sizes::of(source.dims(), target.dims())?;
    for (what, x, n) in [("source features", source, examples[0]), ("target features", target, examples[1])] {
        if n < 2 {
            return Err(Error::shape(what, x.dims(), "[M, B, D] with B ≥ 2: one example has no covariance"));
        }
    }
    let difference = covariance(source)?.sub(&covariance(target)?)?; // [M, D, D]
    Ok(difference.sqr()?.sum(&[1, 2])?.scale(0.25 / (features * features) as f64)?)
}

/// `[M, D, D]` of `[M, B, D]`, divided by B − 1.
fn covariance(x: &Tensor) -> Result<Tensor> {
    let n = x.dims()[1] as f64;
    let centred = x.sub(&x.mean_keepdim(&[1])?)?;
    Ok(centred.product(Transpose::Yes, &centred, Transpose::No)?.scale(1.0 / (n - 1.0))?)
}
