//! Models written for candle-nn, as models of ours.
//!
//! A candle-nn model asks a `VarBuilder` for its weights by name. Here the builder's weights are the leaves of a
//! [`Params`], so that the model can be trained, frozen by name, saved and adapted like any other. It is one node of the
//! tape and can be differentiated once ([`rekindle_autodiff::foreign`]): enough for training, fine-tuning, Reptile and
//! first-order learners, and a clear error for second-order ones.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor as Value};
use candle_nn::init::{FanInOut, NormalOrUniform};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Module, VarBuilder};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NormStats, Params, Tensor, foreign};

use crate::init::Fans;
use crate::{Error, Init, Model, Result};

/// Builds a candle-nn module from its weights.
type Build = dyn Fn(VarBuilder<'_>) -> candle_core::Result<Box<dyn Module>> + Send + Sync;

/// A candle-nn module behind the [`Model`] trait, once differentiable.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::{NormStats, Order, Tensor};
/// use rekindle_nn::{CandleModel, Model};
///
/// let model = CandleModel::new("linear", |vb| Ok(Box::new(candle_nn::linear(3, 2, vb.pp("fc"))?)));
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let params = model.init(&mut rng, DType::F32, &Device::Cpu)?.leaf();
/// assert_eq!(params.names().collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
/// let x = Tensor::ones((1, 4, 3), DType::F32, &Device::Cpu)?; // [M, B, D]
/// let y = model.forward(&params, &x, NormStats::Batch)?;
/// let gradient = params.grad(&y.sum_all()?, Order::First)?;
/// assert_eq!(gradient.get("fc.weight")?.dims(), [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CandleModel {
    name: String,
    build: Arc<Build>,
}

impl std::fmt::Debug for CandleModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CandleModel({})", self.name)
    }
}

impl CandleModel {
    /// A model from the function that builds it. It runs at every forward pass, which is cheap: weights are shared, not
    /// copied. The name is for people.
    pub fn new(
        name: impl Into<String>,
        build: impl Fn(VarBuilder<'_>) -> candle_core::Result<Box<dyn Module>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), build: Arc::new(build) }
    }
}

impl Model for CandleModel {
    /// Weights as the module's own hints want them, but drawn from `rng`: candle's generator on the CPU cannot be
    /// seeded. The leaves are sorted by name.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let drawn =
            Arc::new(Drawn(Mutex::new(State { rng: ChaCha8Rng::seed_from_u64(rng.next_u64()), weights: Vec::new() })));
        let builder = VarBuilder::from_backend(Box::new(Shared(Arc::clone(&drawn))), dtype, device.clone());
        (self.build)(builder)?;
        let mut weights = std::mem::take(&mut drawn.lock().weights);
        weights.sort_by(|(a, _), (b, _)| a.cmp(b));
        let leaves = weights.into_iter().map(|(name, value)| Ok((name, Tensor::new(value.unsqueeze(0)?))));
        Ok(Params::new(leaves.collect::<Result<Vec<_>>>()?)?)
    }

    /// `stats` is ignored: a candle-nn module knows its own mode.
    fn forward(&self, params: &Params, x: &Tensor, _stats: NormStats) -> Result<Tensor> {
        let (dtype, device) = (x.dtype(), x.device().clone());
        Ok(foreign(params, &[x], |weights, inputs| {
            let builder = VarBuilder::from_tensors(weights.clone(), dtype, &device);
            (self.build)(builder)?.forward(&inputs[0])
        })?)
    }
}

/// A backend that draws each weight when it is first asked for.
struct Drawn(Mutex<State>);

struct State {
    rng: ChaCha8Rng,
    weights: Vec<(String, Value)>,
}

impl Drawn {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Shared(Arc<Drawn>);

impl SimpleBackend for Shared {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        hint: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Value> {
        let mut state = self.0.lock();
        if let Some((_, value)) = state.weights.iter().find(|(n, _)| n == name) {
            return Ok(value.clone());
        }
        let values = draw(&mut state.rng, &shape, hint).map_err(candle_core::Error::wrap)?;
        let value = Value::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?;
        state.weights.push((name.to_owned(), value.clone()));
        Ok(value)
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> candle_core::Result<Value> {
        candle_core::bail!("`{name}` is asked for without a shape, so it cannot be drawn; load it from a file instead")
    }

    fn contains_tensor(&self, _name: &str) -> bool {
        // Whatever is asked for can be drawn.
        true
    }
}

fn draw(rng: &mut ChaCha8Rng, shape: &Shape, hint: candle_nn::Init) -> Result<Vec<f64>> {
    let dims = shape.dims();
    let fans = Fans::of(dims);
    let moved = |values: Vec<f64>, by: f64| values.into_iter().map(|v| v + by).collect();
    match hint {
        candle_nn::Init::Const(value) => Init::Constant(value).draw(rng, dims, fans),
        candle_nn::Init::Randn { mean, stdev } => Ok(moved(Init::Normal { std: stdev }.draw(rng, dims, fans)?, mean)),
        candle_nn::Init::Uniform { lo, up } => {
            if lo > up {
                return Err(Error::config("Uniform", format!("{lo} to {up}"), "a range from low to high"));
            }
            let bound = (up - lo) / 2.0;
            Ok(moved(Init::Uniform { bound }.draw(rng, dims, fans)?, lo + bound))
        }
        candle_nn::Init::Kaiming { dist, fan, non_linearity } => {
            let fan = match fan {
                FanInOut::FanIn => FanInOut::FanIn.for_shape(shape),
                FanInOut::FanOut => FanInOut::FanOut.for_shape(shape),
            };
            let std = non_linearity.gain() / (fan as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => Init::Normal { std }.draw(rng, dims, fans),
                NormalOrUniform::Uniform => Init::Uniform { bound: 3f64.sqrt() * std }.draw(rng, dims, fans),
            }
        }
    }
}
