//! Zero-shot learning: classes that are known by a description alone.
//!
//! Training sees examples of some classes and the [`Descriptions`] of all: attributes, or an embedding of their names. A
//! new example is then given to a class that has no examples, by what connects inputs with descriptions:
//!
//! | what | how | source |
//! |---|---|---|
//! | [`Dap`] | a classifier for each attribute, and Bayes' rule | Lampert, Nickisch & Harmeling 2014 |
//! | [`Eszsl`] | a bilinear form in closed form | Romera-Paredes & Torr 2015 |
//! | [`Compatibility`] with a [`RankingLoss`] | a bilinear form that ranks: DeViSE, ALE, SJE | Frome et al. 2013; Akata et al. 2016, 2015 |
//! | [`DescriptionPrototypes`] | descriptions embedded as prototypes | Snell, Swersky & Zemel 2017, §2.7 |
//!
//! All answer scores `[M, B, N]`, a column for each described class; [`best_class`] takes the largest among the classes
//! that may come. [`per_class_accuracy`] and [`Generalised`] judge as Xian et al. 2019 do.

mod compatibility;
mod dap;
mod descriptions;
mod eszsl;
mod metrics;
mod prototypes;
mod ranking;

pub use compatibility::Compatibility;
pub use dap::Dap;
pub use descriptions::Descriptions;
pub use eszsl::{Eszsl, EszslConfig};
pub use metrics::{Generalised, best_class, per_class_accuracy};
pub use prototypes::DescriptionPrototypes;
pub use ranking::{Ranking, RankingLoss};
