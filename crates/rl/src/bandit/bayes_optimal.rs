//! The best that any agent can do with a few pulls: dynamic programming over what can be known.
//!
//! ```text
//! V(beliefs, n) = max_i  m_i (1 + V(beliefs + success of i, n − 1)) + (1 − m_i) V(beliefs + failure of i, n − 1)
//! ```
//! Bellman, *A problem in the sequential design of experiments*, 1956. Arms from one prior can be exchanged, so beliefs are
//! kept as a sorted list of the arms that were pulled: all fresh arms are one choice, and more arms than pulls change
//! nothing. With uniform arms, V is 6.6600 for 10 pulls of 5 arms and 6.7140 for 10 pulls of 10 or more.

use std::collections::HashMap;
use std::sync::Arc;

use rand::RngCore;

use super::belief::count;
use super::ties::first_largest;
use super::{BanditAgent, Belief, BetaBelief};
use crate::{Error, Result};

/// What is known: successes and failures of the arms that were pulled, sorted.
type State = Vec<[u16; 2]>;

/// The optimal expected reward from every state of knowledge that a bandit of Bernoulli arms can lead to.
#[derive(Clone, Debug)]
pub struct OptimalPolicy {
    prior: BetaBelief,
    n_arms: usize,
    horizon: usize,
    max_states: usize,
    values: HashMap<State, f64>,
}

impl OptimalPolicy {
    /// Solves a bandit whose arms come from `prior`. 10 pulls have 2,296 states at most, 20 pulls of 2 arms 4,455,
    /// 15 pulls of 5 arms 28,166; the
    /// number grows fast with both, and `max_states` bounds it.
    ///
    /// # Errors
    /// [`Error::TooManyStates`], [`Error::NoArms`], [`Error::NothingToPlay`], [`Error::AgentSetting`].
    pub fn solve(prior: BetaBelief, n_arms: usize, horizon: usize, max_states: usize) -> Result<Self> {
        super::agent::check_sizes(n_arms, horizon)?;
        prior.validate()?;
        let mut policy = Self { prior, n_arms, horizon, max_states, values: HashMap::new() };
        // A single arm has that many states already; the recursion is as deep as the horizon, which this bounds.
        if horizon.saturating_mul(horizon / 2) > max_states {
            return Err(policy.too_many_states());
        }
        policy.fill(&State::new(), horizon)?;
        Ok(policy)
    }

    /// Expected total reward of optimal play from the start.
    pub fn value(&self) -> f64 {
        self.known(&State::new())
    }

    /// Number of states of knowledge in which there is a choice.
    pub fn n_states(&self) -> usize {
        self.values.len()
    }

    /// Value of a state with `left` pulls to go; remembers it and all that it leads to.
    fn fill(&mut self, state: &State, left: usize) -> Result<f64> {
        if left == 0 {
            return Ok(0.0);
        }
        if let Some(&value) = self.values.get(state) {
            return Ok(value);
        }
        let mut best = f64::NEG_INFINITY;
        for place in choices(state, self.n_arms) {
            let (mean, [success, failure]) = self.outcomes(state, place);
            let value = mean * (1.0 + self.fill(&success, left - 1)?) + (1.0 - mean) * self.fill(&failure, left - 1)?;
            best = best.max(value);
        }
        if self.values.len() >= self.max_states {
            return Err(self.too_many_states());
        }
        self.values.insert(state.clone(), best);
        Ok(best)
    }

    fn too_many_states(&self) -> Error {
        Error::TooManyStates { arms: self.n_arms, horizon: self.horizon, limit: self.max_states }
    }

    /// A value that [`fill`](Self::fill) found; zero where no pull is left.
    fn known(&self, state: &State) -> f64 {
        self.values.get(state).copied().unwrap_or(0.0)
    }

    /// Value of pulling the arm at `place` of the list, or a fresh one beyond its end.
    fn choice_value(&self, state: &State, place: usize) -> f64 {
        let (mean, [success, failure]) = self.outcomes(state, place);
        mean * (1.0 + self.known(&success)) + (1.0 - mean) * self.known(&failure)
    }

    /// Probability that the arm at `place` pays, and the states after a success and after a failure.
    fn outcomes(&self, state: &State, place: usize) -> (f64, [State; 2]) {
        let [s, f] = state.get(place).copied().unwrap_or_default();
        let (a, b) = (self.prior.successes + f64::from(s), self.prior.failures + f64::from(f));
        let after = |counts: [u16; 2]| {
            let mut next = state.clone();
            match next.get_mut(place) {
                Some(arm) => *arm = counts,
                None => next.push(counts),
            }
            next.sort_unstable();
            next
        };
        (a / (a + b), [after([s + 1, f]), after([s, f + 1])])
    }
}

/// Places that differ: one of equal arms, and a fresh arm while there is one.
fn choices(state: &State, n_arms: usize) -> impl Iterator<Item = usize> + use<> {
    let distinct: Vec<usize> = (0..state.len()).filter(|&i| i == 0 || state[i] != state[i - 1]).collect();
    let fresh = (state.len() < n_arms).then_some(state.len());
    distinct.into_iter().chain(fresh)
}

/// Plays optimally.
#[derive(Clone, Debug)]
pub struct BayesOptimal {
    policy: Arc<OptimalPolicy>,
    /// Successes and failures of every arm.
    arms: Vec<[u16; 2]>,
}

impl BayesOptimal {
    /// Follows a policy that many agents can share.
    pub fn new(policy: Arc<OptimalPolicy>) -> Self {
        Self { policy, arms: Vec::new() }
    }

    /// What is known, without the names of the arms.
    fn state(&self) -> State {
        let mut state: State = self.arms.iter().copied().filter(|counts| *counts != [0, 0]).collect();
        state.sort_unstable();
        state
    }
}

impl BanditAgent for BayesOptimal {
    fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        super::agent::check_sizes(n_arms, horizon)?;
        if n_arms != self.policy.n_arms {
            return Err(Error::agent("n_arms", n_arms, "what the optimal policy was solved for"));
        }
        if horizon != self.policy.horizon {
            return Err(Error::agent("horizon", horizon, "what the optimal policy was solved for"));
        }
        self.arms.clear();
        self.arms.resize(n_arms, [0, 0]);
        Ok(())
    }

    fn choose(&mut self, _rng: &mut dyn RngCore) -> usize {
        let state = self.state();
        // An arm that was never pulled stands in no list: its place is beyond the end.
        let place = |counts: &[u16; 2]| state.iter().position(|known| known == counts).unwrap_or(state.len());
        first_largest(self.arms.iter().map(|counts| self.policy.choice_value(&state, place(counts))))
    }

    fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        count(&mut self.arms, arm, reward)
    }
}
