//! A body and a head as a meta-learner.
//!
//! Adaptation is remembering: the adapted parameters are the meta-parameters, shared, beside each task's support set.
//! Nothing is embedded before the queries are there, since batch normalisation may look at both.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Order, Params, Tensor, partial_vjp};
use rekindle_nn::Model;
use rekindle_tasks::{Batch, TaskBatch};

use super::Episode;
use super::episode::{check_queries, one_hot};
use crate::bilevel::filled;
use crate::headed::{BODY, HEAD};
use crate::{Loss, MetaGrad, MetaLearner, Result, Setting};

/// What a metric-based learner does with embedded examples: a pure function, differentiable in them and in parameters of
/// its own, if it has any.
///
/// A head of one's own is one method:
///
/// ```
/// use rekindle_autodiff::{Params, Tensor};
/// use rekindle_meta::metric::{Distance, Episode, Head, MetricLearner};
/// use rekindle_meta::{Result, conformance};
/// use rekindle_nn::Flatten;
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs};
///
/// /// Similarity to the best of a class and to its mean, added up.
/// #[derive(Debug)]
/// struct Both;
///
/// impl Head for Both {
///     fn logits(&self, _: &Params, episode: &Episode) -> Result<Tensor> {
///         let mean = Distance::SquaredEuclidean.similarities(&episode.queries, &episode.class_means()?)?;
///         let each = Distance::SquaredEuclidean.similarities(&episode.queries, &episode.support)?;
///         Ok(episode.by_class(&each)?.max_keepdim(3)?.squeeze(3)?.add(&mean)?) // [M, Q, N]
///     }
/// }
///
/// let sampler = FewShotSampler::new(Glyphs { size: 8, ..Glyphs::default() }, FewShot::default())?;
/// conformance::check(&MetricLearner::new(Flatten, Both)?, &sampler)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Head: std::fmt::Debug + Send + Sync {
    /// Logits `[M, Q, N]` of the queries: their softmax over the classes is what is predicted.
    ///
    /// # Errors
    /// If the embedding does not fit the head.
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor>;

    /// The loss `[M]` that is trained on, of queries with classes `labels [M, Q]`; the cross-entropy of the logits, unless
    /// a head says otherwise.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    fn loss(&self, params: &Params, episode: &Episode, labels: &Value) -> Result<Tensor> {
        Loss::CrossEntropy.per_task(&self.logits(params, episode)?, labels)
    }

    /// Fresh parameters of its own, leaves `[1, …]`; none, unless a head says otherwise.
    ///
    /// # Errors
    /// If the device cannot hold them.
    fn init(&self, _rng: &mut dyn RngCore, _dtype: DType, _device: &Device) -> Result<Params> {
        Ok(Params::new([])?)
    }

    /// Checks its settings; a learner does so when it is made.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether it can use support examples with the label [`UNLABELLED`](rekindle_tasks::UNLABELLED).
    fn takes_unlabelled(&self) -> bool {
        false
    }
}

impl<H: Head + ?Sized> Head for Box<H> {
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        (**self).logits(params, episode)
    }

    fn loss(&self, params: &Params, episode: &Episode, labels: &Value) -> Result<Tensor> {
        (**self).loss(params, episode, labels)
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        (**self).init(rng, dtype, device)
    }

    fn validate(&self) -> Result<()> {
        (**self).validate()
    }

    fn takes_unlabelled(&self) -> bool {
        (**self).takes_unlabelled()
    }
}

/// A metric-based meta-learner: a body that embeds, `[M, B, …]` to `[M, B, F]`, and a [`Head`] that compares.
///
/// Parameters: those of the body below `body.`, those of the head below `head.`. Training may have more ways than the
/// test, as in Snell et al. 2017: nothing depends on their number.
#[derive(Clone, Debug)]
pub struct MetricLearner<N, H> {
    body: N,
    head: H,
}

const SUPPORT: &str = "support.x";
const CLASSES: &str = "support.one_hot";

impl<N: Model, H: Head> MetricLearner<N, H> {
    /// A learner.
    ///
    /// # Errors
    /// If a setting of the head is out of its range.
    pub fn new(body: N, head: H) -> Result<Self> {
        head.validate()?;
        Ok(Self { body, head })
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &N {
        &self.body
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &H {
        &self.head
    }

    /// A task batch as the head sees it, for a look at the embedding: `tasks` with labels, meta-parameters `[1, …]` or
    /// `[M, …]`.
    ///
    /// # Errors
    /// [`Error::Label`](crate::Error::Label) or [`Error::EmptyClass`](crate::Error::EmptyClass) where labels are not 0 to
    /// N − 1 with an example each; if the inputs do not fit the body.
    pub fn episode(&self, meta: &Params, support: &Batch, queries: &Value, setting: Setting) -> Result<Episode> {
        let one_hot = self.classes(support)?;
        self.embed(meta, &support.x, one_hot, queries, setting)
    }

    fn classes(&self, support: &Batch) -> Result<Tensor> {
        one_hot(&support.y, self.head.takes_unlabelled(), &support.x)
    }

    fn embed(
        &self,
        params: &Params,
        support: &Value,
        one_hot: Tensor,
        queries: &Value,
        setting: Setting,
    ) -> Result<Episode> {
        let (rows, n_queries) = (support.dim(1)?, queries.dim(1)?);
        let both = Tensor::new(Value::cat(&[support, queries], 1)?);
        let stats = match setting {
            Setting::Transductive => NormStats::Batch,
            Setting::Inductive => NormStats::FirstRows(rows),
        };
        let z = self.body.forward(&params.below(BODY)?, &both, stats)?; // [M, B + Q, F]
        let (support, queries) = (z.narrow(1, 0, rows)?, z.narrow(1, rows, n_queries)?);
        Ok(Episode { support, one_hot, queries, setting })
    }

    /// Losses `[M]`, and their gradients at `leaves`, which `phi` is or comes from.
    fn grad(&self, phi: &Params, leaves: &Params, tasks: &TaskBatch) -> Result<MetaGrad> {
        let episode = self.episode(phi, &tasks.support, &tasks.query.x, Setting::Transductive)?;
        check_queries(&tasks.query.y, episode.ways()?)?;
        let losses = self.head.loss(&phi.below(HEAD)?, &episode, &tasks.query.y)?;
        // Where the tasks' losses do not share a leaf, the gradient of their sum is each task's own.
        let targets: Vec<&Tensor> = leaves.leaves().iter().collect();
        let grads = partial_vjp(&[(&losses, &losses.ones_like()?)], &targets, Order::First)?;
        Ok(MetaGrad { losses: losses.detach(), grads: filled(leaves, grads)? })
    }
}

impl<N: Model, H: Head> MetaLearner for MetricLearner<N, H> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let body = self.body.init(rng, dtype, device)?.prefixed(BODY)?;
        Ok(body.merge(&self.head.init(rng, dtype, device)?.prefixed(HEAD)?)?)
    }

    /// The meta-parameters, and the support set.
    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        let memory = [(SUPPORT, Tensor::new(support.x.clone())), (CLASSES, self.classes(support)?)];
        let memory = Params::new(memory.map(|(name, leaf)| (name.to_owned(), leaf)))?;
        Ok(meta.detach().merge(&memory)?)
    }

    /// The logits of the head. The support set is the one that was adapted to.
    fn predict(&self, adapted: &Params, _support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        let (support, one_hot) = (adapted.get(SUPPORT)?.value(), adapted.get(CLASSES)?.clone());
        let episode = self.embed(adapted, support, one_hot, x, setting)?;
        self.head.logits(&adapted.below(HEAD)?, &episode)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        // Each task has its own leaf, although all hold the same values: so each has its own gradient.
        let phi = meta.detach().expand_tasks(tasks.n_tasks()?)?.leaf();
        self.grad(&phi, &phi, tasks)
    }

    fn meta_grad_sum(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        let shared = meta.detach().leaf();
        self.grad(&shared.expand_tasks(tasks.n_tasks()?)?, &shared, tasks)
    }

    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }
}
