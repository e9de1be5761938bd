//! From examples to what queries see of them.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Init, Layer, Mlp, MlpConfig, Model, MultiHeadAttention, MultiHeadAttentionConfig, Norm};

use super::{Aggregation, NeuralProcessConfig};
use crate::Result;

/// The encoder, whose mean all queries see, and what they see apart, if anything.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    pairs: Mlp,
    attention: Option<Attention>,
}

/// An encoder of values, a net that makes keys and queries of inputs, and the attention between them.
#[derive(Clone, Debug)]
struct Attention {
    values: Mlp,
    locate: Mlp,
    attend: MultiHeadAttention,
}

impl Encoder {
    pub(super) fn new(config: &NeuralProcessConfig) -> Result<Self> {
        let NeuralProcessConfig { inputs, targets, width, layers, .. } = *config;
        let encoder = || mlp(config, inputs + targets, layers[0], width);
        let attention = match config.aggregation {
            Aggregation::Mean => None,
            Aggregation::Attention(heads) => {
                // Larger weights would make all scores so large that attention begins, and stays, one-hot.
                let weight = Init::LeCunNormal;
                let locate = mlp(&NeuralProcessConfig { weight, ..*config }, inputs, 1, width)?;
                let attend = MultiHeadAttentionConfig { width, heads, weight };
                Some(Attention { values: encoder()?, locate, attend: MultiHeadAttention::new("attend", attend)? })
            }
        };
        Ok(Self { pairs: encoder()?, attention })
    }

    /// Fresh parameters `[1, …]`.
    pub(super) fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let pairs = self.pairs.init(rng, dtype, device)?.prefixed(PAIRS)?;
        let Some(Attention { values, locate, attend }) = &self.attention else { return Ok(pairs) };
        let values = values.init(rng, dtype, device)?.prefixed(VALUES)?;
        let locate = locate.init(rng, dtype, device)?.prefixed(LOCATE)?;
        Ok(pairs.merge(&values)?.merge(&locate)?.merge(&attend.init(rng, dtype, device)?)?)
    }

    /// What is kept of examples `x [M, B, F]`, `y [M, B, D]`: their mean representation `r [M, 1, H]`, and for attention
    /// keys and values `[M, 1, heads, B, H/heads]`.
    pub(super) fn observe(&self, params: &Params, x: &Tensor, y: &Tensor) -> Result<Params> {
        let pairs = Tensor::cat(&[x, y], 2)?;
        let r = forward(&self.pairs, PAIRS, params, &pairs)?.mean_keepdim(&[1])?;
        let mut state = vec![("r".to_owned(), r)];
        if let Some(Attention { values, locate, attend }) = &self.attention {
            let places = forward(locate, LOCATE, params, x)?.unsqueeze(1)?;
            let values = forward(values, VALUES, params, &pairs)?.unsqueeze(1)?; // [M, 1, B, H]
            let (keys, values) = attend.keys_and_values(params, &places, &values)?;
            state.extend([("keys".to_owned(), keys), ("values".to_owned(), values)]);
        }
        Ok(Params::new(state)?)
    }

    /// Features of what a query sees.
    pub(super) fn outputs(config: &NeuralProcessConfig) -> usize {
        if config.aggregation == Aggregation::Mean { config.width } else { 2 * config.width }
    }

    /// What queries `x [M, B, F]` see, `[M, B, H]`, or `[M, B, 2H]` with attention.
    pub(super) fn look(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        let r = state.get("r")?;
        let r = r.broadcast_to((x.dim(0)?, x.dim(1)?, r.dim(2)?))?;
        let Some(Attention { locate, attend, .. }) = &self.attention else { return Ok(r) };
        let queries = forward(locate, LOCATE, params, x)?.unsqueeze(1)?; // [M, 1, B, H]
        let kept = (state.get("keys")?, state.get("values")?);
        let seen = attend.look(params, &queries, kept, None)?.squeeze(1)?;
        Ok(Tensor::cat(&[&r, &seen], 2)?)
    }
}

const PAIRS: &str = "pairs";
const VALUES: &str = "values";
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
