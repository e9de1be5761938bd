//! From examples to what queries see of them.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Init, Layer, Mlp, MlpConfig, Model, MultiHeadAttention, MultiHeadAttentionConfig, Norm};

use super::{Aggregation, NeuralProcessConfig};
use crate::Result;

/// The encoder, and for attention the net that makes keys and queries of inputs.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    pairs: Mlp,
    attention: Option<(Mlp, MultiHeadAttention)>,
}

impl Encoder {
    pub(super) fn new(config: &NeuralProcessConfig) -> Result<Self> {
        let NeuralProcessConfig { inputs, targets, width, layers, .. } = *config;
        let attention = match config.aggregation {
            Aggregation::Mean => None,
            Aggregation::Attention(heads) => {
                // Larger weights would make all scores so large that attention begins, and stays, one-hot.
                let weight = Init::LeCunNormal;
                let locate = mlp(&NeuralProcessConfig { weight, ..*config }, inputs, 1, width)?;
                let attend = MultiHeadAttentionConfig { width, heads, weight };
                Some((locate, MultiHeadAttention::new("attend", attend)?))
            }
        };
        Ok(Self { pairs: mlp(config, inputs + targets, layers[0], width)?, attention })
    }

    /// Fresh parameters `[1, …]`.
    pub(super) fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let pairs = self.pairs.init(rng, dtype, device)?.prefixed(PAIRS)?;
        let Some((locate, attend)) = &self.attention else { return Ok(pairs) };
        let locate = locate.init(rng, dtype, device)?.prefixed(LOCATE)?;
        Ok(pairs.merge(&locate)?.merge(&attend.init(rng, dtype, device)?)?)
    }

    /// What is kept of examples `x [M, B, F]`, `y [M, B, D]`: their mean representation `r [M, 1, H]`, or keys
    /// and values `[M, 1, heads, B, H/heads]`.
    pub(super) fn observe(&self, params: &Params, x: &Tensor, y: &Tensor) -> Result<Params> {
        let pairs = forward(&self.pairs, PAIRS, params, &Tensor::cat(&[x, y], 2)?)?; // [M, B, H]
        let Some((locate, attend)) = &self.attention else {
            return Ok(Params::new([("r".to_owned(), pairs.mean_keepdim(&[1])?)])?);
        };
        let places = forward(locate, LOCATE, params, x)?;
        let (keys, values) = attend.keys_and_values(params, &places.unsqueeze(1)?, &pairs.unsqueeze(1)?)?;
        Ok(Params::new([("keys".to_owned(), keys), ("values".to_owned(), values)])?)
    }

    /// What queries `x [M, B, F]` see, `[M, B, H]`.
    pub(super) fn look(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        let Some((locate, attend)) = &self.attention else {
            let r = state.get("r")?;
            let (m, b, h) = (x.dim(0)?, x.dim(1)?, r.dim(2)?);
            return Ok(r.broadcast_to((m, b, h))?);
        };
        let queries = forward(locate, LOCATE, params, x)?.unsqueeze(1)?; // [M, 1, B, H]
        let kept = (state.get("keys")?, state.get("values")?);
        Ok(attend.look(params, &queries, kept, None)?.squeeze(1)?)
    }
}

const PAIRS: &str = "pairs";
const LOCATE: &str = "locate";

/// A perceptron of the process's width, with `layers` hidden layers.
pub(super) fn mlp(config: &NeuralProcessConfig, inputs: usize, layers: usize, outputs: usize) -> Result<Mlp> {
    let hidden = std::iter::repeat_n(config.width, layers);
    Ok(Mlp::new(&MlpConfig {
        sizes: std::iter::once(inputs).chain(hidden).chain([outputs]).collect(),
        activation: config.activation,
        norm: Norm::None,
        weight: config.weight,
        bias: Init::Zeros,
    })?)
}

/// Outputs of a net whose parameters stand below `name`.
pub(super) fn forward(net: &Mlp, name: &str, params: &Params, x: &Tensor) -> Result<Tensor> {
    Ok(net.forward(&params.sub_params(name)?, x, NormStats::Batch)?)
}
