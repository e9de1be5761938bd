#![doc = include_str!("../README.md")]

mod bilevel;
mod error;
mod evaluate;
mod inner;
mod learner;
mod loss;
mod maml;
mod runner;
mod trainer;

pub use bilevel::{Adjoint, InnerLoop, adapt, bilevel_grad};
pub use error::{Error, Result};
pub use evaluate::{EvalConfig, Evaluation, evaluate, evaluate_steps};
pub use learner::{MetaGrad, MetaLearner, Setting, Stepwise};
pub use loss::Loss;
pub use maml::{Maml, MamlConfig};
pub use runner::Runner;
pub use trainer::{Iteration, Observer, Stop, TrainConfig, Trained, Trainer, Validation};
