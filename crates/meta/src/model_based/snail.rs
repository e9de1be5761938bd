//! SNAIL: dilated causal convolutions to aggregate the past, attention to find a place in it.
//!
//! ```text
//! dense(x, r, D)   = [x, tanh(f) ∘ σ(g)]        f, g = causal convolutions of x: two taps, r steps apart, D filters
//! TC(x, T, D)      = dense with r = 1, 2, 4, …, until 2^⌈log₂ T⌉ steps are seen
//! attention(x, K, V) = [x, softmax(q kᵀ/√K + causal mask) v]
//! ```
//! Mishra, Rohaninejad, Chen & Abbeel, *A Simple Neural Attentive Meta-Learner*, 2018, section 3 and appendix A, with the
//! layers of its few-shot nets. An example is its features and its one-hot label, a query has zeros for a label.
//!
//! Every layer puts its outputs behind its inputs, so the channels after the last one hold what each layer saw. That is
//! the state after a support set, and a query, which stands one step after it, costs one step.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Builder, Init, Layer, Linear, attention, causal_mask};

use super::{BlackBox, Examples, Targets, at_least_one};
use crate::{Error, Loss, Result};

/// A layer of [`Snail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnailLayer {
    /// Temporal convolutions with this many filters D `≥ 1` each, over the whole of the longest sequence.
    Convolutions(usize),
    /// Attention with keys of this size K and values of this size V, both `≥ 1`.
    Attention {
        /// Size of keys and queries.
        keys: usize,
        /// Size of values.
        values: usize,
    },
}

/// Shape of a [`Snail`].
#[derive(Clone, Debug)]
pub struct SnailConfig {
    /// Features F of an example, `≥ 1`.
    pub inputs: usize,
    /// What is learned.
    pub targets: Targets,
    /// Length T `≥ 2` of the longest sequence, NK + 1 for few-shot tasks: how far the convolutions see.
    pub steps: usize,
    /// The layers, at least one.
    pub layers: Vec<SnailLayer>,
}

impl SnailConfig {
    /// The net for few-shot classification (appendix C.1 of the paper): attention of 64 and 32, 128 filters, attention of 256
    /// and 128, 128 filters, attention of 512 and 256.
    #[must_use]
    pub fn few_shot(inputs: usize, ways: usize, shots: usize) -> Self {
        let attention = |keys, values| SnailLayer::Attention { keys, values };
        let layers = vec![
            attention(64, 32),
            SnailLayer::Convolutions(128),
            attention(256, 128),
            SnailLayer::Convolutions(128),
            attention(512, 256),
        ];
        Self { inputs, targets: Targets::Classes(ways), steps: ways * shots + 1, layers }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// Naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("inputs", self.inputs), ("layers", self.layers.len())])?;
        if self.steps < 2 {
            return Err(Error::setting("steps", &self.steps, "at least 2: one example and a query"));
        }
        for layer in &self.layers {
            match *layer {
                SnailLayer::Convolutions(filters) => at_least_one(&[("filters", filters)])?,
                SnailLayer::Attention { keys, values } => at_least_one(&[("keys", keys), ("values", values)])?,
            }
        }
        self.targets.validate()
    }
}

/// A SNAIL; [`BlackBoxLearner`](crate::BlackBoxLearner) makes a meta-learner of it.
///
/// Parameters: `layer1.query`, `.key`, `.value` of an attention; `layer2.dense1`, … of convolutions, the weights of the
/// earlier tap above those of the later one, those of f beside those of g; `head`. Linear layers all.
#[derive(Clone, Debug)]
pub struct Snail {
    config: SnailConfig,
    parts: Vec<Part>,
    head: Linear,
}

/// A layer, convolutions taken one by one.
#[derive(Clone, Debug)]
enum Part {
    Dense { taps: Linear, dilation: usize, filters: usize },
    Attention { query: Linear, key: Linear, value: Linear },
}

impl Part {
    /// The channels of its input.
    fn inputs(&self) -> usize {
        match self {
            Self::Dense { taps, .. } => taps.inputs() / 2,
            Self::Attention { query, .. } => query.inputs(),
        }
    }

    fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::Dense { taps, .. } => vec![taps],
            Self::Attention { query, key, value } => vec![query, key, value],
        }
    }
}

impl Snail {
    /// A net of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: SnailConfig) -> Result<Self> {
        config.validate()?;
        let mut channels = config.inputs + config.targets.size();
        let mut parts = Vec::new();
        let linear = |name: String, from, to| Linear::new(&name, from, to, Init::GlorotUniform, Some(Init::Zeros));
        for (i, layer) in config.layers.iter().enumerate() {
            let name = |part: &str| format!("layer{}.{part}", i + 1);
            match *layer {
                SnailLayer::Attention { keys, values } => {
                    parts.push(Part::Attention {
                        query: linear(name("query"), channels, keys)?,
                        key: linear(name("key"), channels, keys)?,
                        value: linear(name("value"), channels, values)?,
                    });
                    channels += values;
                }
                SnailLayer::Convolutions(filters) => {
                    for level in 0..config.steps.next_power_of_two().ilog2() {
                        let taps = linear(name(&format!("dense{}", level + 1)), 2 * channels, 2 * filters)?;
                        parts.push(Part::Dense { taps, dilation: 1 << level, filters });
                        channels += filters;
                    }
                }
            }
        }
        let head = linear("head".to_owned(), channels, config.targets.size())?;
        Ok(Self { config, parts, head })
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &SnailConfig {
        &self.config
    }

    /// All channels `[M, S, C]` of a sequence `x [M, S, C₀]`.
    fn sequence(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let steps = x.dim(1)?;
        let mask = causal_mask(steps, x.dtype(), x.device())?;
        self.parts.iter().try_fold(x.clone(), |x, part| {
            let new = match part {
                Part::Dense { taps, dilation, filters } => {
                    let kept = steps.saturating_sub(*dilation);
                    let earlier = x.narrow(1, 0, kept)?.pad(1, steps - kept, 0)?;
                    gated(params, taps, *filters, (&earlier, &x))?
                }
                Part::Attention { query, key, value } => {
                    let of = |linear: &Linear| linear.forward(params, &x);
                    attention(&of(query)?, &of(key)?, &of(value)?, Some(&mask))?
                }
            };
            Ok(Tensor::cat(&[&x, &new], 2)?)
        })
    }

    /// All channels `[M, B, C]` of queries `x [M, B, C₀]`, each of which is the step after the channels `past [M, S, C]`.
    fn after(&self, params: &Params, past: &Tensor, x: &Tensor) -> Result<Tensor> {
        let (seen, queries) = (past.dim(1)?, x.dim(1)?);
        self.parts.iter().try_fold(x.clone(), |x, part| {
            let seen_here = past.narrow(2, 0, part.inputs())?;
            let new = match part {
                Part::Dense { taps, dilation, filters } => {
                    let earlier = match seen.checked_sub(*dilation) {
                        Some(place) => seen_here.narrow(1, place, 1)?.broadcast_to(x.shape())?,
                        None => x.zeros_like()?,
                    };
                    gated(params, taps, *filters, (&earlier, &x))?
                }
                Part::Attention { query, key, value } => {
                    // Each query attends to the past and to itself, as a sequence of its own: [M, B, …].
                    let of = |linear: &Linear, x: &Tensor| linear.forward(params, x);
                    let all = |linear: &Linear| -> Result<Tensor> {
                        let past = of(linear, &seen_here)?; // [M, S, K]
                        let &[m, s, k] = past.dims() else { unreachable!("the past has three axes") };
                        let past = past.unsqueeze(1)?.broadcast_to((m, queries, s, k))?;
                        Ok(Tensor::cat(&[&past, &of(linear, &x)?.unsqueeze(2)?], 2)?) // [M, B, S + 1, K]
                    };
                    attention(&of(query, &x)?.unsqueeze(2)?, &all(key)?, &all(value)?, None)?.squeeze(2)?
                }
            };
            Ok(Tensor::cat(&[&x, &new], 2)?)
        })
    }
}

/// `tanh(f) ∘ σ(g)` of two taps `[M, T, C]`, `[M, T, D]`.
fn gated(params: &Params, taps: &Linear, filters: usize, (earlier, now): (&Tensor, &Tensor)) -> Result<Tensor> {
    let both = taps.forward(params, &Tensor::cat(&[earlier, now], 2)?)?;
    Ok(both.narrow(2, 0, filters)?.tanh()?.mul(&both.narrow(2, filters, filters)?.sigmoid()?)?)
}

impl BlackBox for Snail {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        for linear in self.parts.iter().flat_map(Part::linears).chain([&self.head]) {
            linear.draw(&mut builder)?;
        }
        Ok(builder.finish()?)
    }

    fn observe(&self, params: &Params, support: Examples<'_>) -> Result<Params> {
        let shots = support.x.dim(1)?;
        if shots == 0 || shots >= self.config.steps {
            let most = self.config.steps - 1;
            let message =
                format!("{shots} support examples for a SNAIL of {} steps, which takes 1 to {most}", most + 1);
            return Err(Error::Batch { message });
        }
        let y = self.config.targets.encode(support.y, support.x)?;
        let channels = self.sequence(params, &Tensor::cat(&[support.x, &y], 2)?)?;
        Ok(Params::new([("channels".to_owned(), channels)])?)
    }

    fn answer(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        let x = x.pad(2, 0, self.config.targets.size())?;
        let channels = self.after(params, state.get("channels")?, &x)?;
        Ok(self.head.forward(params, &channels)?)
    }

    fn loss(&self) -> Loss {
        self.config.targets.loss()
    }
}
