//! Successor features and generalised policy improvement in known finite MDPs.
//!
//! ```text
//! ψ^π(s, a) = φ(s, a) + γ Σ_s' P(s' | s, a) ψ^π(s', π(s'))        Q^π(s, a) = ψ^π(s, a)ᵀ w
//! π_GPI(s)  = argmax_a max_i ψ^{π_i}(s, a)ᵀ w
//! ```
//! Barreto et al., *Successor Features for Transfer in Reinforcement Learning*, NIPS 2017, eq. 4 and theorem 1. If each π_i is
//! optimal for weights w_i, and values are known to ε, theorem 2 says
//!
//! ```text
//! Q*(s, a) − Q^{π_GPI}(s, a) ≤ 2/(1 − γ) ( max ‖φ‖ · min_i ‖w − w_i‖ + ε )
//! ```

use rekindle_rl::tabular::{Model, discounted_policy_value};

use super::linear::{dot, largest};
use crate::{Error, Result};

/// A finite world whose rewards are φᵀw: everything but the task.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    states: usize,
    actions: usize,
    n_features: usize,
    transitions: &'a [f64],
    features: &'a [f64],
}

impl<'a> World<'a> {
    /// From `transitions [S, A, S]`, whose rows are distributions, and `features [S, A, F]`.
    ///
    /// # Errors
    /// [`Error::Width`] where sizes do not fit.
    pub fn new([states, actions]: [usize; 2], transitions: &'a [f64], features: &'a [f64]) -> Result<Self> {
        let rows = states * actions;
        if rows == 0 || transitions.len() != rows * states {
            let (found, expected) = (transitions.len(), rows * states);
            return Err(Error::Width { what: "the table of transitions", found, expected });
        }
        if features.is_empty() || !features.len().is_multiple_of(rows) {
            let (found, expected) = (features.len(), features.len().div_ceil(rows).max(1) * rows);
            return Err(Error::Width { what: "the table of features", found, expected });
        }
        Ok(Self { states, actions, n_features: features.len() / rows, transitions, features })
    }

    /// Mean rewards `[S, A]` of a task.
    ///
    /// # Errors
    /// [`Error::Width`] for weights of another length than the features.
    pub fn rewards(&self, weights: &[f64]) -> Result<Vec<f64>> {
        self.check(weights)?;
        Ok(self.features.chunks_exact(self.n_features).map(|phi| dot(phi, weights)).collect())
    }

    /// Successor features ψ `[S, A, F]` of a deterministic policy `[S]`, exactly: a linear system for each feature.
    ///
    /// # Errors
    /// [`Error::Width`] for a policy of another length, and those of
    /// [`discounted_policy_value`](rekindle_rl::tabular::discounted_policy_value).
    pub fn successor_features(&self, policy: &[usize], gamma: f64) -> Result<Vec<f64>> {
        let (s, a, f) = (self.states, self.actions, self.n_features);
        if policy.len() != s || policy.iter().any(|action| *action >= a) {
            return Err(Error::Width {
                what: "a policy with an action for each state",
                found: policy.len(),
                expected: s,
            });
        }
        let chosen: Vec<f64> = (0..s * a).map(|row| f64::from(u8::from(policy[row / a] == row % a))).collect();
        let mut psi = self.features.to_vec();
        for feature in 0..f {
            let cumulant: Vec<f64> = self.features.iter().skip(feature).step_by(f).copied().collect();
            let model = Model::new(s, a, self.transitions, &cumulant)?;
            let values = discounted_policy_value(&model, &chosen, gamma)?;
            let next = self.transitions.chunks_exact(s);
            psi.iter_mut().skip(feature).step_by(f).zip(next).for_each(|(psi, p)| *psi += gamma * dot(p, &values));
        }
        Ok(psi)
    }

    /// The policy `[S]` of generalised policy improvement over several ψ `[S, A, F]`, for weights `[F]`.
    ///
    /// # Errors
    /// [`Error::Width`] where sizes do not fit.
    pub fn improve(&self, policies: &[Vec<f64>], weights: &[f64]) -> Result<Vec<usize>> {
        self.check(weights)?;
        let (a, f) = (self.actions, self.n_features);
        if let Some(psi) = policies.iter().find(|psi| psi.len() != self.features.len()) {
            let (found, expected) = (psi.len(), self.features.len());
            return Err(Error::Width { what: "a table of successor features", found, expected });
        }
        let q = |psi: &Vec<f64>, row: usize| dot(&psi[row * f..(row + 1) * f], weights);
        let best = |row: usize| policies.iter().map(|psi| q(psi, row)).fold(f64::NEG_INFINITY, f64::max);
        Ok((0..self.states).map(|s| largest((s * a..(s + 1) * a).map(best)).0).collect())
    }

    /// The bound of theorem 2 on what is lost against the optimum of `weights`, from the weights of the tasks that the
    /// policies are optimal for, and the largest error ε of their values.
    ///
    /// # Errors
    /// [`Error::Width`] where sizes do not fit.
    pub fn bound(&self, weights: &[f64], sources: &[Vec<f64>], gamma: f64, epsilon: f64) -> Result<f64> {
        self.check(weights)?;
        sources.iter().try_for_each(|source| self.check(source))?;
        let norm = |x: &[f64]| dot(x, x).sqrt();
        let largest_phi = self.features.chunks_exact(self.n_features).map(norm).fold(0.0, f64::max);
        let distance = |source: &Vec<f64>| norm(&source.iter().zip(weights).map(|(a, b)| a - b).collect::<Vec<_>>());
        let nearest = sources.iter().map(distance).fold(f64::INFINITY, f64::min);
        Ok(2.0 / (1.0 - gamma) * (largest_phi * nearest + epsilon))
    }

    fn check(&self, weights: &[f64]) -> Result<()> {
        let (found, expected) = (weights.len(), self.n_features);
        if found == expected { Ok(()) } else { Err(Error::Width { what: "the weights of a task", found, expected }) }
    }
}
