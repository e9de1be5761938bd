//! What a policy is worth in a known MDP.
//!
//! ```text
//! episodes     V_t(s) = Σ_a π_t(a | s) [ R(s, a) + Σ_s' P(s' | s, a) V_{t+1}(s') ],   V_H = 0
//! for ever     (I − γ P_π) V = R_π
//! ```

use super::Model;
use super::value_iteration::check_discount;
use crate::{Error, Result};

/// Values `[S]` at the start of an episode of H steps under `policy [H, S, A]`, whose rows are probabilities.
///
/// # Errors
/// [`Error::NothingToPlay`] for an empty policy, [`Error::AgentSetting`] for one of another size or whose rows are no
/// distributions.
pub fn policy_value(model: &Model<'_>, policy: &[f64]) -> Result<Vec<f64>> {
    let step = model.states * model.actions;
    if policy.is_empty() {
        return Err(Error::NothingToPlay { what: "horizon" });
    }
    check_policy(policy, step, model.actions, "a table [H, S, A] of distributions over actions")?;
    let mut values = vec![0.0; model.states];
    for policy in policy.chunks_exact(step).rev() {
        let mean = |s: usize| {
            let rows = s * model.actions..(s + 1) * model.actions;
            rows.map(|row| policy[row] * model.back_up(row, 1.0, &values)).sum()
        };
        values = (0..model.states).map(mean).collect();
    }
    Ok(values)
}

/// Values `[S]` of following `policy [S, A]` for ever with discount γ, `0 <= γ < 1`: a linear system, solved directly.
///
/// # Errors
/// [`Error::AgentSetting`] for a discount outside its range, or a policy of another size or whose rows are no
/// distributions.
pub fn discounted_policy_value(model: &Model<'_>, policy: &[f64], discount: f64) -> Result<Vec<f64>> {
    check_discount(discount)?;
    let expected = "a table [S, A] of distributions over actions";
    if policy.len() != model.states * model.actions {
        return Err(Error::agent("policy", format!("{} numbers", policy.len()), expected));
    }
    check_policy(policy, policy.len(), model.actions, expected)?;
    let n = model.states;
    // Rows of (I − γ P_π | R_π), `[S, S + 1]`.
    let mut system = vec![0.0; n * (n + 1)];
    for (s, equation) in system.chunks_exact_mut(n + 1).enumerate() {
        equation[s] = 1.0;
        let rows = s * model.actions..(s + 1) * model.actions;
        for (row, chosen) in rows.clone().zip(&policy[rows]) {
            let next = &model.transitions[row * n..(row + 1) * n];
            equation.iter_mut().zip(next).for_each(|(x, p)| *x -= discount * chosen * p);
            equation[n] += chosen * model.rewards[row];
        }
    }
    Ok(solve(system, n))
}

fn check_policy(policy: &[f64], multiple: usize, actions: usize, expected: &'static str) -> Result<()> {
    if !policy.len().is_multiple_of(multiple) {
        return Err(Error::agent("policy", format!("{} numbers", policy.len()), expected));
    }
    let distribution = |row: &[f64]| row.iter().all(|&p| p >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-9;
    match policy.chunks_exact(actions).find(|row| !distribution(row)) {
        Some(row) => Err(Error::agent("policy", format!("{row:?} in a row"), expected)),
        None => Ok(()),
    }
}

/// Gauss–Jordan elimination of `[n, n + 1]`. No pivot has to be looked for: I − γ P_π is diagonally dominant by rows.
fn solve(mut system: Vec<f64>, n: usize) -> Vec<f64> {
    let width = n + 1;
    for column in 0..n {
        let pivot: Vec<f64> = system[column * width..(column + 1) * width].to_vec();
        for row in (0..n).filter(|&row| row != column) {
            let factor = system[row * width + column] / pivot[column];
            let equation = &mut system[row * width..(row + 1) * width];
            equation.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    (0..n).map(|i| system[i * width + n] / system[i * width + i]).collect()
}
