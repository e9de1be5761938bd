//! Fine-tuning: a pretrained net with a new last layer is trained on the support set.
//!
//! ```text
//! pretraining:   cross-entropy over all C classes of the training data, as in `Pretrained`
//! a new task:    θ₀ = (body, new head)        θₖ₊₁ = one step of an optimiser on L_support(θₖ)
//! ```
//! Triantafillou et al. 2020, §3.1 and appendix (*Finetune*): 200 steps of Adam at a rate of 0.01 on all layers. Chen et al.,
//! *A Closer Look at Few-shot Classification*, 2019, §3.2 (*Baseline*, *Baseline++*): the head alone, by gradient descent.
//!
//! Differs from both: adaptation draws no random numbers, so that the head begins at zero or at the class means, never at
//! random weights; all steps see the whole support set, where Chen et al. draw minibatches of four. Batch normalisation
//! takes its statistics from the support set, not from averages of the pretraining.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NoRecord, NormStats, Order, Params, Tensor};
use rekindle_nn::Model;
use rekindle_optim::{Adam, Transform, apply_updates};
use rekindle_tasks::{Batch, TaskBatch};

use super::pretrained::CLASSIFIER;
use super::{Classifier, Distance, class_means, one_hot};
use crate::headed::{HEAD, Headed, last_layer, layer, of_prototypes};
use crate::learner::predict;
use crate::{Loss, MetaGrad, MetaLearner, Result, Setting, inner_gradient};

/// The last layer that a new task gets, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NewHead {
    /// An affine layer of zeros.
    Zeros,
    /// The affine layer that prefers the nearest prototype, as [`ProtoMaml`](crate::ProtoMaml)'s.
    Prototypes,
    /// Scaled cosines, beginning in the directions of the class means (Chen et al. 2019; Qi et al. 2018).
    Cosine {
        /// The scale s `> 0`.
        scale: f64,
    },
}

impl NewHead {
    fn cosine(self) -> Option<f64> {
        match self {
            Self::Cosine { scale } => Some(scale),
            Self::Zeros | Self::Prototypes => None,
        }
    }

    /// The layer for features `z [M, B, F]` of classes `one_hot [M, B, N]`.
    fn start(self, one_hot: &Tensor, z: &Tensor) -> Result<Params> {
        match self {
            Self::Zeros => {
                let (m, features, ways) = (one_hot.dim(0)?, z.dim(2)?, one_hot.dim(2)?);
                let zeros = |dims: &[usize]| Tensor::zeros(dims, z.dtype(), z.device());
                layer(zeros(&[m, features, ways])?, Some(zeros(&[m, ways])?))
            }
            Self::Prototypes => of_prototypes(one_hot, z),
            Self::Cosine { .. } => layer(class_means(one_hot, z)?.transpose(1, 2)?, None),
        }
    }
}

/// Settings of fine-tuning. The defaults are those that Meta-Dataset's search found best.
#[derive(Clone, Debug)]
pub struct FineTuneConfig {
    /// Steps on the support set: 200.
    pub steps: usize,
    /// What makes a step of a gradient: Adam at a rate of 0.01.
    pub optimiser: Arc<dyn Transform>,
    /// The new last layer: an affine one of zeros.
    pub head: NewHead,
    /// Whether the body is trained too, or the head alone, on features that stay: the body too.
    pub whole: bool,
}

impl Default for FineTuneConfig {
    fn default() -> Self {
        Self { steps: 200, optimiser: Arc::new(Adam::new(0.01)), head: NewHead::Zeros, whole: true }
    }
}

impl FineTuneConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// If the scale of cosines is not above 0.
    pub fn validate(&self) -> Result<()> {
        match self.head {
            NewHead::Cosine { scale } => Distance::Cosine { scale }.validate(),
            NewHead::Zeros | NewHead::Prototypes => Ok(()),
        }
    }
}

/// A body that is pretrained as a classifier and fine-tuned on every task.
///
/// Training takes batches of all classes, and parameters are named, as for [`Pretrained`](super::Pretrained): what one
/// learned serves the other. Adapted ones are the body's, with `head.weight [M, F, N]` and `head.bias [M, N]`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_meta::metric::{Classifier, FineTune, FineTuneConfig};
/// use rekindle_meta::{EvalConfig, MetaLearner, evaluate};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, batch_rng};
///
/// let config = Conv4Config { downsampling: Downsampling::MaxPool, channels: 8, ..Conv4Config::omniglot() };
/// let classifier = Classifier { classes: 200, features: config.features(), cosine: None };
/// let tuning = FineTuneConfig { steps: 10, ..FineTuneConfig::default() };
/// let learner = FineTune::new(Conv4Body::new(config)?, classifier, tuning)?;
/// let params = learner.init(&mut batch_rng(0, 0), DType::F32, &Device::Cpu)?;
/// // Even without pretraining it does better than chance, 0.2.
/// let episodes = FewShotSampler::new(Glyphs::default(), FewShot::default())?;
/// let score = evaluate(&learner, &params, &episodes, &EvalConfig { n_tasks: 10, ..EvalConfig::default() })?;
/// assert!(score.mean > 0.2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FineTune<N> {
    model: Headed<N>,
    classifier: Classifier,
    config: FineTuneConfig,
}

impl<N: Model> FineTune<N> {
    /// A learner.
    ///
    /// # Errors
    /// If a size of the classifier or a setting is out of its range.
    pub fn new(body: N, classifier: Classifier, config: FineTuneConfig) -> Result<Self> {
        classifier.validate()?;
        config.validate()?;
        Ok(Self { model: Headed { body, cosine: config.head.cosine() }, classifier, config })
    }

    /// The parameters `[M, …]` that `loss` has led to after all steps, constants.
    fn descend(&self, start: &Params, loss: impl Fn(&Params) -> Result<Tensor>) -> Result<Params> {
        let optimiser = &*self.config.optimiser;
        let (mut theta, mut state) = (start.detach(), optimiser.init(start)?);
        for _ in 0..self.config.steps {
            let gradient = inner_gradient(&theta, Order::First, &loss)?;
            let _scope = NoRecord::new();
            let (updates, next) = optimiser.update(&gradient, &state, &theta)?;
            theta = apply_updates(&theta, &updates)?;
            state = next;
        }
        Ok(theta.detach())
    }
}

impl<N: Model> MetaLearner for FineTune<N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.model.init(rng, dtype, device)?.merge(&self.classifier.init(rng, dtype, device)?)?)
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        let (_, body) = meta.detach().partition(|name| name.starts_with(CLASSIFIER));
        let classes = one_hot(&support.y, false, &support.x)?;
        let x = Tensor::new(support.x.clone());
        let z = self.model.features(&body, &x, NormStats::Batch)?; // [M, B, F]
        let head = self.config.head.start(&classes, &z)?;
        if self.config.whole {
            let start = body.expand_tasks(support.n_tasks()?)?.merge(&head)?;
            return self.descend(&start, |theta| {
                Ok(self.model.forward(theta, &x, NormStats::Batch)?.cross_entropy(&support.y)?)
            });
        }
        let cosine = self.model.cosine;
        let head = self
            .descend(&head, |head| Ok(last_layer(&head.sub_params(HEAD)?, &z, cosine)?.cross_entropy(&support.y)?))?;
        Ok(body.merge(&head)?)
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        predict(&self.model, adapted, support, x, setting)
    }

    /// The gradient of the pretraining.
    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        let phi = meta.detach().expand_tasks(tasks.n_tasks()?)?.leaf();
        self.classifier.grad(&self.model.body, (&phi, &phi), tasks)
    }

    fn meta_grad_sum(&self, meta: &Params, tasks: &TaskBatch, _iteration: u64) -> Result<MetaGrad> {
        let shared = meta.detach().leaf();
        self.classifier.grad(&self.model.body, (&shared.expand_tasks(tasks.n_tasks()?)?, &shared), tasks)
    }

    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }
}
