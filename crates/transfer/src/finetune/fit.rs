//! Supervised training, and training further.
//!
//! ```text
//! θ ← θ + u(∇_θ mean_i ℓ(f_θ(x_i), y_i))        over the examples i of a minibatch, for the θ that are not frozen
//! ```

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor as Value};
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_meta::Loss;
use rekindle_nn::Model;
use rekindle_optim::{State, Transform};
use rekindle_tasks::Batch;

use crate::descent::descend_but;
use crate::rows::{shuffled, take};
use crate::{Error, Freezing, Result};

/// How a model is trained on labelled data.
#[derive(Clone, Debug)]
pub struct FitConfig {
    /// Passes over the data. Default 20.
    pub epochs: u64,
    /// Examples of a minibatch, `≥ 1`; data that is smaller is one batch. Default 32.
    pub batch: usize,
    /// What is minimised. Default: cross-entropy.
    pub loss: Loss,
    /// What stays. Default: nothing.
    pub freezing: Freezing,
    /// Seed of the order of the examples: that of epoch e depends on this seed and on e alone. Default 0.
    pub seed: u64,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self { epochs: 20, batch: 32, loss: Loss::CrossEntropy, freezing: Freezing::Nothing, seed: 0 }
    }
}

/// Trains a model: pretraining from fresh parameters, fine-tuning from those of a source.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use rand::SeedableRng;
/// use rekindle_nn::{Mlp, MlpConfig, Model};
/// use rekindle_optim::Adam;
/// use rekindle_tasks::Batch;
/// use rekindle_transfer::{Fit, FitConfig, Freezing, LayerGroups, score};
///
/// let model = Mlp::new(&MlpConfig { sizes: vec![2, 8, 2], weight: rekindle_nn::Init::HeNormal, ..MlpConfig::default() })?;
/// let start = model.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let x = Tensor::new(&[[[1f32, 0.], [0., 1.], [0.9, 0.1], [0.2, 0.8]]], &Device::Cpu)?; // [M, B, D]
/// let data = Batch { x, y: Tensor::new(&[[0u32, 1, 0, 1]], &Device::Cpu)? };
///
/// let freezing = Freezing::bottom(&LayerGroups::of(&start), 1)?; // only the last layer is trained
/// let fit = Fit { model: &model, optimiser: &Adam::new(0.05), config: &FitConfig { freezing, ..FitConfig::default() } };
/// let trained = fit.train(&start, &data)?;
/// assert_eq!(score(&model, &trained, &data, fit.config.loss)?, [1.0]);
/// assert_eq!(trained.get("fc1.weight")?.to_vec_f64()?, start.get("fc1.weight")?.to_vec_f64()?);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// Data `[M, B, …]` are M data sets for M copies of the model, which train at once and on their own: several seeds or
/// draws cost little more than one.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a> {
    /// The model.
    pub model: &'a dyn Model,
    /// From gradients to updates: an optimiser, or a `Chain` with rates by layer or a pull to the source.
    pub optimiser: &'a dyn Transform,
    /// How long and on what.
    pub config: &'a FitConfig,
}

/// All that training needs to go on as if it had not been interrupted.
#[derive(Clone, Debug)]
pub struct FitState {
    /// The parameters, leaves `[M, …]`.
    pub params: Params,
    /// The optimiser's memory.
    pub optimiser: State,
    /// Epochs that are over.
    pub epoch: u64,
}

impl Fit<'_> {
    /// The state before the first epoch.
    ///
    /// # Errors
    /// If a setting is out of range, or if a selection by name finds nothing among the parameters.
    pub fn start(&self, params: &Params) -> Result<FitState> {
        if self.config.batch == 0 {
            return Err(Error::setting("batch", 0, "at least 1"));
        }
        self.config.freezing.validate(params)?;
        Ok(FitState { params: params.detach(), optimiser: self.optimiser.init(params)?, epoch: 0 })
    }

    /// Trains from parameters `[1, …]` or `[M, …]` on data `x [M, B, …]` to the last epoch.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`run`](Self::run).
    pub fn train(&self, params: &Params, data: &Batch) -> Result<Params> {
        let state = self.start(&params.expand_tasks(data.n_tasks()?)?)?;
        Ok(self.run(state, data, &mut |_, _| true)?.params)
    }

    /// Trains on from a state, with as many tasks M as the data `x [M, B, …]`. After each epoch `watch` sees the state
    /// and the mean loss of the epoch, and says whether to go on. A run that was stopped and goes on from its state ends
    /// with the bits of one that was left alone.
    ///
    /// # Errors
    /// [`Error::Empty`] without examples; [`Error::Classes`] for labels that the model has no output for;
    /// [`Error::NotFinite`] when the loss is no longer a number; those of the model and the optimiser.
    pub fn run(
        &self,
        mut state: FitState,
        data: &Batch,
        watch: &mut dyn FnMut(&FitState, f64) -> bool,
    ) -> Result<FitState> {
        data.validate()?;
        let n = data.n_examples()?;
        if n == 0 || data.n_tasks()? == 0 {
            return Err(Error::Empty { what: "target set" });
        }
        check_labels(self.model, &state.params, data)?;
        while state.epoch < self.config.epochs {
            let frozen = self.config.freezing.at(state.epoch);
            let mut total = 0.0;
            for ids in order(n, self.config.batch, self.config.seed, state.epoch) {
                // A data set that is one batch is not copied.
                let batch = if ids.len() == n { data.clone() } else { take(data, &ids)? };
                let x = Tensor::new(batch.x);
                let loss = |params: &Params| {
                    let outputs = self.model.forward(params, &x, NormStats::Batch)?;
                    Ok(self.config.loss.per_task(&outputs, &batch.y)?) // [M]
                };
                let mean;
                (state.params, state.optimiser, mean) =
                    descend_but(frozen.as_ref(), self.optimiser, &state.params, &state.optimiser, loss)?;
                total += mean * ids.len() as f64;
            }
            state.epoch += 1;
            if !watch(&state, total / n as f64) {
                break;
            }
        }
        Ok(state)
    }
}

const EPOCH: &str = "rekindle.epoch";

impl FitState {
    /// Writes the state to a file, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let all = self.params.prefixed("params")?.merge(&self.optimiser.to_params()?.prefixed("optimiser")?)?;
        Ok(all.save_with(path, HashMap::from([(EPOCH.to_owned(), self.epoch.to_string())]))?)
    }

    /// Reads a state that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no such state.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let (all, texts) = Params::load_with(&path, device)?;
        let epoch = texts.get(EPOCH).and_then(|text| text.parse().ok());
        let epoch = epoch.ok_or_else(|| Error::NotAState { path: path.as_ref().into() })?;
        let optimiser = State::from_params(&all.sub_params("optimiser")?)?;
        Ok(Self { params: all.sub_params("params")?, optimiser, epoch })
    }
}

/// The examples of each minibatch of an epoch: all in random order, or all as they are where one batch holds them.
fn order(n: usize, batch: usize, seed: u64, epoch: u64) -> Vec<Vec<u32>> {
    let ids = if n > batch { shuffled(n, seed, epoch) } else { (0..n as u32).collect() };
    ids.chunks(batch).map(<[u32]>::to_vec).collect()
}

/// Whether the model has an output for every label.
fn check_labels(model: &dyn Model, params: &Params, data: &Batch) -> Result<()> {
    if !data.has_labels() {
        return Ok(());
    }
    let needed = 1 + data.y.flatten_all()?.max(0)?.to_scalar::<u32>()? as usize;
    let outputs = n_outputs(model, params, &data.x)?;
    if outputs < needed { Err(Error::Classes { outputs, classes: needed }) } else { Ok(()) }
}

/// The last axis of what the model answers to the first example.
pub(super) fn n_outputs(model: &dyn Model, params: &Params, x: &Value) -> Result<usize> {
    let first = Tensor::new(x.narrow(1, 0, 1)?.contiguous()?);
    let outputs = model.forward(&params.detach(), &first, NormStats::Batch)?;
    Ok(outputs.dims().last().copied().unwrap_or(1))
}
