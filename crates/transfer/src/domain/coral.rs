//! CORAL: features of the source domain with the covariance of the target domain, in closed form.
//!
//! ```text
//! C_S = cov(D_S) + r I      C_T = cov(D_T) + r I      D_S* = D_S C_S^(−1/2) C_T^(1/2)
//! ```
//! Sun, Feng & Saenko, *Return of Frustratingly Easy Domain Adaptation*, AAAI 2016, Algorithm 1: the features are whitened,
//! then recoloured; a classifier is trained on D_S* and used on the target's features as they are. r = 1 in the paper, on
//! features of unit variance ([`standardise`]). Powers of the covariances come from their eigenvectors.

use candle_core::Tensor as Value;
use rekindle_autodiff::Tensor;

use super::sizes::{Sizes, check_examples};
use crate::error::positive;
use crate::matrix::{Eigen, Matrix};
use crate::{Error, Result};

/// The linear map of CORAL, `[D, D]` for each task.
///
/// ```
/// use rekindle_autodiff::Tensor;
/// use rekindle_transfer::domain::Coral;
///
/// // One feature: deviations of 1 and 3 about the mean, so features of the source are stretched threefold.
/// let source = Tensor::from_vec(vec![-1f64, 0., 1.], (1, 3, 1))?; // [M, B, D]
/// let target = Tensor::from_vec(vec![-3f64, 0., 3.], (1, 3, 1))?;
/// let recoloured = Coral::fit(&source, &target, 1e-12)?.apply(&source)?;
/// assert!((recoloured.to_vec_f64()?[2] - 3.0).abs() < 1e-9);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Coral {
    maps: Vec<Matrix>,
}

/// What CORAL needs of a domain: eigenvalues and eigenvectors of its covariance, found once for many pairs of domains.
#[derive(Clone, Debug)]
pub struct Covariance {
    tasks: Vec<Eigen>,
}

impl Covariance {
    /// Of features `[M, B, D]`, with r on the diagonal; some 5 D³ operations a task.
    ///
    /// # Errors
    /// [`Error::Empty`] without examples; [`Error::Setting`] unless `ridge > 0`; [`Error::Shape`] for another
    /// rank; [`Error::Unsolvable`] if a feature is not finite.
    pub fn of(features: &Tensor, ridge: f64) -> Result<Self> {
        // Above 0, since covariances are seldom of full rank.
        positive("ridge", ridge)?;
        let &[_, b, _] = features.dims() else {
            return Err(Error::shape("the features of a domain", features.dims(), "[M, B, D]"));
        };
        check_examples("given domain", b)?;
        let unsolvable = Error::Unsolvable { what: "a covariance", remedy: "look for features that are not finite" };
        let eigen = |x: Matrix| Eigen::of(x.covariance().plus_identity(ridge));
        let tasks = Matrix::of_tasks(features)?.into_iter().map(eigen).collect::<Option<_>>().ok_or(unsolvable)?;
        Ok(Self { tasks })
    }

    fn features(&self) -> usize {
        self.tasks.first().map_or(0, |eigen| eigen.values.len())
    }
}

impl Coral {
    /// From features of the source `[M, B, D]` and of the target `[M, B', D]`; `ridge` is r.
    ///
    /// # Errors
    /// As [`Covariance::of`], naming the domain that is empty, or if the shapes do not fit each other.
    pub fn fit(source: &Tensor, target: &Tensor, ridge: f64) -> Result<Self> {
        Sizes::of(source.dims(), target.dims())?;
        Self::between(&Covariance::of(source, ridge)?, &Covariance::of(target, ridge)?)
    }

    /// From what is known of both domains: `C_S^(−1/2) C_T^(1/2)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if they differ in tasks or features.
    pub fn between(source: &Covariance, target: &Covariance) -> Result<Self> {
        let sizes = |c: &Covariance| [c.tasks.len(), c.features()];
        if sizes(source) != sizes(target) {
            let [m, d] = sizes(source);
            return Err(Error::shape(
                "the target's covariance",
                &sizes(target),
                format!("[{m}, {d}], tasks and features"),
            ));
        }
        // Rounding may leave an eigenvalue below r, never at zero.
        let map = |(s, t): (&Eigen, &Eigen)| s.map(|value| 1.0 / value.sqrt()).times(&t.map(f64::sqrt));
        Ok(Self { maps: source.tasks.iter().zip(&target.tasks).map(map).collect() })
    }

    /// Features of the source `[M, B, D]` with the target's covariance, a constant of the same shape, type and device.
    ///
    /// # Errors
    /// [`Error::Shape`] if tasks or features are others than those of the fit.
    pub fn apply(&self, features: &Tensor) -> Result<Tensor> {
        let (m, d) = (self.maps.len(), self.maps.first().map_or(0, |map| map.rows));
        if features.rank() != 3 || features.dims()[0] != m || features.dims()[2] != d {
            return Err(Error::shape("the features of the source domain", features.dims(), format!("[{m}, B, {d}]")));
        }
        let rows = Matrix::of_tasks(features)?;
        let moved: Vec<f64> = rows.iter().zip(&self.maps).flat_map(|(x, map)| x.times(map).data).collect();
        constant(moved, features.dims(), features)
    }
}

/// Each feature of `[M, B, D]` with mean 0 and deviation 1 over the examples, divided by B; one that never changes
/// becomes 0. A constant: no gradient passes.
///
/// # Errors
/// [`Error::Empty`] without examples; [`Error::Shape`] for another rank.
pub fn standardise(features: &Tensor) -> Result<Tensor> {
    let &[_, b, _] = features.dims() else {
        return Err(Error::shape("the features of a domain", features.dims(), "[M, B, D]"));
    };
    check_examples("given domain", b)?;
    let x = features.detach();
    let centred = x.sub(&x.mean_keepdim(&[1])?)?;
    let deviation = centred.sqr()?.mean_keepdim(&[1])?.sqrt()?;
    // A feature that never changes is 0 already, and stays so when it is divided by 1.
    let still = Tensor::new(deviation.value().eq(&deviation.zeros_like()?.into_value())?.to_dtype(deviation.dtype())?);
    Ok(centred.div(&deviation.add(&still)?)?)
}

/// Values on the host as a constant like `like`.
pub(super) fn constant(values: Vec<f64>, dims: &[usize], like: &Tensor) -> Result<Tensor> {
    let value = Value::from_vec(values, dims, &candle_core::Device::Cpu)?;
    Ok(Tensor::new(value.to_dtype(like.dtype())?.to_device(like.device())?))
}
