//! Direct attribute prediction: a classifier for each attribute, and Bayes' rule over classes.
//!
//! ```text
//! score(c | x) = Σ_a log p(a = a_c | x) − Σ_a log p(a = a_c)
//! ```
//! Lampert, Nickisch & Harmeling, *Attribute-Based Classification for Zero-Shot Visual Object Categorization*, TPAMI 2014,
//! eq. 3, with the prior of an attribute taken from the classes of the training (as there) and kept from 0 and 1. The
//! attribute classifiers are one model with A logits, trained by cross-entropy; the paper's are support vector machines.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor, Transpose};
use rekindle_nn::Model;

use super::Descriptions;
use crate::{Error, Result};

/// A model of attributes `[M, B, …] → [M, B, A]`, logits of "present". Descriptions are 0 or 1.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::Tensor;
/// use rekindle_nn::{Mlp, MlpConfig};
/// use rekindle_transfer::zero_shot::{Dap, Descriptions};
///
/// let classes = Descriptions::new(vec![vec![1., 0.], vec![0., 1.], vec![1., 1.]])?;
/// let model = Mlp::new(&MlpConfig { sizes: vec![3, 2], ..MlpConfig::default() })?; // a logit for each attribute
/// let dap = Dap::new(Box::new(model), &classes.select(&[0, 1])?)?; // class 2 is not seen
/// let params = dap.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let x = Tensor::ones((1, 5, 3), DType::F32, &Device::Cpu)?;
/// assert_eq!(dap.scores(&params, &x, &classes)?.dims(), [1, 5, 3]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Debug)]
pub struct Dap {
    model: Box<dyn Model>,
    /// `p(a)`, from the classes of the training.
    prior: Vec<f64>,
}

impl Dap {
    /// From a model and the descriptions of the classes of the training, whose shares of each attribute become its
    /// prior, never nearer to 0 or 1 than half a class.
    ///
    /// # Errors
    /// [`Error::Setting`] for a description that is neither 0 nor 1.
    pub fn new(model: Box<dyn Model>, seen: &Descriptions) -> Result<Self> {
        let n = seen.n_classes() as f64;
        let mut prior = vec![0.0; seen.n_attributes()];
        for class in 0..seen.n_classes() {
            for (sum, &x) in prior.iter_mut().zip(binary(seen, class)?) {
                *sum += x / n;
            }
        }
        prior.iter_mut().for_each(|p| *p = p.clamp(0.5 / n, 1.0 - 0.5 / n));
        Ok(Self { model, prior })
    }

    /// Fresh shared parameters: the model's.
    ///
    /// # Errors
    /// As [`Model::init`].
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.model.init(rng, dtype, device)?)
    }

    /// Binary cross-entropy `[M]` of the attributes of inputs `x [M, B, …]` with labels `y [M, B]`, rows of
    /// `descriptions`.
    ///
    /// # Errors
    /// [`Error::Undescribed`] for a label without a description; [`Error::Attributes`] if descriptions have another length.
    pub fn loss(&self, params: &Params, x: &Tensor, y: &Value, descriptions: &Descriptions) -> Result<Tensor> {
        descriptions.check_attributes(self.prior.len())?;
        let logits = self.attributes(params, x)?;
        Ok(logits.binary_cross_entropy(&descriptions.of_labels(y, &logits)?)?)
    }

    /// Logits of the attributes, `[M, B, A]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn attributes(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        Ok(self.model.forward(params, x, NormStats::Batch)?)
    }

    /// Scores `[M, B, N]` of the classes of `descriptions`.
    ///
    /// # Errors
    /// [`Error::Attributes`] if descriptions have another length; [`Error::Setting`] if one is neither 0 nor 1.
    pub fn scores(&self, params: &Params, x: &Tensor, descriptions: &Descriptions) -> Result<Tensor> {
        descriptions.check_attributes(self.prior.len())?;
        let logits = self.attributes(params, x)?;
        let priors = (0..descriptions.n_classes()).map(|class| self.log_prior(binary(descriptions, class)?));
        let priors = Tensor::new(Value::from_vec(
            priors.collect::<Result<Vec<f64>>>()?,
            (1, 1, descriptions.n_classes()),
            &Device::Cpu,
        )?);
        let priors = priors.to_dtype(logits.dtype())?.to_device(logits.device())?;
        // log p(present) = z − softplus(z) and log p(absent) = −softplus(z).
        let chosen = logits.product(Transpose::No, &descriptions.like(&logits)?, Transpose::Yes)?; // [M, B, N]
        Ok(chosen.sub(&logits.softplus()?.sum_keepdim(&[2])?)?.sub(&priors)?)
    }

    fn log_prior(&self, description: &[f64]) -> Result<f64> {
        let of = |(&p, &x): (&f64, &f64)| libm::log(if x > 0.5 { p } else { 1.0 - p });
        Ok(self.prior.iter().zip(description).map(of).sum())
    }
}

/// A description of zeros and ones.
fn binary(descriptions: &Descriptions, class: usize) -> Result<&[f64]> {
    let row = descriptions.of(class)?;
    match row.iter().find(|&&x| x != 0.0 && x != 1.0) {
        Some(x) => Err(Error::setting(
            "description",
            format!("{x} in class {class}"),
            "0 or 1: attributes are absent or present",
        )),
        None => Ok(row),
    }
}
