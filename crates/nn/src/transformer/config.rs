//! Sizes of a transformer.

use crate::{Activation, Error, Init, MultiHeadAttentionConfig, Result};

/// Shape of a [`Transformer`](super::Transformer).
#[derive(Clone, Copy, Debug)]
pub struct TransformerConfig {
    /// Width D of what goes in and comes out, a multiple of `heads`.
    pub width: usize,
    /// Layers L, `≥ 1`.
    pub layers: usize,
    /// Heads of each layer's attention, `≥ 1`.
    pub heads: usize,
    /// Units between `up` and `down`, `≥ 1`; 4D in GPT-2.
    pub hidden: usize,
    /// Positions: the longest sequence that can be seen, `≥ 1`.
    pub context: usize,
    /// Between `up` and `down`. With [`Activation::Relu`] it costs no pass of its own.
    pub activation: Activation,
    /// Distribution of the weights. Biases start at 0.
    pub weight: Init,
    /// Distribution of the vectors of the positions.
    pub positions: Init,
}

impl Default for TransformerConfig {
    /// [`standard`](Self::standard).
    fn default() -> Self {
        Self::standard()
    }
}

impl TransformerConfig {
    /// 256 wide, 12 layers, 8 heads: the main model of Garg, Tsipras, Liang & Valiant 2022, with room for 101 pairs of
    /// input and output; GPT-2's GELU and its N(0, 0.02²).
    #[must_use]
    pub fn standard() -> Self {
        let std = 0.02;
        Self {
            width: 256,
            layers: 12,
            heads: 8,
            hidden: 1024,
            context: 202,
            activation: Activation::Gelu,
            weight: Init::Normal { std },
            positions: Init::Normal { std },
        }
    }

    /// 128 wide, 6 layers, 4 heads: the "small" model of Garg et al. 2022.
    #[must_use]
    pub fn small() -> Self {
        Self { width: 128, layers: 6, heads: 4, hidden: 512, ..Self::standard() }
    }

    /// 64 wide, 3 layers, 2 heads: the "tiny" model of Garg et al. 2022.
    #[must_use]
    pub fn tiny() -> Self {
        Self { width: 64, layers: 3, heads: 2, hidden: 256, ..Self::standard() }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// If a size is zero, if the heads do not divide the width, or if an initialiser's number is out of range.
    pub fn validate(&self) -> Result<()> {
        let Self { width, heads, weight, .. } = *self;
        MultiHeadAttentionConfig { width, heads, weight }.validate()?;
        for (field, value) in [("layers", self.layers), ("hidden", self.hidden), ("context", self.context)] {
            if value == 0 {
                return Err(Error::config(field, value, "at least 1"));
            }
        }
        self.positions.validate()
    }
}
