//! Agents for small Markov decision processes, and exact solutions of known ones.
//!
//! An agent plays episode after episode of one MDP that it does not know; its score is the total reward of all episodes
//! ([`play`], [`evaluate`]; Duan et al., *RL²*, 2016, §3.2). All agents here but [`QLearning`] and [`RandomAction`] are
//! [`Planning`] ones: they keep a conjugate [`Posterior`] over rewards and transitions, and before every episode a
//! [`PlanRule`] turns it into action values by some form of backward induction.
//!
//! | rule | plans in | hyper-parameter |
//! |---|---|---|
//! | [`Greedy`] | the mean MDP; with probability ε any action | ε |
//! | [`Psrl`] | one MDP drawn from the posterior | |
//! | [`Opsrl`] | several draws, the best value of each action | number of draws |
//! | [`Beb`] | the mean MDP, with a bonus 1/n for what was rarely tried | scaling |
//! | [`Ucrl2`] | the best MDP within confidence bounds | scaling |
//!
//! What an agent believes before it has seen anything is a [`Prior`], and it decides: [`Prior::published`] reproduces the
//! baselines of RL²'s table but believes in mean rewards around 0, [`Prior::right`] is the distribution that the MDPs
//! come from, with mean rewards around 1.
//!
//! Known MDPs are solved by [`backward_induction`] and [`value_iteration`]; what a policy is worth tell
//! [`policy_value`] and [`discounted_policy_value`].

mod agent; // read first

mod beb;
mod greedy;
mod model;
mod plan;
mod planning;
mod policy_value;
mod posterior;
mod psrl;
mod q_learning;
mod random;
mod ucrl2;
mod value_iteration;

pub use agent::{Experience, Sizes, TabularAgent, evaluate, play};
pub use beb::Beb;
pub use greedy::Greedy;
pub use model::Model;
pub use plan::{Plan, backward_induction};
pub use planning::{PlanRule, Planning};
pub use policy_value::{discounted_policy_value, policy_value};
pub use posterior::{Posterior, Prior};
pub use psrl::{Opsrl, Psrl};
pub use q_learning::{LearningRate, QLearning, QLearningConfig};
pub use random::RandomAction;
pub use ucrl2::{Slack, Ucrl2};
pub use value_iteration::{Values, value_iteration};
