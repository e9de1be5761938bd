//! Bilinear compatibility of inputs and descriptions, learned on the tape: DeViSE, ALE and SJE.
//!
//! ```text
//! F(x, c) = f(x)ᵀ W φ_c
//! ```
//! with f any model (the identity in the papers, whose features come from a net that is not trained further) and φ_c the
//! description of class c. Which loss makes which method: see [`RankingLoss`]. The papers descend one example at a time;
//! here the loss is a mean over a batch.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor, Transpose};
use rekindle_nn::{Init, Layer, Linear, Model};

use super::{Descriptions, RankingLoss};
use crate::Result;

/// `F(x, c) = f(x)ᵀ W φ_c`. Parameters: `image.…` of the model f `[M, B, …] → [M, B, F]`, none without one, and
/// `form.weight [M, F, A]`.
///
/// ```
/// use candle_core::{DType, Device, Tensor as Value};
/// use rand::SeedableRng;
/// use rekindle_autodiff::{Order, Tensor};
/// use rekindle_transfer::zero_shot::{Compatibility, Descriptions, RankingLoss};
///
/// let classes = Descriptions::new(vec![vec![1., 0.], vec![0., 1.]])?;
/// let form = Compatibility::new(None, 3, 2, RankingLoss::SJE)?; // on 3 features as they are, and 2 attributes
/// let params = form.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?.leaf();
/// let (x, y) = (Tensor::ones((1, 4, 3), DType::F32, &Device::Cpu)?, Value::zeros((1, 4), DType::U32, &Device::Cpu)?);
/// let loss = form.loss(&params, &x, &y, &classes)?; // [M]
/// assert_eq!(params.grad(&loss.sum_all()?, Order::First)?.get("form.weight")?.dims(), [1, 3, 2]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Debug)]
pub struct Compatibility {
    image: Option<Box<dyn Model>>,
    form: Linear,
    loss: RankingLoss,
}

impl Compatibility {
    /// On F features of a model, or of the inputs themselves where `image` is `None`, and descriptions of A numbers. W is
    /// drawn from Glorot's uniform distribution.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(image: Option<Box<dyn Model>>, features: usize, attributes: usize, loss: RankingLoss) -> Result<Self> {
        let form = Linear::new("form", features, attributes, Init::GlorotUniform, None)?;
        Ok(Self { image, form, loss })
    }

    /// Fresh shared parameters, `[1, …]`.
    ///
    /// # Errors
    /// As [`Model::init`].
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let form = self.form.init(rng, dtype, device)?;
        Ok(match &self.image {
            Some(image) => image.init(rng, dtype, device)?.prefixed("image")?.merge(&form)?,
            None => form,
        })
    }

    /// Scores `[M, B, N]` of inputs `x [M, B, …]` for the classes of `descriptions`.
    ///
    /// # Errors
    /// [`Error::Attributes`](crate::Error::Attributes) if the descriptions have another length than A, if the shapes do not
    /// fit, or if a parameter is missing.
    pub fn scores(&self, params: &Params, x: &Tensor, descriptions: &Descriptions) -> Result<Tensor> {
        descriptions.check_attributes(self.form.outputs())?;
        let projected = match &self.image {
            Some(image) => self.form.forward(params, &image.forward(&params.below("image")?, x, NormStats::Batch)?)?,
            None => self.form.forward(params, x)?,
        };
        Ok(projected.product(Transpose::No, &descriptions.like(&projected)?, Transpose::Yes)?)
    }

    /// The ranking loss `[M]` of inputs `x [M, B, …]` with labels `y [M, B]`, among the classes of `descriptions`.
    ///
    /// # Errors
    /// [`Error::Undescribed`](crate::Error::Undescribed) for a label without a description, and as
    /// [`scores`](Self::scores).
    pub fn loss(&self, params: &Params, x: &Tensor, y: &Value, descriptions: &Descriptions) -> Result<Tensor> {
        descriptions.check_labels(y)?;
        self.loss.of(&self.scores(params, x, descriptions)?, y)
    }
}
