//! Learning from rollouts. Every update is a function of policy, parameters and experience to new parameters.

mod ppo;
mod step;
mod surrogate;
mod trpo;
mod trust_region;

pub use ppo::{Ppo, PpoConfig, PpoUpdate};
pub use surrogate::{Estimator, clipped_loss, mean_kl, policy_gradient_loss, ratio_loss};
pub use trpo::trpo;
pub use trust_region::{HessianProduct, Objective, TrustRegionConfig, TrustRegionStep, trust_region_step};

pub(crate) use step::{descend, minibatches};
