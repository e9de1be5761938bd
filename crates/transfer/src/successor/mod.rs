//! Successor features: what a policy does apart from what it is paid for, so that old policies can be judged, and improved
//! upon, in a new task before anything has been learned there.
//!
//! ```text
//! r(s, a, s') = φ(s, a, s')ᵀ w        ψ^π(s, a) = E Σ_t γ^t φ_t        Q^π_w(s, a) = ψ^π(s, a)ᵀ w
//! ```
//! Barreto, Dabney, Munos, Hunt, Schaul, van Hasselt & Silver, *Successor Features for Transfer in Reinforcement Learning*,
//! NIPS 2017.
//!
//! | | what it is |
//! |---|---|
//! | [`World`] | ψ, generalised policy improvement and its bound in known finite MDPs |
//! | [`Sfql`] | Q-learning with successor features over a sequence of tasks, for tables and linear functions |
//! | [`TaskQLearning`] | the same tasks with Q-learning from nothing, and with policy reuse |
//! | [`SuccessorLearner`] | networks for ψ, trained on several tasks at once |
//! | [`fit_weights`] | the weights of a task from some transitions |
//! | [`Given`], [`LearnedFeatures`] | features that the world shows, or that are learned from rewards |

mod agent; // read first

mod buffer;
mod deep;
mod deep_play;
mod encoder;
mod exact;
mod features;
mod learned;
pub(crate) mod linear;
mod q_learning;
mod regression;
mod sfql;

pub use agent::{Step, TaskAgent, TaskRecord, play_task};
pub use buffer::SuccessorBuffer;
pub use deep::{Follows, SuccessorConfig, SuccessorLearner, SuccessorState};
pub use deep_play::SuccessorCollector;
pub use encoder::{Encoder, RadialBasis, Table};
pub use exact::World;
pub use features::{Given, TransitionFeatures};
pub use learned::{FeatureConfig, LearnedFeatures, Sample, learn_features};
pub use q_learning::{Reuse, TaskQConfig, TaskQLearning};
pub use regression::fit_weights;
pub use sfql::{Sfql, SfqlConfig};
