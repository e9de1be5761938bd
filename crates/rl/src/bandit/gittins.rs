//! The Gittins index of an arm that pays 0 or 1.
//!
//! ```text
//! ν(a, b) = the λ at which pulling on and retiring with λ a step for ever are worth the same
//! V(a, b) = max{ λ,  (1 − γ) m + γ [ m V(a + 1, b) + (1 − m) V(a, b + 1) ] },   m = a / (a + b)
//! ```
//! Gittins, *Bandit processes and dynamic allocation indices*, 1979; Gittins, Glazebrook & Weber, *Multi-armed bandit
//! allocation indices*, 2011, §8.4 (the calibration method). Values are those of a step, (1 − γ) times the discounted
//! sum. Whoever always pulls the arm of largest index gets the largest discounted reward of all.
//!
//! The recursion has to end at some depth. Two ends enclose the truth: nothing more is learned there, worth max(m, λ);
//! or θ is revealed there, worth E max(θ, λ) ≤ (m + λ + √(σ² + (m − λ)²)) / 2 (Scarf 1958).

use crate::{Error, Result};

use super::{Belief, BetaBelief};

/// Deepest recursion. Depth D takes D²/2 steps for every λ that is tried.
pub(super) const MAX_DEPTH: usize = 1 << 15;

/// The Gittins index of a Beta belief for discount γ, `0 < γ < 1`, with an error of at most `tolerance`.
///
/// # Errors
/// [`Error::AgentSetting`] for a belief, discount or tolerance outside its range; [`Error::NotConverged`] if the
/// tolerance is too small for the discount: both its bounds have to meet within a depth of 32,768 pulls.
pub fn gittins_index(belief: &BetaBelief, discount: f64, tolerance: f64) -> Result<f64> {
    check(belief, discount)?;
    if !(tolerance > 0.0 && tolerance < 1.0) {
        return Err(Error::agent("tolerance", tolerance, "above 0 and below 1"));
    }
    let mut depth = 32;
    while depth <= MAX_DEPTH {
        let low = root(belief, discount, depth, End::NothingLearned, tolerance / 4.0);
        // The upper bound is tried at one point only: where it must not lie above.
        let high = low + tolerance;
        if advantage(belief, discount, depth, End::Revealed, high) <= 0.0 {
            return Ok(low + tolerance / 2.0);
        }
        depth *= 2;
    }
    Err(Error::NotConverged { what: "the Gittins index", tolerance, iterations: MAX_DEPTH })
}

/// Refuses what has no index.
pub(super) fn check(belief: &BetaBelief, discount: f64) -> Result<()> {
    belief.validate()?;
    if discount > 0.0 && discount < 1.0 {
        return Ok(());
    }
    Err(Error::agent("discount", discount, "above 0 and below 1"))
}

/// What is assumed at the depth where the recursion ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    NothingLearned,
    Revealed,
}

impl End {
    /// Value of an arm with mean `m` and that much `weight` behind it.
    pub(super) fn value(self, m: f64, weight: f64, lambda: f64) -> f64 {
        match self {
            Self::NothingLearned => m.max(lambda),
            Self::Revealed => {
                let variance = m * (1.0 - m) / (weight + 1.0);
                (m + lambda + (variance + (m - lambda) * (m - lambda)).sqrt()) / 2.0
            }
        }
    }
}

/// The λ at which the advantage of pulling vanishes, from below and to `precision`.
fn root(belief: &BetaBelief, discount: f64, depth: usize, end: End, precision: f64) -> f64 {
    // The index is at least the mean, which is what a single pull is worth.
    let (mut low, mut high) = (belief.mean(), 1.0);
    while high - low > precision {
        let middle = 0.5 * (low + high);
        if advantage(belief, discount, depth, end, middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// How much more pulling is worth than retiring with λ.
fn advantage(belief: &BetaBelief, discount: f64, depth: usize, end: End, lambda: f64) -> f64 {
    let mut values = Vec::new();
    let mut advantage = 0.0;
    sweep(belief, discount, depth, end, lambda, &mut values, |pulls, pulling| {
        if pulls == 0 {
            advantage = pulling[0] - lambda;
        }
    });
    advantage
}

/// Goes back from `depth` pulls to none and shows, after every number of pulls, what pulling is worth with s = 0, 1, …
/// of them successful.
pub(super) fn sweep(
    prior: &BetaBelief,
    discount: f64,
    depth: usize,
    end: End,
    lambda: f64,
    values: &mut Vec<f64>,
    mut show: impl FnMut(usize, &[f64]),
) {
    let BetaBelief { successes, failures } = *prior;
    let weight = |pulls: usize| successes + failures + pulls as f64;
    values.clear();
    values.extend((0..=depth).map(|s| {
        let weight = weight(depth);
        end.value((successes + s as f64) / weight, weight, lambda)
    }));
    for pulls in (0..depth).rev() {
        let share = 1.0 / weight(pulls);
        // In place: V(s) is read before it is written, and V(s + 1) is written later.
        for s in 0..=pulls {
            let m = (successes + s as f64) * share;
            values[s] = m * (1.0 - discount + discount * values[s + 1]) + (1.0 - m) * discount * values[s];
        }
        show(pulls, &values[..=pulls]);
        values[..=pulls].iter_mut().for_each(|v| *v = v.max(lambda));
    }
}
