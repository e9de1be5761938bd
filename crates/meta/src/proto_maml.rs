//! Proto-MAML: the head of each task begins at the prototypes of its classes.
//!
//! ```text
//! φ = body        c_n = mean of f_φ(x) over the support examples of class n
//! θ₀ = (φ, W, b),  w_n = 2 c_n,  b_n = −‖c_n‖²        θₖ₊₁ = θₖ − α ∇L_support(θₖ)
//! ```
//! Triantafillou et al., *Meta-Dataset: A Dataset of Datasets for Learning to Learn from Few Examples*, 2020, §3.1. Without
//! steps it is a prototypical network; the meta-gradient flows through the prototypes. A task may have any number of
//! classes. With [`Adjoint::FirstOrder`], the default, it is the paper's fo-Proto-MAML: inner gradients are constants.
//!
//! Batch normalisation takes the prototypes' statistics from the support set alone; a prototypical network takes them from
//! support set and queries together, unless it is asked for [`Setting::Inductive`](crate::Setting::Inductive).

use rekindle_autodiff::{NormStats, Order, Params, Tensor};
use rekindle_nn::Model;
use rekindle_tasks::Batch;

use crate::bilevel::{Adjoint, InnerLoop, task_loss};
use crate::headed::{Headed, of_prototypes};
use crate::inner::{check_rate, inner_step};
use crate::metric::one_hot;
use crate::{Error, Loss, Result};

/// Settings of Proto-MAML. The defaults are those that the paper's search found best for fo-Proto-MAML on ImageNet.
#[derive(Clone, Debug)]
pub struct ProtoMamlConfig {
    /// Inner learning rate α, `> 0`: 0.00544.
    pub inner_lr: f64,
    /// Inner gradient steps in training, K: 6. Without any it is a prototypical network.
    pub n_steps: usize,
    /// Inner gradient steps when adapting to a new task: 6.
    pub eval_steps: usize,
    /// How meta-gradients pass through the inner loop: first order. Not [`Adjoint::Implicit`], since the outcome depends
    /// on where the head begins.
    pub adjoint: Adjoint,
}

impl Default for ProtoMamlConfig {
    fn default() -> Self {
        Self { inner_lr: 0.00544, n_steps: 6, eval_steps: 6, adjoint: Adjoint::FirstOrder }
    }
}

impl ProtoMamlConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        check_rate("inner_lr", self.inner_lr)?;
        if let Adjoint::Implicit(_) = self.adjoint {
            let expected = "another one: an implicit gradient does not see where the head begins";
            return Err(Error::setting("adjoint", &"Implicit", expected));
        }
        self.adjoint.validate()
    }
}

/// Proto-MAML over a body that answers features `[M, B, F]`.
///
/// Parameters: the body's, below `body.`, as those of a [`MetricLearner`](crate::metric::MetricLearner), so either can
/// begin where the other one ended. Adapted ones have `head.weight [M, F, N]` and `head.bias [M, N]` beside them.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_meta::{MetaLearner, ProtoMaml, ProtoMamlConfig};
/// use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
/// use rekindle_tasks::{ClassPool, Glyphs, MetaDataset, MetaDatasetSampler, TaskSampler, batch_rng};
///
/// let config = Conv4Config { downsampling: Downsampling::MaxPool, channels: 8, ..Conv4Config::omniglot() };
/// let learner = ProtoMaml::new(Conv4Body::new(config)?, ProtoMamlConfig { n_steps: 2, ..ProtoMamlConfig::default() })?;
/// let params = learner.init(&mut batch_rng(0, 0), DType::F32, &Device::Cpu)?;
/// // Episodes of any number of classes.
/// let rule = MetaDataset { max_ways: 8, max_support: 30, max_queries: 2, ..MetaDataset::default() };
/// let episodes = MetaDatasetSampler::new(Glyphs::default(), &ClassPool::Any((0..20).collect()), rule)?;
/// let task = episodes.sample(&mut batch_rng(0, 1), 1)?;
/// assert_eq!(learner.meta_grad(&params, &task, 0)?.losses.dims(), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProtoMaml<N> {
    model: Headed<N>,
    config: ProtoMamlConfig,
}

impl<N: Model> ProtoMaml<N> {
    /// A learner.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(body: N, config: ProtoMamlConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { model: Headed { body, cosine: None }, config })
    }

    /// The settings.
    pub fn config(&self) -> &ProtoMamlConfig {
        &self.config
    }
}

impl<N: Model> InnerLoop for ProtoMaml<N> {
    fn model(&self) -> &dyn Model {
        &self.model
    }

    fn loss(&self) -> Loss {
        Loss::CrossEntropy
    }

    fn n_steps(&self) -> usize {
        self.config.n_steps
    }

    fn eval_steps(&self) -> usize {
        self.config.eval_steps
    }

    fn adjoint(&self, _iteration: u64) -> Adjoint {
        self.config.adjoint
    }

    fn start(&self, meta: &Params, support: &Batch) -> Result<Params> {
        let classes = one_hot(&support.y, false, &support.x)?; // [M, B, N]
        let z = self.model.features(meta, &Tensor::new(support.x.clone()), NormStats::Batch)?; // [M, B, F]
        Ok(meta.merge(&of_prototypes(&classes, &z)?)?)
    }

    fn step(&self, _meta: &Params, theta: &Params, support: &Batch, _k: usize, order: Order) -> Result<Params> {
        inner_step(theta, order, -self.config.inner_lr, |theta| task_loss(self, theta, support))
    }
}
