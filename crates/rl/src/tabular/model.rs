//! The tables of a finite MDP, known or believed.

use rekindle_envs::TabularMdp;

use super::Sizes;
use crate::{Error, Result};

/// Transition probabilities `[S, A, S]` and mean rewards `[S, A]`, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model<'a> {
    pub(super) states: usize,
    pub(super) actions: usize,
    pub(super) transitions: &'a [f64],
    pub(super) rewards: &'a [f64],
}

impl<'a> Model<'a> {
    /// From tables. Whether the rows of `transitions` sum to 1 is not looked at: what is missing is the probability that
    /// nothing follows.
    ///
    /// # Errors
    /// [`Error::NothingToPlay`] for sizes of zero, [`Error::AgentSetting`] for tables of other sizes.
    pub fn new(states: usize, actions: usize, transitions: &'a [f64], rewards: &'a [f64]) -> Result<Self> {
        Sizes { states, actions, horizon: 1 }.validate()?;
        if transitions.len() != states * actions * states {
            return Err(Error::agent("transitions", format!("{} numbers", transitions.len()), "a table [S, A, S]"));
        }
        if rewards.len() != states * actions {
            return Err(Error::agent("rewards", format!("{} numbers", rewards.len()), "a table [S, A]"));
        }
        Ok(Self { states, actions, transitions, rewards })
    }

    /// That of an MDP.
    pub fn of(mdp: &'a TabularMdp) -> Self {
        let (transitions, rewards) = (mdp.transitions(), mdp.rewards());
        Self { states: mdp.states(), actions: mdp.actions(), transitions, rewards }
    }

    /// Mean reward of row s·A + a plus the discounted mean of `values [S]` after it.
    pub(super) fn back_up(&self, row: usize, discount: f64, values: &[f64]) -> f64 {
        let next = &self.transitions[row * self.states..(row + 1) * self.states];
        self.rewards[row] + discount * dot(next, values)
    }
}

/// Σ x y.
pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The largest of some action values.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
