//! Relation networks: a network compares a query with a class.
//!
//! ```text
//! r_n = relation(Σ_{i of class n} f(x_i), f(x̂)) in (0, 1)        L = mean (r_n − [x̂ is of class n])²
//! ```
//! Sung et al., *Learning to Compare: Relation Network for Few-Shot Learning*, 2018, §3: maps of two images, laid one on the
//! other, pass two blocks (3×3 convolution with 64 channels, batch normalisation, ReLU, 2×2 max pooling) and two affine
//! layers, the first with 8 units and a ReLU.
//!
//! The first convolution is linear in the two maps, so its two halves are applied once to every class and once to every
//! query, and added for each pair: the same values, for a fraction of the work.
//!
//! Differs from the paper: the logits are what goes into the last sigmoid; convolutions have no bias, since normalisation
//! follows; weights begin as He et al. and Glorot & Bengio have them. The body's first two blocks have padding (see
//! [`Downsampling::MaxPoolTwice`](rekindle_nn::Downsampling::MaxPoolTwice)).

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{ConvBlock, NormStats, Params, Tensor};
use rekindle_nn::{BatchNorm, Builder, Conv2d, Conv2dConfig, Conv4Config, Init, Layer, Linear};

use super::{Episode, Head};
use crate::{Error, Result, Setting};

/// Sizes of the relation module.
#[derive(Clone, Debug)]
pub struct RelationConfig {
    /// Height and width of the body's maps, at least 4 each.
    pub grid: (usize, usize),
    /// Channels of the body's maps and of the module's blocks: 64.
    pub channels: usize,
    /// Units of the first affine layer: 8.
    pub hidden: usize,
    /// ε of the normalisations: 1e-5, PyTorch's.
    pub eps: f64,
}

impl RelationConfig {
    /// The paper's module for a body's maps, which must not be averaged (no
    /// [`Stride2`](rekindle_nn::Downsampling::Stride2)).
    #[must_use]
    pub fn after(body: &Conv4Config) -> Self {
        Self { grid: body.grid(), channels: body.channels, hidden: 8, eps: BatchNorm::EPS }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// Naming the one that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let Self { grid: (height, width), channels, hidden, .. } = *self;
        if height < 4 || width < 4 {
            return Err(Error::setting("grid", &format!("{height}×{width}"), "at least 4×4, which two pools halve"));
        }
        if channels == 0 || hidden == 0 {
            return Err(Error::setting("channels, hidden", &format!("{channels}, {hidden}"), "at least 1 each"));
        }
        Ok(())
    }
}

/// The head of relation networks, for bodies that answer maps `[M, B, H·W·C]`.
///
/// Parameters: `support.weight` and `query.weight` `[M, 3, 3, C, C]`, the halves of the first convolution; `norm1.…`,
/// `conv2.weight`, `norm2.…`, `fc1.…`, `fc2.…`.
///
/// ```
/// use rekindle_meta::metric::{MetricLearner, Relation, RelationConfig};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// let config = Conv4Config { downsampling: Downsampling::MaxPoolTwice, ..Conv4Config::omniglot() };
/// let head = Relation::new(RelationConfig::after(&config))?;
/// let learner = MetricLearner::new(Conv4Body::new(config)?, head)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Relation {
    config: RelationConfig,
    support: Conv2d,
    query: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Relation {
    /// A module of these sizes.
    ///
    /// # Errors
    /// If a size is out of its range.
    pub fn new(config: RelationConfig) -> Result<Self> {
        config.validate()?;
        let RelationConfig { grid, channels, hidden, eps } = config;
        let conv = Conv2dConfig {
            kernel: 3,
            inputs: channels,
            outputs: channels,
            stride: 1,
            padding: 1,
            weight: Init::GlorotUniform,
            bias: None,
        };
        let pixels = (grid.0 >> 2) * (grid.1 >> 2);
        Ok(Self {
            support: Conv2d::new("support", conv)?,
            query: Conv2d::new("query", conv)?,
            norm1: BatchNorm::new("norm1", channels, eps)?,
            conv2: Conv2d::new("conv2", conv)?,
            norm2: BatchNorm::new("norm2", channels, eps)?,
            fc1: Linear::new("fc1", pixels * channels, hidden, Init::HeNormal, Some(Init::Zeros))?,
            fc2: Linear::new("fc2", hidden, 1, Init::GlorotUniform, Some(Init::Zeros))?,
            config,
        })
    }

    /// Maps `[M, B, H, W, C]` from embeddings `[M, B, H·W·C]`.
    fn maps(&self, z: &Tensor) -> Result<Tensor> {
        let RelationConfig { grid: (height, width), channels, .. } = self.config;
        match *z.dims() {
            [m, b, features] if features == height * width * channels => {
                Ok(z.reshape((m, b, height, width, channels))?)
            }
            ref found => {
                let message = format!("embeddings {found:?} are no maps of {height}×{width}×{channels}");
                Err(Error::Batch { message })
            }
        }
    }

    /// What goes into the last sigmoid, `[M, R, N]`, for R examples and the sums of N classes; normalisation takes its
    /// statistics from the first `rows` of the R examples.
    fn relate(&self, params: &Params, examples: &Tensor, classes: &Tensor, rows: usize) -> Result<Tensor> {
        let ours = self.query.forward(params, &self.maps(examples)?)?; // [M, R, H, W, C]
        let theirs = self.support.forward(params, &self.maps(classes)?)?; // [M, N, H, W, C]
        let (m, r, n) = (ours.dim(0)?, ours.dim(1)?, theirs.dim(1)?);
        let pairs = ours.unsqueeze(2)?.add(&theirs.unsqueeze(1)?)?; // [M, R, N, H, W, C]
        let RelationConfig { grid: (height, width), channels, eps, .. } = self.config;
        let pairs = pairs.reshape((m, r * n, height, width, channels))?;
        let stats = if rows == r { NormStats::Batch } else { NormStats::FirstRows(rows * n) };
        let h = self.norm1.forward(params, &pairs, stats)?.max_pool2d(2, 2)?.relu()?;
        let (weight, gamma, beta) =
            (params.get("conv2.weight")?, params.get("norm2.gamma")?, params.get("norm2.beta")?);
        let h = h.conv_block(weight, gamma, beta, ConvBlock { stride: 1, padding: 1, eps, stats, pool: true })?;
        let h = h.reshape((m, r * n, self.fc1.inputs()))?;
        let h = self.fc2.forward(params, &self.fc1.forward_relu(params, &h)?)?; // [M, R·N, 1]
        Ok(h.reshape((m, r, n))?)
    }
}

impl Head for Relation {
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        let (classes, queries) = (episode.class_sums()?, &episode.queries);
        match episode.setting {
            Setting::Transductive => self.relate(params, queries, &classes, queries.dim(1)?),
            Setting::Inductive => {
                // The support examples come first, as queries of their own, so that statistics come from them alone.
                let rows = episode.support.dim(1)?;
                let both = Tensor::cat(&[&episode.support, queries], 1)?;
                let all = self.relate(params, &both, &classes, rows)?;
                Ok(all.narrow(1, rows, queries.dim(1)?)?)
            }
        }
    }

    /// The mean squared error between relations and 0 or 1.
    fn loss(&self, params: &Params, episode: &Episode, labels: &Value) -> Result<Tensor> {
        let relations = self.logits(params, episode)?.sigmoid()?;
        Ok(relations.mse(&Tensor::one_hot(labels, &relations)?)?)
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        let layers: [&dyn Layer; 7] =
            [&self.support, &self.query, &self.norm1, &self.conv2, &self.norm2, &self.fc1, &self.fc2];
        layers.into_iter().try_for_each(|layer| layer.draw(&mut builder))?;
        Ok(builder.finish()?)
    }

    fn validate(&self) -> Result<()> {
        self.config.validate()
    }
}
