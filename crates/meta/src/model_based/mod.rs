//! Learners that are a network: the support set goes in, and what comes out answers queries.

mod black_box;
mod cosine;
mod mann;
mod meta_networks;
mod recurrent;
mod snail;
mod targets;

pub use black_box::{BlackBox, BlackBoxLearner, Examples, Prequential};
pub use mann::{Mann, MannConfig};
pub use meta_networks::{MetaNetworks, MetaNetworksConfig};
pub use recurrent::{Cell, Recurrent, RecurrentConfig};
pub use snail::{Snail, SnailConfig, SnailLayer};
pub use targets::Targets;

pub(crate) use black_box::over_all;
pub(crate) use targets::{at_least_one, check_scale};
