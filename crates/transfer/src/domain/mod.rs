//! Domain shift: labels in one domain, none in the other.
//!
//! A *source* domain has inputs with labels, a *target* domain inputs alone. All methods here bring the features of both
//! together, so that what was learned from the labels of one holds in the other:
//!
//! | what | how | source |
//! |---|---|---|
//! | [`Coral`] | features of the source recoloured with the target's covariance, in closed form | Sun, Feng & Saenko 2016 |
//! | [`coral_loss`] | a penalty on the difference of covariances, on the tape | Sun & Saenko 2016 |
//! | [`mmd`] | a penalty on the distance of the distributions in a kernel's space | Gretton et al. 2012; Long et al. 2015 |
//! | [`reverse_gradient`], [`Alignment::Adversarial`] | features that a classifier of domains cannot tell apart (DANN) | Ganin et al. 2016 |
//!
//! [`DomainNet`] trains a network with any of them.

mod adapt;
mod coral;
mod coral_loss;
mod mmd;
mod net;
mod pca;
mod reversal;
mod sizes;

pub use adapt::{AdaptConfig, AdaptStep, adapt, annealed_rate};
pub use coral::{Coral, Covariance, standardise};
pub use coral_loss::coral_loss;
pub(crate) use mmd::squared_distances;
pub use mmd::{Bandwidth, GaussianKernel, MmdEstimate, median_distance, mmd};
pub use net::{Alignment, DomainLosses, DomainNet};
pub use pca::principal_components;
pub use reversal::{reversal_factor, reverse_gradient};
