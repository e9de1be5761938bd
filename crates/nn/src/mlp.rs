//! Multi-layer perceptron.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};

use crate::{Activation, BatchNorm, Builder, Error, Init, Layer, LayerNorm, Linear, Model, Result};

/// Normalisation between a hidden layer and its activation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Norm {
    /// None.
    #[default]
    None,
    /// [`BatchNorm`] with this ε. The layer before it has no bias: β does its work, and the bias's gradient would be
    /// exactly zero, since the mean is taken away again.
    Batch {
        /// Added to the variance, `> 0`.
        eps: f64,
    },
    /// [`LayerNorm`] with this ε.
    Layer {
        /// Added to the variance, `> 0`.
        eps: f64,
    },
}

/// Shape of an [`Mlp`].
#[derive(Clone, Debug)]
pub struct MlpConfig {
    /// Inputs, hidden layers, outputs: at least two sizes, each `≥ 1`.
    pub sizes: Vec<usize>,
    /// After every hidden layer, not after the last one.
    pub activation: Activation,
    /// Before the activation of every hidden layer.
    pub norm: Norm,
    /// Distribution of the weights.
    pub weight: Init,
    /// Distribution of the biases.
    pub bias: Init,
}

impl Default for MlpConfig {
    /// MAML's sinusoid regressor (Finn, Abbeel & Levine 2017): 1-40-40-1, ReLU, no normalisation, weights from a
    /// truncated normal distribution with σ = 0.01, biases 0.
    fn default() -> Self {
        Self {
            sizes: vec![1, 40, 40, 1],
            activation: Activation::Relu,
            norm: Norm::None,
            weight: Init::TruncatedNormal { std: 0.01 },
            bias: Init::Zeros,
        }
    }
}

impl MlpConfig {
    /// Checks the fields.
    ///
    /// # Errors
    /// If there are fewer than two sizes, or if one is zero, or if an initialiser's number is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.sizes.len() < 2 || self.sizes.contains(&0) {
            return Err(Error::config("sizes", &self.sizes, "at least two sizes, each at least 1"));
        }
        self.weight.validate()?;
        self.bias.validate()
    }
}

/// `x [M, B, D]` to `[M, B, O]` through layers `fc1`, `fc2`, …, with an activation between them and, if configured,
/// normalisations `norm1`, `norm2`, …. The last layer is linear.
///
/// Inputs with more axes, images for example, are flattened after B.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<(Linear, Normalisation)>,
    activation: Activation,
    inputs: usize,
}

#[derive(Clone, Debug)]
enum Normalisation {
    None,
    Batch(BatchNorm),
    Layer(LayerNorm),
}

impl Mlp {
    /// A perceptron of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: &MlpConfig) -> Result<Self> {
        config.validate()?;
        let last = config.sizes.len() - 1;
        let layer = |(i, pair): (usize, &[usize])| {
            let i = i + 1;
            let norm = match config.norm {
                Norm::Batch { eps } if i < last => {
                    Normalisation::Batch(BatchNorm::new(&format!("norm{i}"), pair[1], eps)?)
                }
                Norm::Layer { eps } if i < last => {
                    Normalisation::Layer(LayerNorm::new(&format!("norm{i}"), pair[1], eps)?)
                }
                _ => Normalisation::None,
            };
            let bias = (!matches!(norm, Normalisation::Batch(_))).then_some(config.bias);
            Ok((Linear::new(&format!("fc{i}"), pair[0], pair[1], config.weight, bias)?, norm))
        };
        Ok(Self {
            layers: config.sizes.windows(2).enumerate().map(layer).collect::<Result<_>>()?,
            activation: config.activation,
            inputs: config.sizes[0],
        })
    }

    /// MAML's sinusoid regressor, 1-40-40-1: [`MlpConfig::default`].
    #[must_use]
    pub fn sinusoid() -> Self {
        Self::new(&MlpConfig::default()).expect("the default is valid")
    }

    /// The same for `(x, amplitude, phase)`, 3-40-40-1: MAML's oracle, which is told the task and does not adapt.
    #[must_use]
    pub fn sinusoid_oracle() -> Self {
        let config = MlpConfig { sizes: vec![3, 40, 40, 1], ..MlpConfig::default() };
        Self::new(&config).expect("the preset is valid")
    }

    /// MAML's fully connected classifier for 28×28 drawings, 784-256-128-64-64-N: batch normalisation and ReLU after
    /// every hidden layer, weights as in [`MlpConfig::default`], ε = 1e-3 (TensorFlow's default).
    ///
    /// # Errors
    /// If there are no ways.
    pub fn omniglot(ways: usize) -> Result<Self> {
        Self::new(&MlpConfig {
            sizes: vec![28 * 28, 256, 128, 64, 64, ways],
            norm: Norm::Batch { eps: 1e-3 },
            ..MlpConfig::default()
        })
    }

    /// Whether a parameter belongs to the last layer: what ANIL adapts (Raghu et al. 2020).
    #[must_use]
    pub fn is_head(&self, name: &str) -> bool {
        self.layers.last().is_some_and(|(fc, _)| fc.owns(name))
    }

    /// `[M, B, D]` from inputs whose axes after B have D elements together.
    fn flatten(&self, x: &Tensor) -> Result<Tensor> {
        match *x.dims() {
            [_, _, .., d] if d == self.inputs => Ok(x.clone()),
            [m, b, ref rest @ ..] if rest.iter().product::<usize>() == self.inputs => {
                Ok(x.reshape((m, b, self.inputs))?)
            }
            ref found => {
                let expected = format!("[M, B, {d}], or [M, B, …] with {d} elements after B", d = self.inputs);
                Err(Error::shape("the perceptron's input", found, expected))
            }
        }
    }
}

impl Model for Mlp {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        for (fc, norm) in &self.layers {
            fc.draw(&mut builder)?;
            match norm {
                Normalisation::None => {}
                Normalisation::Batch(norm) => norm.draw(&mut builder)?,
                Normalisation::Layer(norm) => norm.draw(&mut builder)?,
            }
        }
        builder.finish()
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        let mut h = self.flatten(x)?;
        let last = self.layers.len() - 1;
        for (i, (fc, norm)) in self.layers.iter().enumerate() {
            // Where nothing stands between a product and a ReLU, the product does both in one pass.
            let fused = i < last && self.activation == Activation::Relu && matches!(norm, Normalisation::None);
            h = if fused { fc.forward_relu(params, &h)? } else { fc.forward(params, &h)? };
            h = match norm {
                Normalisation::None => h,
                Normalisation::Batch(norm) => norm.forward(params, &h, stats)?,
                Normalisation::Layer(norm) => norm.forward(params, &h)?,
            };
            if i < last && !fused {
                h = self.activation.apply(&h)?;
            }
        }
        Ok(h)
    }
}
