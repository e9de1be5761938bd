#![doc = include_str!("../README.md")]
#![doc = "```no_run"]
#![doc = include_str!("../examples/meta_train_own_env.rs")]
#![doc = "```"]

mod learner; // read first

mod error;
mod maml;
mod rl2;
mod training;

pub use error::{Error, Result};
pub use learner::{At, Iterated, Learner};
pub use maml::{Adapts, MamlRl, MamlRlConfig, Outer, Updates};
pub use rl2::{Critic, Rl2, Rl2Config, TrialUpdate, Trials};
pub use training::{Progress, TrainConfig, Trained, train};
