//! A net that is pretrained as a classifier of all training classes, and keeps its features for new ones.
//!
//! ```text
//! pretraining:   logits = f(x) W + b,  or  s · cos(f(x), w_c) for each class c        cross-entropy over all C classes
//! a new task:    W is dropped; a head is fitted to the support set's features
//! ```
//! Chen et al., *A Closer Look at Few-shot Classification*, 2019, §3.2 (*Baseline*, and with the cosine *Baseline++*);
//! Tian et al. 2020.
//!
//! Differs from both: the head for new tasks is any [`Head`], and the first paper's is a layer that is fitted by gradient
//! descent.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Order, Params, Tensor, partial_vjp};
use rekindle_nn::{Builder, Fans, Init, Model};
use rekindle_tasks::{Batch, TaskBatch};

use super::episode::check_queries;
use super::{Head, MetricLearner};
use crate::bilevel::filled;
use crate::headed::{BODY, last_layer};
use crate::{Error, Loss, MetaGrad, MetaLearner, Result, Setting};

/// The layer that is pretrained on top of the features, and dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classifier {
    /// Classes C of the training data, `≥ 1`.
    pub classes: usize,
    /// Features F of the body, `≥ 1`.
    pub features: usize,
    /// The scale s `> 0` of cosines; `None`: an affine layer.
    pub cosine: Option<f64>,
}

/// A body that is trained as a classifier, with a head for new tasks.
///
/// Training takes batches of all classes ([`ClassBatches`](rekindle_tasks::ClassBatches)), whose support and query rows
/// alike are examples to learn from; adaptation and prediction take episodes, and are those of a [`MetricLearner`].
/// Parameters: those of the body below `body.`, and `classifier.weight [M, F, C]` with, if it is affine,
/// `classifier.bias [M, C]`.
///
/// ```
/// use rekindle_meta::metric::{Classifier, LogisticRegression, Pretrained};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// let config = Conv4Config { downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() };
/// let classifier = Classifier { classes: 1100, features: config.features(), cosine: Some(10.0) };
/// let learner = Pretrained::new(Conv4Body::new(config)?, classifier, LogisticRegression::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pretrained<N, H> {
    learner: MetricLearner<N, H>,
    classifier: Classifier,
}

/// The prefix of the layer's parameters.
pub(super) const CLASSIFIER: &str = "classifier";

impl Classifier {
    pub(super) fn validate(&self) -> Result<()> {
        if self.classes == 0 || self.features == 0 {
            let sizes = format!("{}, {}", self.classes, self.features);
            return Err(Error::setting("classes, features", &sizes, "at least 1 each"));
        }
        match self.cosine {
            Some(scale) => super::Distance::Cosine { scale }.validate(),
            None => Ok(()),
        }
    }

    /// Fresh parameters, below `classifier.`.
    pub(super) fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        let dims = [self.features, self.classes];
        builder.draw("weight", &dims, Init::GlorotUniform, Fans::of(&dims))?;
        if self.cosine.is_none() {
            builder.draw("bias", &[self.classes], Init::Zeros, Fans::of(&dims))?;
        }
        Ok(builder.finish()?.prefixed(CLASSIFIER)?)
    }

    /// Losses `[M]` of the body and this layer over all rows, and their gradients at `leaves`, which `phi` is or comes from.
    pub(super) fn grad(
        &self,
        body: &impl Model,
        (phi, leaves): (&Params, &Params),
        tasks: &TaskBatch,
    ) -> Result<MetaGrad> {
        let TaskBatch { support, query } = tasks;
        [support, query].into_iter().try_for_each(|batch| check_queries(&batch.y, self.classes))?;
        let x = Tensor::new(Value::cat(&[&support.x, &query.x], 1)?);
        let z = body.forward(&phi.below(BODY)?, &x, NormStats::Batch)?;
        let logits = last_layer(&phi.sub_params(CLASSIFIER)?, &z, self.cosine)?; // [M, B, C]
        let losses = logits.cross_entropy(&Value::cat(&[&support.y, &query.y], 1)?)?;
        let targets: Vec<&Tensor> = leaves.leaves().iter().collect();
        let grads = partial_vjp(&[(&losses, &losses.ones_like()?)], &targets, Order::First)?;
        Ok(MetaGrad { losses: losses.detach(), grads: filled(leaves, grads)? })
    }
}

impl<N: Model, H: Head> Pretrained<N, H> {
    /// A learner.
    ///
    /// # Errors
    /// If a size of the classifier or a setting of the head is out of its range.
    pub fn new(body: N, classifier: Classifier, head: H) -> Result<Self> {
        classifier.validate()?;
        Ok(Self { learner: MetricLearner::new(body, head)?, classifier })
    }
}

impl<N: Model, H: Head> MetaLearner for Pretrained<N, H> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let features = self.learner.init(rng, dtype, device)?;
        Ok(features.merge(&self.classifier.init(rng, dtype, device)?)?)
    }

    /// The features' parameters, and the support set.
    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        let (_, features) = meta.partition(|name| name.starts_with(CLASSIFIER));
        self.learner.adapt(&features, support)
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        self.learner.predict(adapted, support, x, setting)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        let phi = meta.detach().expand_tasks(tasks.n_tasks()?)?.leaf();
        self.classifier.grad(self.learner.body(), (&phi, &phi), tasks)
    }

    fn meta_grad_sum(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        let shared = meta.detach().leaf();
        self.classifier.grad(self.learner.body(), (&shared.expand_tasks(tasks.n_tasks()?)?, &shared), tasks)
    }

    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }
}
