//! A network that remembers: RL²'s.
//!
//! ```text
//! e_t = encoder(o_t)      h_t = GRU(e_t, h_{t−1})      y_t = h_t W + b
//! ```
//! Duan et al., *RL²*, 2016. h is zero where a decision process (a trial) begins, and is kept over the ends of the
//! episodes inside of it.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Builder, Gru, Init, Layer, Linear};

use super::net::{FeedForward, Net, Sequence, over_tasks};
use super::segments::{clear, fitting, segments};
use crate::Result;

/// A GRU of H units with a linear layer behind it and, if given, an encoder before it: leaves `encoder.…`, `gru.…`,
/// `out.…`. Its memory is the state `[M, B, H]`.
#[derive(Clone, Debug)]
pub struct Recurrent {
    encoder: Option<FeedForward>,
    gru: Gru,
    out: Linear,
    n_inputs: usize,
}

impl Recurrent {
    /// A GRU on the observations themselves. The last layer starts a hundred times smaller than PyTorch's default, as in
    /// [`FeedForward::mlp`].
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(n_inputs: usize, units: usize, n_outputs: usize) -> Result<Self> {
        let out = Init::Uniform { bound: 0.01 / (units.max(1) as f64).sqrt() };
        let (gru, out) =
            (Gru::new("gru", n_inputs, units)?, Linear::new("out", units, n_outputs, out, Some(Init::Zeros))?);
        Ok(Self { encoder: None, gru, out, n_inputs })
    }

    /// A GRU on what an encoder, say a convolution, makes of each observation.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn with_encoder(encoder: FeedForward, units: usize, n_outputs: usize) -> Result<Self> {
        let net = Self::new(encoder.n_outputs(), units, n_outputs)?;
        Ok(Self { n_inputs: encoder.n_inputs(), encoder: Some(encoder), ..net })
    }

    /// The same network, whose GRU starts with N(0, 1/D) for the weights of its D inputs (`LeCun` et al. 1998), orthogonal
    /// ones for the state in each gate (Saxe, `McClelland` & Ganguli 2014) and biases of zero. With PyTorch's start a
    /// one-hot input hardly moves the state at first.
    #[must_use]
    pub fn orthogonal(self) -> Self {
        Self { gru: self.gru.starting(Init::LeCunNormal, Init::Orthogonal { gain: 1.0 }), ..self }
    }

    /// The same network, whose units start with memories of up to `steps` steps ([`Gru::remembering`]).
    ///
    /// # Errors
    /// With fewer than two steps.
    pub fn remembering(self, steps: usize) -> Result<Self> {
        Ok(Self { gru: self.gru.remembering(steps)?, ..self })
    }

    /// All states `[T, M, B, H]`, segment by segment.
    fn states(&self, params: &Params, xs: &Tensor, starts: &[bool], memory: &Tensor) -> Result<Tensor> {
        let (mut h, mut parts) = (memory.clone(), Vec::new());
        for segment in segments(starts, xs.dims()[0]) {
            h = clear(&h, segment.starts)?;
            let states = self.gru.sequence(params, &xs.narrow(0, segment.from, segment.len)?, &h)?;
            h = states.narrow(0, segment.len - 1, 1)?.squeeze(0)?;
            parts.push(states);
        }
        if let [all] = &parts[..] {
            return Ok(all.clone());
        }
        Ok(Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?)
    }
}

impl Net for Recurrent {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let encoder = match &self.encoder {
            Some(encoder) => encoder.init(rng, dtype, device)?.prefixed("encoder")?,
            None => Params::new([])?,
        };
        let mut builder = Builder::new(rng, dtype, device);
        self.gru.draw(&mut builder)?;
        self.out.draw(&mut builder)?;
        Ok(encoder.merge(&builder.finish()?)?)
    }

    fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    fn n_outputs(&self) -> usize {
        self.out.outputs()
    }

    fn memory_size(&self) -> Option<usize> {
        Some(self.gru.units())
    }

    fn forward(&self, params: &Params, xs: Sequence<'_>, memory: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        let [t, m, b] = xs.dims()?;
        let memory = fitting(memory, [t, m, b], self.gru.units())?;
        let encoded = match &self.encoder {
            Some(encoder) => encoder.forward(&params.sub_params("encoder")?, xs, None)?.0,
            None => xs.obs.clone(),
        };
        let states = self.states(params, &encoded, xs.starts, memory)?;
        let outputs = over_tasks(params, &states, |rows| Ok(self.out.forward(params, rows)?))?;
        let last = states.narrow(0, t - 1, 1)?.squeeze(0)?;
        Ok((outputs, Some(last)))
    }
}
