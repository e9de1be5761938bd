//! Action values for every step of an episode, found from its end backwards.
//!
//! ```text
//! Q_t(s, a) = R(s, a) + Σ_s' P(s' | s, a) V_{t+1}(s'),   V_t(s) = max_a Q_t(s, a),   V_H = 0
//! ```

use super::model::largest;
use super::{Model, Sizes};
use crate::Result;

/// Action values `[H, S, A]` and state values `[H + 1, S]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    sizes: Sizes,
    q: Vec<f64>,
    v: Vec<f64>,
}

/// Solves a known MDP for episodes of `horizon` steps.
///
/// # Errors
/// [`Error::NothingToPlay`](crate::Error::NothingToPlay) for a horizon of zero.
pub fn backward_induction(model: &Model<'_>, horizon: usize) -> Result<Plan> {
    let mut plan = Plan::zeros(Sizes { states: model.states, actions: model.actions, horizon })?;
    plan.fill_from(model);
    Ok(plan)
}

impl Plan {
    /// A plan that values nothing.
    ///
    /// # Errors
    /// [`Error::NothingToPlay`](crate::Error::NothingToPlay) for sizes of zero.
    pub fn zeros(sizes: Sizes) -> Result<Self> {
        sizes.validate()?;
        let Sizes { states, actions, horizon } = sizes;
        Ok(Self { sizes, q: vec![0.0; horizon * states * actions], v: vec![0.0; (horizon + 1) * states] })
    }

    /// The sizes that it was made for.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Values of the actions in `state` after `t` steps, `[A]`.
    pub fn action_values(&self, t: usize, state: usize) -> &[f64] {
        let start = (t * self.sizes.states + state) * self.sizes.actions;
        &self.q[start..start + self.sizes.actions]
    }

    /// Value of `state` after `t` steps, `t <= H`.
    pub fn value(&self, t: usize, state: usize) -> f64 {
        self.v[t * self.sizes.states + state]
    }

    /// Backward induction in a model of the plan's sizes.
    pub(super) fn fill_from(&mut self, model: &Model<'_>) {
        self.fill(|_, row, values| model.back_up(row, 1.0, values));
    }

    /// Backward induction with any back-up: `back_up(steps left after this one, s·A + a, values then)`.
    pub(super) fn fill(&mut self, mut back_up: impl FnMut(usize, usize, &[f64]) -> f64) {
        let Sizes { states, actions, horizon } = self.sizes;
        for t in (0..horizon).rev() {
            let (now, then) = self.v.split_at_mut((t + 1) * states);
            let q = &mut self.q[t * states * actions..(t + 1) * states * actions];
            for (row, q) in q.iter_mut().enumerate() {
                *q = back_up(horizon - 1 - t, row, &then[..states]);
            }
            for (v, q) in now[t * states..].iter_mut().zip(q.chunks_exact(actions)) {
                *v = largest(q);
            }
        }
    }

    /// Keeps the larger of each action value and another plan's.
    pub(super) fn raise_to(&mut self, other: &Self) {
        let pairs = self.q.iter_mut().zip(&other.q).chain(self.v.iter_mut().zip(&other.v));
        pairs.for_each(|(mine, theirs)| *mine = mine.max(*theirs));
    }
}
