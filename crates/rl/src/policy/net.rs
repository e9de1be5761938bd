//! Networks over sequences: what a policy or a value function computes with.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Model};

use crate::{Error, Result};

/// Observations of T steps in a row, and what a network that remembers has to know of what came before.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// `[T, M, B, D]`
    pub obs: &'a Tensor,
    /// Where a decision process begins, `[T, M, B]`: memory is cleared before that step. The end of an episode inside of
    /// a trial is no such place.
    pub starts: &'a [bool],
}

impl Sequence<'_> {
    /// Steps T, tasks M and copies B.
    ///
    /// # Errors
    /// If the observations are not `[T, M, B, D]`, or if there are not as many marks.
    pub fn dims(&self) -> Result<[usize; 3]> {
        match *self.obs.dims() {
            [t, m, b, _] if self.starts.len() == t * m * b => Ok([t, m, b]),
            [t, m, b, _] => Err(Error::shape("the marks of starts", &[self.starts.len()], format!("[{t}, {m}, {b}]"))),
            ref found => Err(Error::shape("the observations", found, "[T, M, B, D]")),
        }
    }
}

/// A pure function from parameters, a sequence of observations and a memory to outputs and the memory after them, for
/// many tasks at once: nothing mixes across M or B. Stepping through a sequence gives what the whole of it gives.
pub trait Net: Debug + Send + Sync {
    /// Fresh shared parameters, leaves `[1, …]`.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params>;

    /// Features of an observation, D.
    fn n_inputs(&self) -> usize;

    /// Outputs at every step, O.
    fn n_outputs(&self) -> usize;

    /// Size H of the memory `[M, B, H]`; `None` for a network that has none.
    fn memory_size(&self) -> Option<usize>;

    /// Outputs `[T, M, B, O]`, and the memory after the last step, `[M, B, H]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    fn forward(&self, params: &Params, xs: Sequence<'_>, memory: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)>;
}

macro_rules! forward_to_inner {
    ($($pointer:ty),*) => {$(
        impl<N: Net + ?Sized> Net for $pointer {
            fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
                (**self).init(rng, dtype, device)
            }

            fn n_inputs(&self) -> usize {
                (**self).n_inputs()
            }

            fn n_outputs(&self) -> usize {
                (**self).n_outputs()
            }

            fn memory_size(&self) -> Option<usize> {
                (**self).memory_size()
            }

            fn forward(
                &self,
                params: &Params,
                xs: Sequence<'_>,
                memory: Option<&Tensor>,
            ) -> Result<(Tensor, Option<Tensor>)> {
                (**self).forward(params, xs, memory)
            }
        }
    )*};
}

forward_to_inner!(Box<N>, Arc<N>);

/// A network without memory: any [`Model`], applied to every observation alone.
#[derive(Clone, Debug)]
pub struct FeedForward {
    model: Arc<dyn Model>,
    input: Vec<usize>,
    n_outputs: usize,
}

impl FeedForward {
    /// A model whose inputs have the shape `input` after `[M, B]` (`[D]`, or `[H, W, C]` for images), with so many
    /// outputs. Its normalisation, if any, must not take statistics over a batch: that would mix the steps.
    ///
    /// # Errors
    /// If there are no inputs or no outputs.
    pub fn new(model: impl Model + 'static, input: &[usize], n_outputs: usize) -> Result<Self> {
        crate::error::at_least_one("n_outputs", n_outputs)?;
        crate::error::at_least_one("inputs", input.iter().product())?;
        Ok(Self { model: Arc::new(model), input: input.to_vec(), n_outputs })
    }

    /// A perceptron of these sizes, inputs first, with weights as in PyTorch (`U(±1/√fan in)`) but for a last layer that
    /// is a hundred times smaller, so that a policy begins almost the same everywhere (Andrychowicz et al., *What Matters
    /// in On-Policy Reinforcement Learning?*, 2021, §3.2).
    ///
    /// # Errors
    /// If there are fewer than two sizes, or one is zero.
    pub fn mlp(sizes: &[usize], activation: Activation) -> Result<Self> {
        let model = SmallLast { sizes: sizes.to_vec(), mlp: mlp(sizes, activation)? };
        Self::new(model, &sizes[..1], sizes[sizes.len() - 1])
    }

    /// As [`mlp`](Self::mlp) with a last layer like the others: for values, which are of any size.
    ///
    /// # Errors
    /// If there are fewer than two sizes, or one is zero.
    pub fn value_mlp(sizes: &[usize], activation: Activation) -> Result<Self> {
        Self::new(mlp(sizes, activation)?, &sizes[..1], sizes.last().copied().unwrap_or(0))
    }
}

fn mlp(sizes: &[usize], activation: Activation) -> Result<Mlp> {
    let (sizes, init) = (sizes.to_vec(), Init::FanInUniform);
    Ok(Mlp::new(&MlpConfig { sizes, activation, weight: init, bias: init, ..MlpConfig::default() })?)
}

impl Net for FeedForward {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.model.init(rng, dtype, device)?)
    }

    fn n_inputs(&self) -> usize {
        self.input.iter().product()
    }

    fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    fn memory_size(&self) -> Option<usize> {
        None
    }

    fn forward(&self, params: &Params, xs: Sequence<'_>, _memory: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        xs.dims()?;
        let outputs = over_tasks(params, xs.obs, |rows| {
            let (m, b) = (rows.dims()[0], rows.dims()[1]);
            let rows = rows.reshape([&[m, b], &self.input[..]].concat())?;
            Ok(self.model.forward(params, &rows, NormStats::Batch)?)
        })?;
        Ok((outputs, None))
    }
}

/// `[T, M, B, D]` to `[T, M, B, O]` through a function of rows `[M, R, D]`, which sees all steps at once.
pub(super) fn over_tasks(params: &Params, xs: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let &[t, m, b, d] = xs.dims() else { return Err(Error::shape("the sequence", xs.dims(), "[T, M, B, D]")) };
    if params.n_tasks() == 1 {
        // Shared parameters: tasks are only more rows, and nothing has to be moved.
        let y = f(&xs.reshape((1, t * m * b, d))?)?;
        let o = y.elem_count() / (t * m * b).max(1);
        return Ok(y.reshape((t, m, b, o))?);
    }
    if t == 1 {
        return Ok(f(&xs.squeeze(0)?)?.unsqueeze(0)?);
    }
    let y = f(&xs.transpose(0, 1)?.reshape((m, t * b, d))?)?;
    let (tasks, o) = (y.dims()[0], y.dims()[y.rank() - 1]);
    Ok(y.reshape((tasks, t, b, o))?.transpose(0, 1)?)
}

/// A perceptron whose last layer starts a hundred times smaller.
#[derive(Debug)]
struct SmallLast {
    sizes: Vec<usize>,
    mlp: Mlp,
}

impl Model for SmallLast {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_nn::Result<Params> {
        let last = format!("fc{}.", self.sizes.len() - 1);
        let params = self.mlp.init(rng, dtype, device)?;
        Ok(params.map_named(|name, leaf| if name.starts_with(&last) { leaf.scale(0.01) } else { Ok(leaf.clone()) })?)
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> rekindle_nn::Result<Tensor> {
        self.mlp.forward(params, x, stats)
    }
}
