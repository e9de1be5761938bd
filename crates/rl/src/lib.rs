#![doc = include_str!("../README.md")]

pub mod bandit;
pub mod instances;
pub mod tabular;

mod policy; // read first
mod rollout;

mod algorithms;
mod baseline;
mod error;
mod experience;
pub mod returns;

pub use algorithms::{
    A2c, Adaptation, Backup, Estimator, GradientUpdate, HessianProduct, Objective, Piece, PolicyPart, Ppo, PpoConfig,
    PpoUpdate, QCollector, QConfig, QLearner, QState, Reinforce, ReplayBuffer, Transition, Transitions,
    TrustRegionConfig, TrustRegionStep, clipped_loss, mean_kl, policy_gradient_loss, policy_step, ratio_loss, trpo,
    trust_region_step,
};
pub use baseline::{CriticFit, CriticFitted, LinearBaseline};
pub use error::{Error, Result};
pub use experience::Experience;
pub use policy::{
    Act, ActionHead, Attentive, AttentiveConfig, Categorical, Deviation, Distribution, FeedForward, Gaussian, Memory,
    Net, Outputs, Policy, Recurrent, Sequence,
};
pub use rollout::{Collector, Finished, Rollout, Values};
