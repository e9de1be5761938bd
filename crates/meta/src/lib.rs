#![doc = include_str!("../README.md")]

mod anil;
mod bilevel;
pub mod conformance;
mod error;
mod evaluate;
mod fast;
mod headed;
mod in_context;
mod inner;
mod learner;
mod loss;
mod maml;
mod maml_plus_plus;
mod meta_sgd;
pub mod metric;
mod model_based;
mod neural_process;
mod proto_maml;
mod reptile;
mod runner;
mod trainer;

pub use anil::Anil;
pub use bilevel::{Adjoint, InnerLoop, bilevel_grad};
pub use error::{Error, Result};
pub use evaluate::{EvalConfig, Evaluation, evaluate, evaluate_steps};
pub use in_context::{Baseline, InContext, InContextConfig, Tokens};
pub use inner::{inner_gradient, inner_step};
pub use learner::{MetaGrad, MetaLearner, Setting, Stepwise};
pub use loss::Loss;
pub use maml::{Maml, MamlConfig};
pub use maml_plus_plus::{MamlPlusPlus, MamlPlusPlusConfig};
pub use meta_sgd::{MetaSgd, MetaSgdConfig};
pub use model_based::{
    BlackBox, BlackBoxLearner, Cell, Examples, Mann, MannConfig, MetaNetworks, MetaNetworksConfig, Prequential,
    Recurrent, RecurrentConfig, Snail, SnailConfig, SnailLayer, Targets,
};
pub use neural_process::{Aggregation, NeuralProcess, NeuralProcessConfig};
pub use proto_maml::{ProtoMaml, ProtoMamlConfig};
pub use reptile::{Reptile, ReptileConfig};
pub use runner::Runner;
pub use trainer::{
    Best, Checkpoint, EveryN, Iteration, JsonLines, Observer, Stop, TensorBoard, TrainConfig, Trained, Trainer,
    Validation,
};

/// The recipe for new algorithms is tested like all other documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/adding-an-algorithm.md")]
struct AddingAnAlgorithm;
