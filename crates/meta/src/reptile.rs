//! Reptile: move the initialisation towards each task's adapted weights.
//!
//! ```text
//! φ ← φ + ε · mean_m (θ_K^(m) − φ)
//! ```
//! Nichol, Achiam & Schulman, *On First-Order Meta-Learning Algorithms*, 2018, Algorithm 2 (batched version).
//!
//! Differs from the paper: the meta-gradient is `φ − θ_K`, and the outer step goes through any
//! [`Transform`](rekindle_optim::Transform); with [`Sgd`](rekindle_optim::Sgd) its learning rate is ε. Each task starts
//! with a fresh optimiser state (the authors' code lets Adam's second moments live on from task to task).

use candle_core::{DType, Device, Tensor as Value};
use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::Model;
use rekindle_optim::{Adam, Transform, apply_updates};
use rekindle_tasks::{Batch, TaskBatch};
use std::sync::Arc;

use crate::inner::inner_gradient;
use crate::learner::predict;
use crate::{Error, Loss, MetaGrad, MetaLearner, Result, Setting, Stepwise};

/// Settings of Reptile. The defaults are those of the paper's Omniglot 5-way runs.
#[derive(Clone, Debug)]
pub struct ReptileConfig {
    /// The inner optimiser: Adam with β₁ = 0 and rate 1e-3.
    pub optimiser: Arc<dyn Transform>,
    /// Inner steps in training, K `≥ 1`: 5.
    pub n_steps: usize,
    /// Inner steps when adapting to a new task: 50.
    pub eval_steps: usize,
    /// Examples of the support set in each inner step; `None`: all of them. 10 in training.
    pub batch: Option<usize>,
    /// As `batch`, when adapting to a new task. 5 in the 1-shot tests, 10 in the 5-shot ones.
    pub eval_batch: Option<usize>,
    /// The inner loss.
    pub loss: Loss,
}

impl ReptileConfig {
    /// Omniglot 5-way (Nichol et al. 2018, Table 3).
    #[must_use]
    pub fn omniglot() -> Self {
        Self {
            optimiser: Arc::new(Adam { beta1: 0.0, ..Adam::new(1e-3) }),
            n_steps: 5,
            eval_steps: 50,
            batch: Some(10),
            eval_batch: Some(5),
            loss: Loss::CrossEntropy,
        }
    }

    /// Sinusoids, after the first author's demonstration: plain gradient descent with rate 0.02, one pass over the 50
    /// points in minibatches of 10; 32 steps in tests.
    #[must_use]
    pub fn sinusoid() -> Self {
        Self {
            optimiser: Arc::new(rekindle_optim::Sgd::new(0.02)),
            n_steps: 5,
            eval_steps: 32,
            batch: Some(10),
            eval_batch: None,
            loss: Loss::MeanSquaredError,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        if self.n_steps == 0 {
            return Err(Error::setting("n_steps", &0, "at least 1"));
        }
        if self.batch == Some(0) || self.eval_batch == Some(0) {
            return Err(Error::setting("batch", &0, "at least 1"));
        }
        Ok(())
    }
}

/// Reptile over any model. It learns from the support sets alone; query sets serve evaluation.
#[derive(Clone, Debug)]
pub struct Reptile<N> {
    model: N,
    config: ReptileConfig,
}

impl<N: Model> Reptile<N> {
    /// A learner for a model.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(model: N, config: ReptileConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { model, config })
    }

    /// Parameters after 0 … `n_steps` steps over minibatches of the support set, and the loss before each step.
    fn descend(
        &self,
        meta: &Params,
        support: &Batch,
        n_steps: usize,
        batch: Option<usize>,
        seed: u64,
    ) -> Result<(Vec<Params>, Vec<Tensor>)> {
        let mut thetas = vec![meta.detach().expand_tasks(support.x.dim(0)?)?];
        let mut state = self.config.optimiser.init(&thetas[0])?;
        let mut losses = Vec::with_capacity(n_steps);
        let mut batches = Minibatches::new(support, batch, seed)?;
        for k in 0..n_steps {
            let part = batches.next()?;
            let mut loss = None;
            let g = inner_gradient(&thetas[k], rekindle_autodiff::Order::First, |theta| {
                let outputs = self.model.forward(theta, &Tensor::new(part.x.clone()), NormStats::Batch)?;
                let each = self.config.loss.per_task(&outputs, &part.y)?;
                loss = Some(each.detach());
                Ok::<_, Error>(each)
            })?;
            losses.extend(loss);
            let (updates, next) = self.config.optimiser.update(&g, &state, &thetas[k])?;
            state = next;
            thetas.push(apply_updates(&thetas[k], &updates)?);
        }
        Ok((thetas, losses))
    }
}

/// Minibatches of a support set: a random order of its rows, the same for all tasks, read round and round.
struct Minibatches<'a> {
    support: &'a Batch,
    order: Vec<u32>,
    size: usize,
    at: usize,
}

impl<'a> Minibatches<'a> {
    fn new(support: &'a Batch, size: Option<usize>, seed: u64) -> Result<Self> {
        let n = support.x.dim(1)?;
        let mut order: Vec<u32> = (0..u32::try_from(n).expect("a support set has fewer than 2³² rows")).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        Ok(Self { support, order, size: size.unwrap_or(n).min(n), at: 0 })
    }

    fn next(&mut self) -> Result<Batch> {
        if self.size == self.order.len() {
            return Ok(self.support.clone());
        }
        let ids: Vec<u32> = self.order.iter().cycle().skip(self.at).take(self.size).copied().collect();
        self.at = (self.at + self.size) % self.order.len();
        let ids = Value::from_vec(ids, self.size, self.support.x.device())?;
        let rows = |t: &Value| t.contiguous()?.index_select(&ids, 1);
        Ok(Batch { x: rows(&self.support.x)?, y: rows(&self.support.y)? })
    }
}

impl<N: Model> MetaLearner for Reptile<N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.model.init(rng, dtype, device)?)
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        Ok(self.trajectory(meta, support, self.config.eval_steps)?.pop().expect("step 0 is always there"))
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        predict(&self.model, adapted, support, x, setting)
    }

    /// The mean loss over the inner steps, and `φ − θ_K`.
    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        let (thetas, losses) = self.descend(meta, &tasks.support, self.config.n_steps, self.config.batch, iteration)?;
        let mean = losses[1..].iter().try_fold(losses[0].clone(), |sum, loss| sum.add(loss))?;
        let last = thetas.last().expect("step 0 is always there");
        Ok(MetaGrad { losses: mean.scale(1.0 / losses.len() as f64)?, grads: thetas[0].sub(last)?.detach() })
    }

    fn loss(&self) -> Loss {
        self.config.loss
    }
}

impl<N: Model> Stepwise for Reptile<N> {
    fn trajectory(&self, meta: &Params, support: &Batch, n_steps: usize) -> Result<Vec<Params>> {
        let (thetas, _) = self.descend(meta, support, n_steps, self.config.eval_batch, 0)?;
        Ok(thetas.iter().map(Params::detach).collect())
    }
}
