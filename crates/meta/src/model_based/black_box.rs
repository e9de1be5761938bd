//! Adaptation as one pass of a network: what a support set leaves behind is a state, from which queries are answered.
//!
//! ```text
//! s = observe(φ, support)      ŷ = answer(φ, s, x)      φ ← φ − β ∇_φ mean_m L(answer(φ, s, x_query), y_query)
//! ```
//! Hochreiter, Younger & Conwell, *Learning to Learn Using Gradient Descent*, 2001, is the first of these: the learning
//! rule is whatever the network's weights make of its inputs, so nothing has to be differentiated while learning a task.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Order, Params, Tensor, partial_vjp};
use rekindle_nn::Model;
use rekindle_tasks::{Batch, TaskBatch};

use crate::bilevel::filled;
use crate::{Error, Loss, MetaGrad, MetaLearner, Result, Setting};

/// Examples of M tasks as a black box sees them: features instead of images.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// Features `[M, B, F]`.
    pub x: &'a Tensor,
    /// Class indices `[M, B]`, or numbers `[M, B, D]`.
    pub y: &'a Value,
}

/// A network that learns from examples by reading them.
///
/// Leaves of `params` are `[M, …]` or `[1, …]`. Nothing mixes across M, and no query sees another.
pub trait BlackBox: std::fmt::Debug + Send + Sync {
    /// Fresh parameters, leaves `[1, …]`.
    ///
    /// # Errors
    /// If the device cannot hold them.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params>;

    /// The state after the support set, leaves `[M, …]`: all that is kept of it. Differentiable in the parameters and in
    /// the features.
    ///
    /// # Errors
    /// If the support set does not fit the network.
    fn observe(&self, params: &Params, support: Examples<'_>) -> Result<Params>;

    /// Outputs `[M, B, O]` for queries `x [M, B, F]`, each on its own.
    ///
    /// # Errors
    /// If the queries do not fit the network.
    fn answer(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor>;

    /// How outputs are judged.
    fn loss(&self) -> Loss;

    /// What training makes small, `[M]`; by default the loss on the query set.
    ///
    /// # Errors
    /// If the tasks do not fit the network.
    fn objective(&self, params: &Params, support: Examples<'_>, query: Examples<'_>) -> Result<Tensor> {
        let state = self.observe(params, support)?;
        self.loss().per_task(&self.answer(params, &state, query.x)?, query.y)
    }
}

/// A black box that answers for every example of a sequence before it sees that example's own target, in one pass.
pub trait Prequential: BlackBox {
    /// Outputs `[M, T, O]`: number t is the answer for example t after the examples 0 to t − 1.
    ///
    /// # Errors
    /// If the sequence does not fit the network.
    fn outputs(&self, params: &Params, sequence: Examples<'_>) -> Result<Tensor>;
}

/// The losses of all examples of a task, of its support and of its query set, as one mean: `(S L_s + Q L_q)/(S + Q)`.
pub(crate) fn over_all((support, n_support): (&Tensor, usize), (query, n_query): (&Tensor, usize)) -> Result<Tensor> {
    let all = (n_support + n_query) as f64;
    Ok(support.scale(n_support as f64 / all)?.add(&query.scale(n_query as f64 / all)?)?)
}

/// A [`BlackBox`] as a [`MetaLearner`], with an embedding in front of it where examples are more than vectors.
///
/// The embedding's parameters stand below `embed`, those of the black box below `core`; adapted parameters have the
/// state besides, below `state`. All of them are trained together, unless the embedding is [`frozen`](Self::frozen).
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_meta::{BlackBoxLearner, MetaLearner, Recurrent, RecurrentConfig, Setting, Targets};
/// use rekindle_tasks::{Sinusoid, TaskSampler};
///
/// let config = RecurrentConfig { units: 8, ..RecurrentConfig::lstm(1, Targets::Values(1)) };
/// let learner = BlackBoxLearner::new(Recurrent::new(config)?);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let meta = learner.init(&mut rng, DType::F32, &Device::Cpu)?; // a `Trainer` would improve these
/// let tasks = Sinusoid::maml(5).sample(&mut rng, 3)?;
/// let learned = learner.adapt(&meta, &tasks.support)?;
/// let answers = learner.predict(&learned, &tasks.support, &tasks.query.x, Setting::Inductive)?;
/// assert_eq!((answers.dims(), learned.get("state.h")?.dims()), (&[3, 5, 1][..], &[3, 1, 8][..]));
/// # Ok::<(), rekindle_meta::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BlackBoxLearner<B> {
    core: B,
    embedding: Option<Arc<dyn Model>>,
    /// Whether the embedding stays as it is.
    frozen: bool,
}

impl<B: BlackBox> BlackBoxLearner<B> {
    /// A learner that sees the examples themselves, flattened to vectors `[M, B, F]`.
    pub fn new(core: B) -> Self {
        Self { core, embedding: None, frozen: false }
    }

    /// A learner that sees features: `embedding` maps `[M, B, …]` to `[M, B, F]`.
    ///
    /// Where it has batch normalisation, support and query set are normalised apart in training and in
    /// [`Setting::Transductive`], as MAML does, and by the support set's statistics in [`Setting::Inductive`].
    pub fn with_embedding(core: B, embedding: impl Model + 'static) -> Self {
        Self { core, embedding: Some(Arc::new(embedding)), frozen: false }
    }

    /// The same with an embedding that training leaves as it is: its gradient is zero, and costs nothing. Its
    /// parameters should be trained ones, put in the place of those of [`init`](MetaLearner::init).
    #[must_use]
    pub fn frozen(self) -> Self {
        Self { frozen: true, ..self }
    }

    /// The black box.
    pub fn core(&self) -> &B {
        &self.core
    }

    /// The losses `[M]` of training.
    pub(crate) fn losses(&self, phi: &Params, tasks: &TaskBatch) -> Result<Tensor> {
        let embed = |batch: &Batch| self.embed(phi, &Tensor::new(batch.x.clone()), NormStats::Batch);
        let (support, query) = (embed(&tasks.support)?, embed(&tasks.query)?);
        let support = Examples { x: &support, y: &tasks.support.y };
        self.core.objective(&phi.sub_params(CORE)?, support, Examples { x: &query, y: &tasks.query.y })
    }

    /// The black box's parameters, its state, and the features of queries, from parameters that are adapted.
    pub(crate) fn queries(&self, adapted: &Params, x: &Value) -> Result<(Params, Params, Tensor)> {
        let features = self.embed(adapted, &Tensor::new(x.clone()), NormStats::Batch)?;
        Ok((adapted.sub_params(CORE)?, adapted.sub_params(STATE)?, features))
    }

    /// Losses, and gradients at `leaves`, which `phi` is or comes from.
    fn gradients(&self, (phi, leaves): (&Params, &Params), tasks: &TaskBatch) -> Result<MetaGrad> {
        let losses = self.losses(phi, tasks)?;
        let targets: Vec<&Tensor> = leaves.leaves().iter().collect();
        let grads = partial_vjp(&[(&losses, &losses.ones_like()?)], &targets, Order::First)?;
        Ok(MetaGrad { losses: losses.detach(), grads: filled(leaves, grads)? })
    }

    /// `[M, B, …]` to features `[M, B, F]`.
    fn embed(&self, params: &Params, x: &Tensor, stats: NormStats) -> Result<Tensor> {
        if let Some(embedding) = &self.embedding {
            let params = params.below(EMBED)?;
            let params = if self.frozen { params.detach() } else { params };
            return Ok(embedding.forward(&params, x, stats)?);
        }
        let &[m, b, ref features @ ..] = x.dims() else {
            return Err(Error::Batch { message: format!("examples {:?}, but they are [M, B, …]", x.dims()) });
        };
        Ok(x.reshape((m, b, features.iter().product::<usize>()))?)
    }
}

impl<B: Prequential> BlackBoxLearner<B> {
    /// Outputs `[M, T, O]` for a batch read as a sequence: number t after the examples 0 to t − 1 with their targets.
    ///
    /// This is how memory is judged in Santoro et al. 2016 (accuracy at the k-th sight of a class), and prompts of every
    /// length in Garg et al. 2022.
    ///
    /// # Errors
    /// If the sequence does not fit the network.
    pub fn outputs(&self, meta: &Params, sequence: &Batch) -> Result<Tensor> {
        let meta = meta.detach();
        let x = self.embed(&meta, &Tensor::new(sequence.x.clone()), NormStats::Batch)?;
        self.core.outputs(&meta.sub_params(CORE)?, Examples { x: &x, y: &sequence.y })
    }
}

const EMBED: &str = "embed";
const CORE: &str = "core";
const STATE: &str = "state";

impl<B: BlackBox> MetaLearner for BlackBoxLearner<B> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let core = self.core.init(rng, dtype, device)?.prefixed(CORE)?;
        match &self.embedding {
            Some(embedding) => Ok(embedding.init(rng, dtype, device)?.prefixed(EMBED)?.merge(&core)?),
            None => Ok(core),
        }
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        let meta = meta.detach();
        let x = self.embed(&meta, &Tensor::new(support.x.clone()), NormStats::Batch)?;
        let state = self.core.observe(&meta.sub_params(CORE)?, Examples { x: &x, y: &support.y })?;
        Ok(meta.merge(&state.detach().prefixed(STATE)?)?)
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        let x = Tensor::new(x.clone());
        let features = match setting {
            Setting::Inductive if self.embedding.is_some() => {
                let (shots, queries) = (support.x.dim(1)?, x.dim(1)?);
                let both = Tensor::cat(&[&Tensor::new(support.x.clone()), &x], 1)?;
                self.embed(adapted, &both, NormStats::FirstRows(shots))?.narrow(1, shots, queries)?
            }
            _ => self.embed(adapted, &x, NormStats::Batch)?,
        };
        self.core.answer(&adapted.sub_params(CORE)?, &adapted.sub_params(STATE)?, &features)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        // Each task has its own leaf, although all begin with the same values: so each has its own gradient.
        let phi = meta.detach().expand_tasks(tasks.support.x.dim(0)?)?.leaf();
        self.gradients((&phi, &phi), tasks)
    }

    fn meta_grad_sum(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        // All tasks share a leaf, so that the last product of each gradient adds the tasks up.
        let shared = meta.detach().leaf();
        let phi = shared.expand_tasks(tasks.support.x.dim(0)?)?;
        self.gradients((&phi, &shared), tasks)
    }

    fn loss(&self) -> Loss {
        self.core.loss()
    }
}
