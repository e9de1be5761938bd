//! The layers of a model in order of depth, read off the names of its parameters.
//!
//! ```text
//! η_l = η_L / 2.6^(L − l)      the rate of layer l of L, counted from the bottom
//! ```
//! Discriminative rates: Howard & Ruder, *Universal Language Model Fine-tuning for Text Classification*, 2018, §3.2.

use rekindle_autodiff::Params;
use rekindle_optim::{GroupRates, Select};

use crate::{Error, Result};

/// Layers from the bottom (next to the input) to the top, each with the names of its parameters.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_nn::{Mlp, Model};
/// use rekindle_transfer::LayerGroups;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let params = Mlp::sinusoid().init(&mut rng, DType::F32, &Device::Cpu)?;
/// let layers = LayerGroups::of(&params);
/// assert_eq!(layers.names().collect::<Vec<_>>(), ["fc1", "fc2", "fc3"]);
/// assert!(layers.bottom(2)?.matches("fc2.bias") && !layers.bottom(2)?.matches("fc3.bias"));
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerGroups {
    layers: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    leaves: Vec<String>,
}

impl LayerGroups {
    /// By how much the rate falls from a layer to the one below it: Howard & Ruder 2018, §3.2.
    pub const ULMFIT_FACTOR: f64 = 2.6;

    /// One layer for each first component of the names, in their order in `params`: `block1.conv.weight` and
    /// `block1.norm.gamma` belong to `block1`.
    ///
    /// Parameters are in order of depth for the models of `rekindle-nn`. Those of a candle-nn model are sorted by name, so
    /// that `fc10` stands before `fc2`, and a normalisation `norm1` is a layer of its own: use [`new`](Self::new) then.
    #[must_use]
    pub fn of(params: &Params) -> Self {
        Self::cut(params, 1)
    }

    /// As [`of`](Self::of), by the first `components` (at least one): with 2, `encoder.block1.conv.weight` belongs to
    /// `encoder.block1`. The last component says what a leaf is, not where it is, and never counts.
    #[must_use]
    pub fn cut(params: &Params, components: usize) -> Self {
        let mut layers: Vec<Group> = Vec::new();
        for leaf in params.names() {
            let parts: Vec<&str> = leaf.split('.').collect();
            let name = parts[..components.min(parts.len() - 1).max(1)].join(".");
            match layers.iter_mut().find(|layer| layer.name == name) {
                Some(layer) => layer.leaves.push(leaf.to_owned()),
                None => layers.push(Group { name, leaves: vec![leaf.to_owned()] }),
            }
        }
        Self { layers }
    }

    /// Layers that are listed from the bottom to the top, each by the prefixes of its parameters' names.
    ///
    /// # Errors
    /// If a prefix fits no parameter, or if a parameter is in no layer or in two.
    pub fn new(params: &Params, layers: &[&[&str]]) -> Result<Self> {
        let mut groups = Vec::with_capacity(layers.len());
        for prefixes in layers {
            let select = Select::prefix(prefixes.iter().copied());
            select.validate(params)?;
            let leaves = params.names().filter(|name| select.matches(name)).map(str::to_owned).collect();
            groups.push(Group { name: prefixes.join("+"), leaves });
        }
        for name in params.names() {
            let n = groups.iter().filter(|group| group.leaves.iter().any(|leaf| leaf == name)).count();
            if n != 1 {
                return Err(Error::setting("layers", format!("{name} in {n} layers"), "each parameter in one layer"));
            }
        }
        Ok(Self { layers: groups })
    }

    /// The number of layers L.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Their names, from the bottom to the top.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|layer| layer.name.as_str())
    }

    /// The parameters of the lowest `n` layers.
    ///
    /// # Errors
    /// If there are fewer layers, or if `n` is 0.
    pub fn bottom(&self, n: usize) -> Result<Select> {
        self.check(n)?;
        Ok(select(&self.layers[..n]))
    }

    /// The parameters of the highest `n` layers.
    ///
    /// # Errors
    /// If there are fewer layers, or if `n` is 0.
    pub fn top(&self, n: usize) -> Result<Select> {
        self.check(n)?;
        Ok(select(&self.layers[self.len() - n..]))
    }

    /// Factors on the updates that fall by `factor` from each layer to the one below it; the top layer has 1. To stand
    /// after an optimiser: `Chain::new().then(Adam::new(1e-3)).then(layers.discriminative(2.6)?)`.
    ///
    /// # Errors
    /// If the factor is not a finite number of at least 1.
    pub fn discriminative(&self, factor: f64) -> Result<GroupRates> {
        if !(factor.is_finite() && factor >= 1.0) {
            return Err(Error::setting("factor", factor, "a finite number of at least 1"));
        }
        let rates = self.layers.iter().rev().scan(1.0, |rate, layer| {
            let pair = (select(std::slice::from_ref(layer)), *rate);
            *rate /= factor;
            Some(pair)
        });
        Ok(GroupRates { rates: rates.collect() })
    }

    fn check(&self, n: usize) -> Result<()> {
        if (1..=self.len()).contains(&n) {
            return Ok(());
        }
        let message = format!("{n} of the {} layers [{}]", self.len(), self.names().collect::<Vec<_>>().join(", "));
        Err(Error::setting("n", message, "at least 1, and at most the number of layers"))
    }
}

fn select(layers: &[Group]) -> Select {
    Select::names(layers.iter().flat_map(|layer| &layer.leaves))
}
