//! What later steps of a sequence see of earlier ones.

use rekindle_autodiff::{Params, Tensor};

use crate::Result;

/// Keys and values `[M, B, heads, T, D/heads]` of every layer of a [`Transformer`](super::Transformer).
#[derive(Clone, Debug)]
pub struct KvCache {
    layers: Vec<(Tensor, Tensor)>,
}

impl KvCache {
    pub(super) fn new(layers: Vec<(Tensor, Tensor)>) -> Self {
        Self { layers }
    }

    pub(super) fn layers(&self) -> &[(Tensor, Tensor)] {
        &self.layers
    }

    /// Steps T that are kept.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.layers.first().and_then(|(keys, _)| keys.dims().get(3).copied()).unwrap_or(0)
    }

    /// The same as named leaves `layer1.key`, `layer1.value`, …, which lead with the task axis.
    ///
    /// # Errors
    /// Never for a cache that a transformer made.
    pub fn to_params(&self) -> Result<Params> {
        let leaves = self.layers.iter().enumerate().flat_map(|(i, (key, value))| {
            let name = |part| format!("layer{}.{part}", i + 1);
            [(name("key"), key.clone()), (name("value"), value.clone())]
        });
        Ok(Params::new(leaves)?)
    }

    /// The inverse of [`to_params`](Self::to_params), for a model of `layers` layers.
    ///
    /// # Errors
    /// If a leaf is missing.
    pub fn from_params(params: &Params, layers: usize) -> Result<Self> {
        let layer = |i: usize| {
            let leaf = |part| params.get(&format!("layer{i}.{part}")).cloned();
            Ok((leaf("key")?, leaf("value")?))
        };
        Ok(Self { layers: (1..=layers).map(layer).collect::<Result<_>>()? })
    }
}
