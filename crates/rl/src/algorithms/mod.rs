//! Learning from rollouts. Every update is a function of policy, parameters and experience to new parameters.

mod piece;
mod policy_gradient;
mod ppo;
mod q_learning;
mod q_play;
mod replay;
mod step;
mod surrogate;
mod trpo;
mod trust_region;

pub use piece::Piece;
pub use policy_gradient::{A2c, GradientUpdate, Reinforce};
pub use ppo::{Ppo, PpoConfig, PpoUpdate};
pub use q_learning::{Backup, QConfig, QLearner, QState};
pub use q_play::QCollector;
pub use replay::{ReplayBuffer, Transition, Transitions};
pub use surrogate::{Estimator, clipped_loss, mean_kl, policy_gradient_loss, ratio_loss};
pub use trpo::trpo;
pub use trust_region::{
    Adaptation, HessianProduct, Objective, PolicyPart, TrustRegionConfig, TrustRegionStep, policy_step,
    trust_region_step,
};

pub(crate) use step::{descend, minibatches};
