//! Maximum mean discrepancy: the distance of two samples in the space of a kernel.
//!
//! ```text
//! k(x, y) = mean_j exp(−‖x − y‖² / (2 (s_j σ)²))
//! biased    MMD² = mean_ij k(x_i, x_j) + mean_ij k(y_i, y_j) − 2 mean_ij k(x_i, y_j)
//! unbiased  the same, without the terms i = j of the first two means
//! ```
//! Gretton, Borgwardt, Rasch, Schölkopf & Smola, *A Kernel Two-Sample Test*, JMLR 2012, eqs. 3 and 5; as a loss between
//! features, with several kernels: Long, Cao, Wang & Jordan, *Learning Transferable Features with Deep Adaptation
//! Networks*, 2015 (there the kernels' weights are learned; here they are equal).

use rekindle_autodiff::{Tensor, Transpose};

use super::coral::constant;
use super::sizes::Sizes;
use crate::error::positive;
use crate::matrix::{Matrix, add_scaled, dot};
use crate::{Error, Result};

/// A mean of Gaussian kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianKernel {
    /// What σ is.
    pub bandwidth: Bandwidth,
    /// The factors s_j of σ, each `> 0`; at least one. Default: 1 alone.
    pub scales: Vec<f64>,
}

/// The width of a Gaussian kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bandwidth {
    /// The median distance between two different points of both samples together, each task's own ([`median_distance`];
    /// Gretton et al. 2012, §8). A constant: no gradient passes through it.
    Median,
    /// This number, `> 0`.
    Fixed(f64),
}

/// Which estimate of the squared distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MmdEstimate {
    /// Never negative, but above zero for two samples of one distribution.
    #[default]
    Biased,
    /// Right in the mean, and negative now and then. Needs two examples of each domain.
    Unbiased,
}

impl Default for GaussianKernel {
    fn default() -> Self {
        Self { bandwidth: Bandwidth::Median, scales: vec![1.0] }
    }
}

impl GaussianKernel {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Setting`] for a width or a factor that is not above zero, or without any factor.
    pub fn validate(&self) -> Result<()> {
        if self.scales.is_empty() {
            return Err(Error::setting("scales", "[]", "at least one number"));
        }
        self.scales.iter().try_for_each(|&scale| positive("scales", scale))?;
        match self.bandwidth {
            Bandwidth::Fixed(sigma) => positive("bandwidth", sigma),
            Bandwidth::Median => Ok(()),
        }
    }

    /// `σ⁻²` for each task, `[M, 1, 1]`.
    fn precision(&self, source: &Tensor, target: &Tensor) -> Result<Tensor> {
        let m = source.dims()[0];
        let sigmas = match self.bandwidth {
            Bandwidth::Fixed(sigma) => vec![sigma; m],
            Bandwidth::Median => median_distance(source, target)?,
        };
        // Where all points are one, every width gives the same kernel.
        let precisions = sigmas.iter().map(|&s| if s > 0.0 { 1.0 / (s * s) } else { 1.0 }).collect();
        constant(precisions, &[m, 1, 1], source)
    }

    /// `k(a_i, b_j)`, `[M, A, B]`, of points `[M, A, D]` and `[M, B, D]`.
    fn values(&self, a: &Tensor, b: &Tensor, precision: &Tensor) -> Result<Tensor> {
        let scaled = squared_distances(a, b)?.mul(precision)?;
        let one = |s: f64| scaled.scale(-0.5 / (s * s))?.exp();
        let mut sum = one(self.scales[0])?;
        for &s in &self.scales[1..] {
            sum = sum.add(&one(s)?)?;
        }
        Ok(sum.scale(1.0 / self.scales.len() as f64)?)
    }
}

/// The squared discrepancy, `[M]`, of features of the source `[M, B, D]` and of the target `[M, B', D]`.
///
/// ```
/// use rekindle_autodiff::Tensor;
/// use rekindle_transfer::domain::{Bandwidth, GaussianKernel, MmdEstimate, mmd};
///
/// let (near, far) = (Tensor::from_vec(vec![0f64, 1.], (1, 2, 1))?, Tensor::from_vec(vec![5f64, 6.], (1, 2, 1))?);
/// let kernel = GaussianKernel { bandwidth: Bandwidth::Fixed(1.0), ..GaussianKernel::default() };
/// let apart = mmd(&near, &far, &kernel, MmdEstimate::Biased)?.to_f64()?;
/// assert!((apart - (1.0 + (-0.5f64).exp())).abs() < 1e-3); // the mixed terms nearly vanish
/// assert!(mmd(&near, &near, &kernel, MmdEstimate::Biased)?.to_f64()?.abs() < 1e-12);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] for a domain without examples; [`Error::Shape`] if the shapes do not fit, or for the
/// unbiased estimate of a single example; [`Error::Setting`] for a kernel that is not valid.
pub fn mmd(source: &Tensor, target: &Tensor, kernel: &GaussianKernel, estimate: MmdEstimate) -> Result<Tensor> {
    kernel.validate()?;
    let Sizes { examples: [n, m], .. } = Sizes::of(source.dims(), target.dims())?;
    if estimate == MmdEstimate::Unbiased && n.min(m) < 2 {
        let (what, x) = if n < 2 { ("source features", source) } else { ("target features", target) };
        return Err(Error::shape(what, x.dims(), "[M, B, D] with B ≥ 2 for the unbiased estimate"));
    }
    let precision = kernel.precision(source, target)?;
    let within = |x: &Tensor, n: usize| -> Result<Tensor> {
        let sum = kernel.values(x, x, &precision)?.sum(&[1, 2])?; // [M]
        let n = n as f64;
        Ok(match estimate {
            MmdEstimate::Biased => sum.scale(1.0 / (n * n))?,
            // A point's kernel with itself is 1.
            MmdEstimate::Unbiased => sum.shift(-n)?.scale(1.0 / (n * (n - 1.0)))?,
        })
    };
    let across = kernel.values(source, target, &precision)?.mean(&[1, 2])?;
    Ok(within(source, n)?.add(&within(target, m)?)?.add_scaled(&across, -2.0)?)
}

/// The median distance between two different points of both samples together, one for each of the M tasks; the mean of
/// the middle two where their number is even, 0 for a single pair of equal points.
///
/// # Errors
/// As [`mmd`], for the shapes.
pub fn median_distance(source: &Tensor, target: &Tensor) -> Result<Vec<f64>> {
    Sizes::of(source.dims(), target.dims())?;
    let tasks = Matrix::of_tasks(source)?.into_iter().zip(Matrix::of_tasks(target)?);
    Ok(tasks.map(|(source, target)| median_of_pairs(&source, &target)).collect())
}

fn median_of_pairs(source: &Matrix, target: &Matrix) -> f64 {
    let points: Vec<&[f64]> = [source, target].iter().flat_map(|x| (0..x.rows).map(|i| x.row(i))).collect();
    let mut squares = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    let mut difference = vec![0.0; source.cols];
    for (i, a) in points.iter().enumerate() {
        for b in &points[..i] {
            difference.copy_from_slice(a);
            add_scaled(&mut difference, b, -1.0);
            squares.push(dot(&difference, &difference));
        }
    }
    squares.sort_by(f64::total_cmp);
    let middle = squares.len() / 2;
    let upper = squares[middle].sqrt();
    if squares.len().is_multiple_of(2) { 0.5 * (squares[middle - 1].sqrt() + upper) } else { upper }
}

/// `‖a_i − b_j‖²`, `[M, A, B]`, of points `[M, A, D]` and `[M, B, D]`.
pub(crate) fn squared_distances(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let cross = a.product(Transpose::No, b, Transpose::Yes)?; // [M, A, B]
    let squares = |x: &Tensor| x.sqr()?.sum(&[2]);
    let (a, b) = (squares(a)?.unsqueeze(2)?, squares(b)?.unsqueeze(1)?); // [M, A, 1], [M, 1, B]
    Ok(a.add(&b)?.add_scaled(&cross, -2.0)?)
}
