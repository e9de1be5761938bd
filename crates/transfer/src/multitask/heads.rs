//! One trunk, a head for each objective.
//!
//! ```text
//! h = trunk(x)        y_t = h W_t + b_t
//! ```
//! Hard parameter sharing: Caruana, *Multitask Learning*, 1997.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Builder, Init, Layer, Linear, Model};

use crate::{Error, Result};

/// A trunk to features `[M, B, F]`, and linear heads on them. Parameters: those of the trunk below `trunk`, and
/// `heads.<name>.weight`, `heads.<name>.bias`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::{NormStats, Tensor};
/// use rekindle_nn::{Mlp, MlpConfig, Model};
/// use rekindle_transfer::Heads;
///
/// let trunk = Mlp::new(&MlpConfig { sizes: vec![2, 8, 4], ..MlpConfig::default() })?;
/// let net = Heads::new(trunk, 4, &[("digit", 10), ("parity", 2)])?;
/// let params = net.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let x = Tensor::zeros((1, 3, 2), DType::F32, &Device::Cpu)?;
/// let outputs = net.all(&params, &x, NormStats::Batch)?;
/// assert_eq!((outputs[0].dims(), outputs[1].dims()), (&[1, 3, 10][..], &[1, 3, 2][..]));
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Heads<N> {
    trunk: N,
    names: Vec<String>,
    heads: Vec<Linear>,
}

const TRUNK: &str = "trunk";
const HEADS: &str = "heads";

impl<N: Model> Heads<N> {
    /// A trunk with so many features, and heads by name and number of outputs. Weights of the heads are drawn as in
    /// PyTorch, from `U(±1/√F)`; biases begin at 0.
    ///
    /// # Errors
    /// If there is no head, if a name stands twice or has a dot, or if a size is zero.
    pub fn new(trunk: N, features: usize, heads: &[(&str, usize)]) -> Result<Self> {
        let names: Vec<String> = heads.iter().map(|(name, _)| (*name).to_owned()).collect();
        let bad = |(i, name): (usize, &String)| name.is_empty() || name.contains('.') || names[..i].contains(name);
        if names.is_empty() || names.iter().enumerate().any(bad) {
            return Err(Error::setting(
                "heads",
                format!("{names:?}"),
                "at least one, with distinct names without dots",
            ));
        }
        let linear = |(name, outputs): &(&str, usize)| {
            Linear::new(&format!("{HEADS}.{name}"), features, *outputs, Init::FanInUniform, Some(Init::Zeros))
        };
        let linears = heads.iter().map(linear).collect::<rekindle_nn::Result<_>>()?;
        Ok(Self { trunk, names, heads: linears })
    }

    /// The outputs `[M, B, O]` of every head, in their order.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn all(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Vec<Tensor>> {
        let h = self.trunk.forward(&params.sub_params(TRUNK)?, x, stats)?; // [M, B, F]
        Ok(self.heads.iter().map(|head| head.forward(params, &h)).collect::<rekindle_nn::Result<_>>()?)
    }

    /// The trunk and one head as a model of its own, over the same parameters. To train it alone, freeze the other heads.
    ///
    /// # Errors
    /// If there is no head of this name.
    pub fn one(&self, name: &str) -> Result<impl Model + '_> {
        match self.names.iter().position(|other| other == name) {
            Some(index) => Ok(One { net: self, index }),
            None => {
                let value = format!("{name}, of {:?}", self.names);
                Err(Error::setting("name", value, "the name of a head"))
            }
        }
    }

    /// Fresh parameters `[1, …]`: the trunk's, then the heads'.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_nn::Result<Params> {
        let trunk = self.trunk.init(rng, dtype, device)?.prefixed(TRUNK)?;
        let mut builder = Builder::new(rng, dtype, device);
        self.heads.iter().try_for_each(|head| head.draw(&mut builder))?;
        Ok(trunk.merge(&builder.finish()?)?)
    }
}

#[derive(Debug)]
struct One<'a, N> {
    net: &'a Heads<N>,
    index: usize,
}

impl<N: Model> Model for One<'_, N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_nn::Result<Params> {
        self.net.init(rng, dtype, device)
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> rekindle_nn::Result<Tensor> {
        let h = self.net.trunk.forward(&params.sub_params(TRUNK)?, x, stats)?;
        self.net.heads[self.index].forward(params, &h)
    }
}
