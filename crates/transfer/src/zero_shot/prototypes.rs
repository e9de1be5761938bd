//! Prototypical networks whose prototypes are embedded descriptions.
//!
//! ```text
//! p(y = c | x) ∝ exp(−‖f(x) − v_c‖²),   v_c = g(φ_c) / ‖g(φ_c)‖
//! ```
//! Snell, Swersky & Zemel, *Prototypical Networks for Few-shot Learning*, 2017, §2.7 and §3.3: f embeds inputs, g
//! descriptions, and prototypes have unit length.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::Model;

use super::Descriptions;
use crate::Result;
use crate::domain::squared_distances;

/// Kept from zero under the root, so that a prototype of zeros has a gradient.
const TINY: f64 = 1e-12;

/// An embedding f of inputs `[M, B, …] → [M, B, F]` and g of descriptions `[M, N, A] → [M, N, F]`. Parameters: `image.…`
/// and `text.…`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::Tensor;
/// use rekindle_nn::{Mlp, MlpConfig};
/// use rekindle_transfer::zero_shot::{DescriptionPrototypes, Descriptions, best_class};
///
/// let mlp = |sizes: [usize; 2]| Mlp::new(&MlpConfig { sizes: sizes.to_vec(), ..MlpConfig::default() });
/// let net = DescriptionPrototypes::new(Box::new(mlp([3, 8])?), Box::new(mlp([2, 8])?)); // inputs, descriptions
/// let params = net.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let classes = Descriptions::new(vec![vec![1., 0.], vec![0., 1.]])?;
/// let x = Tensor::ones((1, 4, 3), DType::F32, &Device::Cpu)?;
/// assert_eq!(best_class(&net.scores(&params, &x, &classes)?, &[0, 1])?.len(), 4);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Debug)]
pub struct DescriptionPrototypes {
    image: Box<dyn Model>,
    text: Box<dyn Model>,
}

impl DescriptionPrototypes {
    /// From both embeddings.
    #[must_use]
    pub fn new(image: Box<dyn Model>, text: Box<dyn Model>) -> Self {
        Self { image, text }
    }

    /// Fresh shared parameters, `[1, …]`.
    ///
    /// # Errors
    /// As [`Model::init`].
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let image = self.image.init(rng, dtype, device)?.prefixed("image")?;
        Ok(image.merge(&self.text.init(rng, dtype, device)?.prefixed("text")?)?)
    }

    /// Prototypes `[M, N, F]` of unit length.
    ///
    /// # Errors
    /// If the descriptions do not fit, or if a parameter is missing.
    pub fn prototypes(&self, params: &Params, descriptions: &Tensor) -> Result<Tensor> {
        let v = self.text.forward(&params.below("text")?, descriptions, NormStats::Batch)?;
        Ok(v.div(&v.sqr()?.sum_keepdim(&[2])?.shift(TINY)?.sqrt()?)?)
    }

    /// Scores `[M, B, N]`, the negative squared distances, of inputs `x [M, B, …]` for the classes of `descriptions`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn scores(&self, params: &Params, x: &Tensor, descriptions: &Descriptions) -> Result<Tensor> {
        let features = self.image.forward(&params.below("image")?, x, NormStats::Batch)?; // [M, B, F]
        let prototypes = self.prototypes(params, &descriptions.like(&features)?)?;
        Ok(squared_distances(&features, &prototypes)?.neg()?)
    }

    /// Cross-entropy `[M]` of inputs `x [M, B, …]` with labels `y [M, B]`, among the classes of `descriptions`.
    ///
    /// # Errors
    /// [`Error::Undescribed`](crate::Error::Undescribed) for a label without a description, and as
    /// [`scores`](Self::scores).
    pub fn loss(&self, params: &Params, x: &Tensor, y: &Value, descriptions: &Descriptions) -> Result<Tensor> {
        descriptions.check_labels(y)?;
        Ok(self.scores(params, x, descriptions)?.cross_entropy(y)?)
    }
}
