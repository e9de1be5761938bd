//! What a model is, and how models are put together.

use std::sync::Arc;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};

use crate::{Error, Result};

/// A pure function of named parameters and inputs, for many tasks at once.
///
/// A model holds sizes, never tensors. Every leaf of its parameters leads with the task axis: `[M, …]` where each task
/// has its own values, `[1, …]` where all share them, and the two may be mixed. Nothing mixes across M: output `m`
/// depends on the inputs and leaves of task `m` alone.
pub trait Model: std::fmt::Debug + Send + Sync {
    /// Fresh shared parameters, `[1, …]`, as constants: call [`Params::leaf`] to differentiate with respect to them.
    /// The same generator state gives the same bits on every machine and device.
    ///
    /// # Errors
    /// If the device cannot allocate them, or if an initialiser does not fit.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params>;

    /// Outputs `[M, B, …]` of inputs `x [M, B, …]`; `x` or the leaves may have `M = 1`. `stats` says which rows batch
    /// normalisation takes its statistics from; a model without it ignores `stats`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor>;
}

macro_rules! forward_to_inner {
    ($($pointer:ty),*) => {$(
        impl<N: Model + ?Sized> Model for $pointer {
            fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
                (**self).init(rng, dtype, device)
            }

            fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
                (**self).forward(params, x, stats)
            }
        }
    )*};
}

forward_to_inner!(&N, Box<N>, Arc<N>);

/// Models one after the other, each with its parameters below a name of its own: part `encoder` owns `encoder.…`.
///
/// To freeze or adapt one part, split the parameters by that prefix ([`Params::partition`]).
#[derive(Debug)]
pub struct Sequential {
    parts: Vec<(String, Box<dyn Model>)>,
}

impl Sequential {
    /// The parts in the order in which they run.
    ///
    /// # Errors
    /// If there is none, or if a name is empty, has a dot or stands twice.
    pub fn new(parts: impl IntoIterator<Item = (String, Box<dyn Model>)>) -> Result<Self> {
        let parts: Vec<_> = parts.into_iter().collect();
        let bad = |i: usize, name: &str| {
            name.is_empty() || name.contains('.') || parts[..i].iter().any(|(other, _)| other == name)
        };
        if parts.is_empty() || parts.iter().enumerate().any(|(i, (name, _))| bad(i, name)) {
            let names: Vec<_> = parts.iter().map(|(name, _)| name).collect();
            return Err(Error::config("parts", names, "at least one part, with distinct names without dots"));
        }
        Ok(Self { parts })
    }
}

impl Model for Sequential {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut all = Params::new([])?;
        for (name, part) in &self.parts {
            all = all.merge(&part.init(rng, dtype, device)?.prefixed(name)?)?;
        }
        Ok(all)
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        let mut h = x.clone();
        for (name, part) in &self.parts {
            h = part.forward(&below(params, name)?, &h, stats)?;
        }
        Ok(h)
    }
}

/// The part's own parameters; none where the part has none (a reshaping, say).
fn below(params: &Params, name: &str) -> Result<Params> {
    let owns = |other: &str| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    Ok(if params.names().any(owns) { params.sub_params(name)? } else { Params::new([])? })
}
