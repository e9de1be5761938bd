//! Conditional and attentive neural processes.
//!
//! ```text
//! r = (1/S) Σ e(xᵢ, yᵢ)                                                          conditional
//! r = [(1/S) Σ e(xᵢ, yᵢ), attention(k(x), {k(xᵢ)}, {e'(xᵢ, yᵢ)})]                 attentive
//! (μ, s) = d(r, x)    σ = σ₀ + (1 − σ₀) softplus(s)      L = mean −log N(y; μ, σ²)
//! ```
//! Garnelo et al., *Conditional Neural Processes*, 2018; Kim et al., *Attentive Neural Processes*, 2019, section 3, with
//! scaled dot products in several heads. Differs from the latter: of its latent path the mean over the examples is left, from
//! which the paper draws a latent, so that the likelihood has a closed form and nothing is drawn; no self-attention among
//! the examples, as in its one-dimensional regressions.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Mlp, Model};
use rekindle_tasks::TaskBatch;

use super::NeuralProcessConfig;
use super::encode::{Encoder, forward, mlp};
use crate::model_based::{BlackBox, BlackBoxLearner, Examples, Targets};
use crate::{Error, Loss, Result};

/// A neural process; [`BlackBoxLearner`](crate::BlackBoxLearner) makes a meta-learner of it, whose predictions are the
/// means. It is trained on the likelihood of the query set.
///
/// Parameters: perceptrons below `pairs` and `decode`; with attention below `values` and `locate`, too, and `query`,
/// `key`, `value`, `out`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_meta::{BlackBoxLearner, MetaLearner, NeuralProcess, NeuralProcessConfig};
/// use rekindle_tasks::{Sinusoid, TaskSampler};
///
/// let learner = BlackBoxLearner::new(NeuralProcess::new(NeuralProcessConfig::attentive(1, 1))?);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let params = learner.init(&mut rng, DType::F32, &Device::Cpu)?;
/// let tasks = Sinusoid::maml(5).sample(&mut rng, 4)?;
/// let likelihood = learner.log_likelihood(&params, &tasks)?;
/// assert_eq!(likelihood.len(), 4);
/// # Ok::<(), rekindle_meta::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NeuralProcess {
    config: NeuralProcessConfig,
    encoder: Encoder,
    decoder: Mlp,
}

const DECODE: &str = "decode";

impl NeuralProcess {
    /// A process of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: NeuralProcessConfig) -> Result<Self> {
        config.validate()?;
        let decoder = mlp(&config, Encoder::outputs(&config) + config.inputs, config.layers[1], 2 * config.targets)?;
        Ok(Self { config, encoder: Encoder::new(&config)?, decoder })
    }

    /// Mean and standard deviation, each `[M, B, D]`, of the targets at `x [M, B, F]`; targets of one input are independent.
    ///
    /// # Errors
    /// If the queries do not fit the network.
    pub fn distribution(&self, params: &Params, state: &Params, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let seen = self.encoder.look(params, state, x)?;
        let outputs = forward(&self.decoder, DECODE, params, &Tensor::cat(&[&seen, x], 2)?)?; // [M, B, 2D]
        let (d, least) = (self.config.targets, self.config.least_deviation);
        let deviation = outputs.narrow(2, d, d)?.softplus()?.affine(1.0 - least, least)?;
        Ok((outputs.narrow(2, 0, d)?, deviation))
    }

    /// `mean −log N(y; μ, σ²)` over a task's queries and their targets, `[M]`.
    fn surprise(&self, params: &Params, state: &Params, query: Examples<'_>) -> Result<Tensor> {
        let (mean, deviation) = self.distribution(params, state, query.x)?;
        let y = self.targets().encode(query.y, query.x)?;
        let distance = y.sub(&mean)?.div(&deviation)?.sqr()?.scale(0.5)?;
        let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
        Ok(distance.add(&deviation.log()?)?.mean_over_task()?.shift(half_log_tau)?)
    }

    fn targets(&self) -> Targets {
        Targets::Values(self.config.targets)
    }
}

impl BlackBox for NeuralProcess {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let encoder = self.encoder.init(rng, dtype, device)?;
        Ok(encoder.merge(&self.decoder.init(rng, dtype, device)?.prefixed(DECODE)?)?)
    }

    fn observe(&self, params: &Params, support: Examples<'_>) -> Result<Params> {
        if support.x.dim(1)? == 0 {
            return Err(Error::Batch { message: "a neural process needs at least one support example".into() });
        }
        self.encoder.observe(params, support.x, &self.targets().encode(support.y, support.x)?)
    }

    fn answer(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        Ok(self.distribution(params, state, x)?.0)
    }

    fn loss(&self) -> Loss {
        Loss::MeanSquaredError
    }

    fn objective(&self, params: &Params, support: Examples<'_>, query: Examples<'_>) -> Result<Tensor> {
        self.surprise(params, &self.observe(params, support)?, query)
    }
}

impl BlackBoxLearner<NeuralProcess> {
    /// The mean log-likelihood of a query's target, for each task.
    ///
    /// # Errors
    /// If the tasks do not fit the network.
    pub fn log_likelihood(&self, meta: &Params, tasks: &TaskBatch) -> Result<Vec<f64>> {
        Ok(self.losses(&meta.detach(), tasks)?.neg()?.to_vec_f64()?)
    }

    /// Mean and standard deviation, each `[M, B, D]`, of the targets at `x [M, B, …]`, with parameters that are
    /// [adapted](crate::MetaLearner::adapt).
    ///
    /// # Errors
    /// If the queries do not fit the network.
    pub fn distribution(&self, adapted: &Params, x: &Value) -> Result<(Tensor, Tensor)> {
        let (core, state, x) = self.queries(adapted, x)?;
        self.core().distribution(&core, &state, &x)
    }
}
