//! Agents for bandits that need no training, and the optimum that nothing beats.
//!
//! All of them keep a conjugate [`Belief`] about every arm. A bandit is played with [`play`], many of a family with
//! [`evaluate`], whose score, total reward averaged over instances, is that of Duan et al., *RL²*, 2016, §3.1. There
//! every count starts at one success and one failure, and every agent's hyper-parameter is chosen for each number of
//! pulls and arms by itself.
//!
//! | agent | pulls the arm with the largest | hyper-parameter |
//! |---|---|---|
//! | [`RandomArm`] | – | |
//! | [`Greedy`] | posterior mean | |
//! | [`EpsilonGreedy`] | the same, but with probability ε any | ε |
//! | [`Ucb1`] | mean + c·√(2 ln t / T) | c |
//! | [`Thompson`] | draw from the posterior | |
//! | [`OptimisticThompson`] | draw that optimism raised | [`Optimism`] |
//! | [`Gittins`] | Gittins index | discount γ |
//! | [`BayesOptimal`] | expected total reward under optimal play | |

mod agent; // read first

mod bayes_optimal;
mod belief;
mod gittins;
mod gittins_table;
mod greedy;
mod random;
mod thompson;
mod ties;
mod ucb;

pub use agent::{BanditAgent, evaluate, play};
pub use bayes_optimal::{BayesOptimal, OptimalPolicy};
pub use belief::{Belief, BetaBelief, NormalBelief};
pub use gittins::gittins_index;
pub use gittins_table::{Gittins, GittinsTable};
pub use greedy::{EpsilonGreedy, Greedy};
pub use random::RandomArm;
pub use thompson::{Optimism, OptimisticThompson, Thompson};
pub use ties::Ties;
pub use ucb::Ucb1;
