//! Policies that were learned once, used again.
//!
//! | | what it is |
//! |---|---|
//! | [`SoftTraining`] | soft Q-learning whose temperature falls: pretraining for diversity, then a new task |
//! | [`Mimic`] | one student of the teachers of several games: Actor-Mimic and distillation |
//! | [`ModularPolicy`] | a module for the task, one for the robot, and pairs of them that were never trained |
//! | [`Options`] | policies for subgoals, used as single actions in later tasks |
//! | [`SelfSupervision`] | features from transitions, whether they pay or not |
//! | [`cross_entropy`] | search by scores alone, over worlds that are drawn anew: domain randomisation |
//! | [`FeatureNet`] | a network whose features can be looked at, and whose last layer can be made anew |

mod cross_entropy;
mod feature_net;
mod mimic;
mod modular;
mod options;
mod self_supervision;
mod soft;

pub use cross_entropy::{CrossEntropyConfig, cross_entropy};
pub use feature_net::FeatureNet;
pub use mimic::{Mimic, MimicConfig, MimicStep, Plays, Teacher};
pub use modular::{Lesson, ModularConfig, ModularPolicy, Pair};
pub use options::{Episode, Options, OptionsConfig, Subgoal};
pub use self_supervision::{SelfSupervision, SelfSupervisionConfig};
pub use soft::{Annealing, SoftConfig, SoftTraining};
