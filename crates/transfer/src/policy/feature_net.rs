//! A network whose last hidden layer can be looked at: for regressions on features, and for other last layers.

use std::ops::Range;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Model};
use rekindle_rl::{Net, Sequence};

use crate::{Error, Result};

/// A perceptron in two parts: `body.…`, up to and with the last hidden layer's activation, and `head.…`, a linear layer.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_autodiff::Tensor;
/// use rekindle_envs::stream_rng;
/// use rekindle_nn::Activation;
/// use rekindle_rl::Net;
/// use rekindle_transfer::policy::FeatureNet;
/// let net = FeatureNet::new(&[4, 32, 16], 3, Activation::Relu)?;
/// let params = net.init(&mut stream_rng(0, 0), DType::F32, &Device::Cpu)?;
/// let features = net.features(&params, &Tensor::ones((1, 5, 4), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(features.dims(), [1, 5, 16]);
/// // The last layer can be made anew, with all that was learned before it kept.
/// let reset = net.reset_head(&params, &mut stream_rng(0, 1))?;
/// assert_eq!(reset.get("body.fc1.weight")?.to_vec_f64()?, params.get("body.fc1.weight")?.to_vec_f64()?);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FeatureNet {
    body: Mlp,
    head: Mlp,
    activation: Activation,
    /// Of the inputs and of the hidden layers.
    sizes: Vec<usize>,
    outputs: usize,
}

impl FeatureNet {
    /// Sizes of the inputs and of the hidden layers, of which the last are the features; and the outputs.
    ///
    /// # Errors
    /// If there are fewer than two sizes, or one is zero.
    pub fn new(sizes: &[usize], outputs: usize, activation: Activation) -> Result<Self> {
        let mlp = |sizes: &[usize]| -> Result<Mlp> {
            let (sizes, init) = (sizes.to_vec(), Init::FanInUniform);
            Ok(Mlp::new(&MlpConfig { sizes, activation, weight: init, bias: init, ..MlpConfig::default() })?)
        };
        let body = mlp(sizes)?;
        let head = mlp(&[sizes[sizes.len() - 1], outputs])?;
        Ok(Self { body, head, activation, sizes: sizes.to_vec(), outputs })
    }

    /// Features of an input, F.
    pub fn n_features(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// Features `[M, B, F]` of inputs `[M, B, D]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    pub fn features(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let hidden = self.body.forward(&params.sub_params("body")?, x, NormStats::Batch)?;
        Ok(self.activation.apply(&hidden)?)
    }

    /// Outputs `[M, B, O]` from features `[M, B, F]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    pub fn outputs(&self, params: &Params, features: &Tensor) -> Result<Tensor> {
        Ok(self.head.forward(&params.sub_params("head")?, features, NormStats::Batch)?)
    }

    /// The body of these parameters with a fresh last layer; all else that they have is left out.
    ///
    /// # Errors
    /// If a parameter is missing, or the device cannot allocate the layer.
    pub fn reset_head(&self, params: &Params, rng: &mut dyn RngCore) -> Result<Params> {
        let like = params.get("body.fc1.weight")?;
        let head = self.head.init(rng, like.dtype(), like.device())?.prefixed("head")?;
        Ok(params.partition(|name| name.starts_with("body.")).0.merge(&head)?)
    }

    /// A network for another game, which shows itself in these of the inputs, and its parameters: the body as it is where all
    /// other inputs are zero, without their weights, and a fresh last layer for so many outputs.
    ///
    /// # Errors
    /// [`Error::Setting`] for inputs that do not exist, or none; if a parameter is missing.
    pub fn for_game(
        &self,
        params: &Params,
        inputs: Range<usize>,
        outputs: usize,
        rng: &mut dyn RngCore,
    ) -> Result<(Self, Params)> {
        if inputs.is_empty() || inputs.end > self.n_inputs() {
            let found = format!("{inputs:?} of {}", self.n_inputs());
            return Err(Error::setting("inputs", found, "some of those that there are"));
        }
        let sizes: Vec<usize> = std::iter::once(inputs.len()).chain(self.sizes[1..].iter().copied()).collect();
        let net = Self::new(&sizes, outputs, self.activation)?;
        let params = params.map_named(|name, leaf| match name {
            "body.fc1.weight" => leaf.narrow(1, inputs.start, inputs.len())?.contiguous(),
            _ => Ok(leaf.clone()),
        })?;
        let params = net.reset_head(&params, rng)?;
        Ok((net, params))
    }
}

impl Net for FeatureNet {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_rl::Result<Params> {
        let body = self.body.init(rng, dtype, device)?.prefixed("body")?;
        Ok(body.merge(&self.head.init(rng, dtype, device)?.prefixed("head")?)?)
    }

    fn n_inputs(&self) -> usize {
        self.sizes[0]
    }

    fn n_outputs(&self) -> usize {
        self.outputs
    }

    fn memory_size(&self) -> Option<usize> {
        None
    }

    fn forward(
        &self,
        params: &Params,
        xs: Sequence<'_>,
        _memory: Option<&Tensor>,
    ) -> rekindle_rl::Result<(Tensor, Option<Tensor>)> {
        let [t, m, b] = xs.dims()?;
        // Steps are more rows of each task.
        let rows = xs.obs.transpose(0, 1)?.reshape((m, t * b, self.n_inputs()))?;
        let hidden =
            self.activation.apply(&self.body.forward(&params.sub_params("body")?, &rows, NormStats::Batch)?)?;
        let outputs = self.head.forward(&params.sub_params("head")?, &hidden, NormStats::Batch)?;
        Ok((outputs.reshape((m, t, b, self.outputs))?.transpose(0, 1)?, None))
    }
}
