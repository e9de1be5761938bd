//! Value iteration: the optimal values of a known MDP that goes on for ever.
//!
//! ```text
//! Q(s, a) = R(s, a) + γ Σ_s' P(s' | s, a) V(s'),   V(s) = max_a Q(s, a)
//! ```
//! The back-up contracts by γ, so that V is within γ/(1 − γ) times its last change of the truth.

use super::Model;
use super::model::largest;
use crate::{Error, Result};

/// Most iterations. With γ = 0.999 an accuracy of 1e-9 takes 30,000.
const MAX_ITERATIONS: usize = 1_000_000;

/// Optimal values of a discounted MDP.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Of states, `[S]`.
    pub states: Vec<f64>,
    /// Of actions, `[S, A]`.
    pub actions: Vec<f64>,
    /// Iterations that it took.
    pub iterations: usize,
}

/// Solves a known MDP for discount γ, `0 <= γ < 1`, to an error of at most `tolerance`.
///
/// # Errors
/// [`Error::AgentSetting`] for a discount or tolerance outside its range; [`Error::NotConverged`] for a tolerance that
/// rounding does not let it reach.
pub fn value_iteration(model: &Model<'_>, discount: f64, tolerance: f64) -> Result<Values> {
    check_discount(discount)?;
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(Error::agent("tolerance", tolerance, "a finite number above 0"));
    }
    let mut values =
        Values { states: vec![0.0; model.states], actions: vec![0.0; model.states * model.actions], iterations: 0 };
    while values.iterations < MAX_ITERATIONS {
        values.iterations += 1;
        let change = values.improve(model, discount);
        if change * discount <= tolerance * (1.0 - discount) {
            return Ok(values);
        }
    }
    Err(Error::NotConverged { what: "value iteration", tolerance, iterations: MAX_ITERATIONS })
}

impl Values {
    /// One back-up of all states; the largest change.
    fn improve(&mut self, model: &Model<'_>, discount: f64) -> f64 {
        for (row, q) in self.actions.iter_mut().enumerate() {
            *q = model.back_up(row, discount, &self.states);
        }
        let mut change = 0.0_f64;
        for (v, q) in self.states.iter_mut().zip(self.actions.chunks_exact(model.actions)) {
            let new = largest(q);
            change = change.max((new - *v).abs());
            *v = new;
        }
        change
    }
}

/// Refuses discounts for which an endless sum has no value.
pub(super) fn check_discount(discount: f64) -> Result<()> {
    if (0.0..1.0).contains(&discount) {
        return Ok(());
    }
    Err(Error::agent("discount", discount, "at least 0 and below 1; for episodes use `backward_induction`"))
}
