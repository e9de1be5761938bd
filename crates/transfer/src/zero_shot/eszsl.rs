//! ESZSL: an embarrassingly simple approach to zero-shot learning, a bilinear form in closed form.
//!
//! ```text
//! score(x, s) = xᵀ V s      V = (XᵀX + γ I)⁻¹ XᵀY S (SᵀS + λ I)⁻¹
//! ```
//! Romera-Paredes & Torr, ICML 2015, eq. 7, with rows for examples here: `X [B, D]` features, `Y [B, N]` with 1 for the
//! class of an example and −1 elsewhere, `S [N, A]` descriptions. It minimises
//! `‖X V Sᵀ − Y‖² + γ ‖V Sᵀ‖² + λ ‖X V‖² + γλ ‖V‖²`.

use candle_core::{DType, Tensor as Value};
use rekindle_autodiff::{Tensor, Transpose};

use super::Descriptions;
use crate::error::positive;
use crate::matrix::Matrix;
use crate::{Error, Result};

/// Settings of [`Eszsl`]. The paper and Xian et al. 2019 choose both from `10^{−3 … 3}` on classes held out; default 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EszslConfig {
    /// γ, on the features, `> 0`.
    pub gamma: f64,
    /// λ, on the descriptions, `> 0`.
    pub lambda: f64,
}

impl Default for EszslConfig {
    fn default() -> Self {
        Self { gamma: 1.0, lambda: 1.0 }
    }
}

impl EszslConfig {
    /// Whether both are in their range.
    ///
    /// # Errors
    /// [`Error::Setting`] if not.
    pub fn validate(&self) -> Result<()> {
        positive("gamma", self.gamma)?;
        positive("lambda", self.lambda)
    }
}

/// The bilinear form `V [M, D, A]` of ESZSL.
///
/// ```
/// use candle_core::{DType, Device, Tensor as Value};
/// use rekindle_autodiff::Tensor;
/// use rekindle_transfer::zero_shot::{Descriptions, Eszsl, EszslConfig, best_class};
///
/// // Features are the attributes themselves. Classes 0 to 3 are seen, 4 and 5 are not.
/// let seen = (0..4).map(|class| (0..4).map(|a| f64::from(u8::from(a == class))).collect());
/// let classes = Descriptions::new(seen.chain([vec![1., 1., 0., 0.], vec![0., 0., 1., 1.]]).collect())?;
/// let seen = classes.select(&[0, 1, 2, 3])?;
/// let (x, y) = (seen.tensor(DType::F64, &Device::Cpu)?, Value::from_vec(vec![0u32, 1, 2, 3], (1, 4), &Device::Cpu)?);
/// let model = Eszsl::fit(&x, &y, &seen, EszslConfig::default())?;
/// let new = Tensor::from_vec(vec![1f64, 0.9, 0., 0.1], (1, 1, 4))?; // [M, B, D]
/// assert_eq!(best_class(&model.scores(&new, &classes)?, &[4, 5])?, [4]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Eszsl {
    form: Tensor,
}

impl Eszsl {
    /// From features `x [M, B, D]` and labels `y [M, B]`, rows of `seen`: the descriptions of the classes of the training
    /// and of no others, since every class without examples counts as absent in all.
    ///
    /// # Errors
    /// [`Error::Undescribed`] for a label without a description; [`Error::Shape`] if features and labels do not fit;
    /// [`Error::Setting`] and [`Error::Unsolvable`] for settings out of range or too small.
    pub fn fit(x: &Tensor, y: &Value, seen: &Descriptions, config: EszslConfig) -> Result<Self> {
        config.validate()?;
        let &[m, b, d] = x.dims() else { return Err(Error::shape("the features", x.dims(), "[M, B, D]")) };
        if y.dims() != [m, b] || b == 0 {
            return Err(Error::shape("the labels", y.dims(), format!("[{m}, {b}], at least one example")));
        }
        let labels = seen.check_labels(y)?;
        let s = Matrix::new(seen.n_classes(), seen.n_attributes(), seen.tensor(DType::F64, x.device())?.to_vec_f64()?);
        let descriptions = s.transposed_times(&s).plus_identity(config.lambda); // [A, A]
        let unsolvable = || Error::Unsolvable { what: "ESZSL's system", remedy: "raise gamma and lambda" };
        let mut forms = Vec::with_capacity(m * d * seen.n_attributes());
        for (features, labels) in Matrix::of_tasks(x)?.iter().zip(labels.chunks(b)) {
            let right = features.transposed_times(&signs(labels, seen.n_classes())).times(&s); // XᵀY S, [D, A]
            let left = features.transposed_times(features).plus_identity(config.gamma);
            let half = left.solve(&right).ok_or_else(unsolvable)?;
            // (SᵀS + λI)⁻¹ is symmetric and stands on the right.
            let whole = descriptions.solve(&half.transposed()).ok_or_else(unsolvable)?;
            forms.extend(whole.transposed().data);
        }
        let form = Value::from_vec(forms, (m, d, seen.n_attributes()), &candle_core::Device::Cpu)?;
        Ok(Self { form: Tensor::new(form.to_dtype(x.dtype())?.to_device(x.device())?) })
    }

    /// Scores `[M, B, N]` of features `x [M, B, D]` for the classes of `descriptions`.
    ///
    /// # Errors
    /// [`Error::Attributes`] if the descriptions have another length than those of the fit, or if the shapes do not fit.
    pub fn scores(&self, x: &Tensor, descriptions: &Descriptions) -> Result<Tensor> {
        descriptions.check_attributes(self.form.dims()[2])?;
        let projected = x.matmul(&self.form)?; // [M, B, A]
        Ok(projected.product(Transpose::No, &descriptions.like(x)?, Transpose::Yes)?)
    }

    /// The form V, `[M, D, A]`.
    #[must_use]
    pub fn form(&self) -> &Tensor {
        &self.form
    }
}

/// `[B, N]`: 1 for an example's class, −1 for the others.
fn signs(labels: &[usize], n: usize) -> Matrix {
    let mut y = Matrix::new(labels.len(), n, vec![-1.0; labels.len() * n]);
    labels.iter().enumerate().for_each(|(i, &class)| y.row_mut(i)[class] = 1.0);
    y
}
