//! A network that looks back: attention over a trial in the place of a recurrent memory.
//!
//! ```text
//! e_t = relu MLP(o_t, o_{t−1}, t/C)     a_t = softmax(q_t Kᵀ/√d) V  over the last C steps and t     y_t = W relu(U (e_t, a_t))
//! ```
//! q, k and v are linear in e, in several heads of d numbers. A step knows the observation before it, since what followed
//! an action arrives with the next observation: so one layer of attention finds what happened in situations like this
//! one. Attention in the place of RL²'s GRU is due to Mishra, Rohaninejad, Chen & Abbeel, *A Simple Neural Attentive
//! Meta-Learner*, 2018, §5.2; theirs has convolutions in time and several layers.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Builder, Init, Layer, Linear, attention};

use super::net::{Net, Sequence};
use super::segments::{clear, fitting, segments};
use crate::error::at_least_one;
use crate::{Error, Result};

/// Shape of an [`Attentive`] network.
#[derive(Clone, Copy, Debug)]
pub struct AttentiveConfig {
    /// Features F of an observation, `>= 1`.
    pub inputs: usize,
    /// Outputs O, `>= 1`.
    pub outputs: usize,
    /// Steps C that are looked back on, this one included, `>= 1`: the length of a trial, or fewer.
    pub context: usize,
    /// Units E of each layer, `>= 1`. Default 64.
    pub hidden: usize,
    /// Numbers D in a query, key or value, over all heads: a multiple of `heads`. Default 64.
    pub width: usize,
    /// Heads, `>= 1`. Default 2.
    pub heads: usize,
}

impl AttentiveConfig {
    /// The default sizes.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, context: usize) -> Self {
        Self { inputs, outputs, context, hidden: 64, width: 64, heads: 2 }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// Naming the one that does not fit.
    pub fn validate(&self) -> Result<()> {
        let Self { inputs, outputs, context, hidden, width, heads } = *self;
        let sizes =
            [("inputs", inputs), ("outputs", outputs), ("context", context), ("hidden", hidden), ("heads", heads)];
        sizes.into_iter().try_for_each(|(name, size)| at_least_one(name, size))?;
        if width == 0 || !width.is_multiple_of(heads) {
            return Err(Error::Setting { name: "width", value: width.to_string(), expected: "a multiple of `heads`" });
        }
        Ok(())
    }
}

/// Attention over the steps of a decision process: leaves `first.…`, `second.…`, `query.…`, `key.…`, `value.…`, `mix.…`
/// and `out.…`, each a linear layer.
///
/// Its memory `[M, B, C (2 D + 1) + F]` holds keys and values of C steps, the latest last, each with a 1 behind it where
/// there was such a step; and the last observation. So a step costs a copy of the memory, and a sequence O(T²).
///
/// ```
/// use rekindle_envs::Space;
/// use rekindle_rl::{ActionHead, Attentive, AttentiveConfig, Deviation, Policy};
/// let head = ActionHead::new(&Space::discrete(5), Deviation::default())?;
/// // Five actions and the value, from 18 features, over trials of a hundred steps.
/// let net = Attentive::new(AttentiveConfig::new(18, head.n_outputs() + 1, 100))?;
/// let policy = Policy::with_shared_value(net, head)?;
/// assert!(policy.is_recurrent());
/// # Ok::<(), rekindle_rl::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attentive {
    config: AttentiveConfig,
    first: Linear,
    second: Linear,
    query: Linear,
    key: Linear,
    value: Linear,
    mix: Linear,
    out: Linear,
}

impl Attentive {
    /// A network of this shape. The last layer starts a hundred times smaller than PyTorch's default, as in
    /// [`FeedForward::mlp`](super::FeedForward::mlp).
    ///
    /// # Errors
    /// Naming the size that does not fit.
    pub fn new(config: AttentiveConfig) -> Result<Self> {
        config.validate()?;
        let AttentiveConfig { inputs, outputs, hidden, width, .. } = config;
        let linear = |name, inputs, outputs, init| Linear::new(name, inputs, outputs, init, Some(Init::Zeros));
        Ok(Self {
            config,
            first: linear("first", 2 * inputs + 1, hidden, Init::HeNormal)?,
            second: linear("second", hidden, hidden, Init::HeNormal)?,
            query: linear("query", hidden, width, Init::LeCunNormal)?,
            key: linear("key", hidden, width, Init::LeCunNormal)?,
            value: linear("value", hidden, width, Init::LeCunNormal)?,
            mix: linear("mix", hidden + width, hidden, Init::HeNormal)?,
            out: linear("out", hidden, outputs, Init::Uniform { bound: 0.01 / (hidden as f64).sqrt() })?,
        })
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> &AttentiveConfig {
        &self.config
    }

    fn layers(&self) -> [&Linear; 7] {
        [&self.first, &self.second, &self.query, &self.key, &self.value, &self.mix, &self.out]
    }

    /// Outputs `[M, B, T, O]` for `xs [M, B, T, F]`, and the memory after them. `fresh`: the memory is known to be empty.
    fn segment(&self, params: &Params, xs: &Tensor, memory: &Tensor, fresh: bool) -> Result<(Tensor, Tensor)> {
        let AttentiveConfig { inputs, outputs, context, width, .. } = self.config;
        let &[m, b, t, _] = xs.dims() else { unreachable!("`forward` has made four axes") };
        let kept = context * (2 * width + 1);
        let before = memory.narrow(2, 0, kept)?.reshape((m, b, context, 2 * width + 1))?;
        let last = memory.narrow(2, kept, inputs)?.unsqueeze(2)?;
        let previous = Tensor::cat(&[&last, &xs.narrow(2, 0, t - 1)?], 2)?;
        let x = Tensor::cat(&[xs, &previous, &self.times(&before, t)?], 3)?.reshape((m, b * t, 2 * inputs + 1))?;
        let e = self.second.forward_relu(params, &self.first.forward_relu(params, &x)?)?;
        let project = |layer: &Linear| Ok::<_, Error>(layer.forward(params, &e)?.reshape((m, b, t, width))?);
        let (queries, keys, values) = (project(&self.query)?, project(&self.key)?, project(&self.value)?);
        let there = Tensor::ones((m, b, t, 1), xs.dtype(), xs.device())?;
        let new = Tensor::cat(&[&keys, &values, &there], 3)?;
        let all = if fresh { new } else { Tensor::cat(&[&before, &new], 2)? };
        let a = self.look(&queries, &all)?.reshape((m, b * t, width))?;
        let mixed = self.mix.forward_relu(params, &Tensor::cat(&[&e, &a], 2)?)?;
        let y = self.out.forward(params, &mixed)?.reshape((m, b, t, outputs))?;
        let seen = all.dims()[2];
        let steps = all.narrow(2, seen.saturating_sub(context), seen.min(context))?;
        let steps = steps.pad(2, context.saturating_sub(seen), 0)?.reshape((m, b, kept))?;
        let last = xs.narrow(2, t - 1, 1)?.reshape((m, b, inputs))?;
        Ok((y, Tensor::cat(&[&steps, &last], 2)?))
    }

    /// How long ago each of `t` steps' process began, in contexts, at most 1: `[M, B, T, 1]`.
    fn times(&self, before: &Tensor, t: usize) -> Result<Tensor> {
        let seen = before.narrow(3, 2 * self.config.width, 1)?.sum_keepdim(&[2])?; // [M, B, 1, 1]
        let more: Vec<f32> = (0..t).map(|step| step as f32).collect();
        let more = Tensor::from_vec(more, (1, 1, t, 1))?.to_dtype(seen.dtype())?.to_device(seen.device())?;
        Ok(seen.add(&more)?.scale(1.0 / self.config.context as f64)?.clamp(0.0, 1.0)?)
    }

    /// The last T of `all [M, B, S, 2 D + 1]` look at the C steps up to themselves, `[M, B, T, D]`.
    fn look(&self, queries: &Tensor, all: &Tensor) -> Result<Tensor> {
        let AttentiveConfig { context, width, heads, .. } = self.config;
        let (&[m, b, t, _], s) = (queries.dims(), all.dims()[2]) else { unreachable!("projections have four axes") };
        let split = |x: &Tensor| -> Result<Tensor> {
            let steps = x.dims()[2];
            Ok(x.contiguous()?.reshape((m, b, steps, heads, width / heads))?.transpose(2, 3)?.contiguous()?)
        };
        let sees = |step: usize, other: usize| {
            let now = s - t + step;
            (now + 1).saturating_sub(context) <= other && other <= now
        };
        let mask = (0..t * s).map(|i| if sees(i / s, i % s) { 0.0 } else { f32::NEG_INFINITY }).collect::<Vec<_>>();
        let mask = Tensor::from_vec(mask, (1, 1, 1, t, s))?.to_dtype(all.dtype())?.to_device(all.device())?;
        // Nothing is there where there was no step; what is added leaves a weight of exactly 0.
        let there = all.narrow(3, 2 * width, 1)?.contiguous()?.reshape((m, b, 1, 1, s))?;
        let mask = mask.add(&there.shift(-1.0)?.scale(1e9)?)?;
        let (keys, values) = (split(&all.narrow(3, 0, width)?)?, split(&all.narrow(3, width, width)?)?);
        let a = attention(&split(queries)?, &keys, &values, Some(&mask))?; // [M, B, heads, T, D/heads]
        Ok(a.transpose(2, 3)?.contiguous()?)
    }
}

impl Net for Attentive {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.layers().into_iter().try_for_each(|layer| layer.draw(&mut builder))?;
        Ok(builder.finish()?)
    }

    fn n_inputs(&self) -> usize {
        self.config.inputs
    }

    fn n_outputs(&self) -> usize {
        self.config.outputs
    }

    fn memory_size(&self) -> Option<usize> {
        Some(self.config.context * (2 * self.config.width + 1) + self.config.inputs)
    }

    fn forward(&self, params: &Params, xs: Sequence<'_>, memory: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        let [t, m, b] = xs.dims()?;
        let mut memory = fitting(memory, [t, m, b], self.memory_size().unwrap_or_default())?.clone();
        let obs = xs.obs.permute(&[1, 2, 0, 3])?.contiguous()?; // [M, B, T, F]
        let mut parts = Vec::new();
        for segment in segments(xs.starts, t) {
            memory = clear(&memory, segment.starts)?;
            let fresh = !segment.starts.contains(&false);
            let (y, after) = self.segment(params, &obs.narrow(2, segment.from, segment.len)?, &memory, fresh)?;
            parts.push(y);
            memory = after;
        }
        let y = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 2)?;
        Ok((y.permute(&[2, 0, 1, 3])?.contiguous()?, Some(memory)))
    }
}
