//! Metric-based learners: an embedding is learned, and a new class is recognised by comparing with its examples.
//!
//! ```text
//! z = f_θ(x)        ŷ(x̂) = head(f_θ(x̂); (z₁, y₁), …, (z_B, y_B))
//! ```
//!
//! A learner is a body f, any [`Model`](rekindle_nn::Model), and a [`Head`], a function of embedded examples:
//!
//! | head | compares with | source |
//! |---|---|---|
//! | [`Prototypical`] | the mean of each class | Snell, Swersky & Zemel 2017 |
//! | [`SoftKMeans`] | means that unlabelled examples refine | Ren et al. 2018 |
//! | [`Matching`], with [`FullContext`] | every example, by attention | Vinyals et al. 2016 |
//! | [`Relation`] | the sum of each class, by a network | Sung et al. 2018 |
//! | [`Siamese`] | every example, in pairs | Koch, Zemel & Salakhutdinov 2015; Hadsell, Chopra & LeCun 2006 |
//! | [`Ridge`] | a ridge regression on the support set | Bertinetto et al. 2019 (R2-D2) |
//! | [`Svm`] | a support vector machine on the support set | Lee et al. 2019 (MetaOptNet) |
//! | [`NearestNeighbour`], [`LogisticRegression`] | baselines, on pixels or on the features of a [`Pretrained`] net | Chen et al. 2019; Tian et al. 2020 |
//!
//! [`FineTune`] is the baseline that does not keep the pretrained features, but trains them on with a new last layer.
//!
//! ```
//! use candle_core::{DType, Device};
//! use rekindle_meta::metric::{MetricLearner, Prototypical};
//! use rekindle_meta::{EvalConfig, MetaLearner, evaluate};
//! use rekindle_nn::{Conv4Body, Conv4Config, Downsampling};
//! use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, batch_rng};
//!
//! let config = Conv4Config { downsampling: Downsampling::MaxPool, channels: 8, ..Conv4Config::omniglot() };
//! let learner = MetricLearner::new(Conv4Body::new(config)?, Prototypical::default())?;
//! let params = learner.init(&mut batch_rng(0, 0), DType::F32, &Device::Cpu)?;
//! // `Trainer` trains it as every other learner. The classes are the support set's, so their number may differ in the test.
//! let episodes = FewShotSampler::new(Glyphs::default(), FewShot { ways: 4, queries: 2, ..FewShot::default() })?;
//! let untrained = evaluate(&learner, &params, &episodes, &EvalConfig { n_tasks: 5, ..EvalConfig::default() })?;
//! assert!(untrained.mean > 0.25); // even a random embedding beats chance
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The support set and the queries of a task pass through the body as one batch, in training and in prediction, and batch
//! normalisation takes its statistics from both; in [`Setting::Inductive`](crate::Setting::Inductive) from the support
//! set alone. The published codes use running averages in tests, which models here do not have.

mod baseline;
mod context;
mod distance;
mod episode;
mod fine_tune;
mod learner;
mod matching;
mod pretrained;
mod prototypical;
mod relation;
mod ridge;
mod siamese;
mod soft_kmeans;
mod svm;

pub use baseline::{LogisticRegression, NearestNeighbour};
pub use context::FullContext;
pub use distance::Distance;
pub use episode::Episode;
pub use fine_tune::{FineTune, FineTuneConfig, NewHead};
pub use learner::{Head, MetricLearner};
pub use matching::Matching;
pub use pretrained::{Classifier, Pretrained};
pub use prototypical::Prototypical;
pub use relation::{Relation, RelationConfig};
pub use ridge::Ridge;
pub use siamese::{PairLoss, Siamese};
pub use soft_kmeans::SoftKMeans;
pub use svm::Svm;

pub(crate) use distance::unit;
pub(crate) use episode::{class_means, one_hot};
