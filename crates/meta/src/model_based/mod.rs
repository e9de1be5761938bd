//! Learners that are a network: the support set goes in, and what comes out answers queries.

mod black_box;
mod recurrent;
mod targets;

pub use black_box::{BlackBox, BlackBoxLearner, Examples, Prequential};
pub use recurrent::{Cell, Recurrent, RecurrentConfig};
pub use targets::Targets;

pub(crate) use black_box::over_all;
pub(crate) use targets::at_least_one;
