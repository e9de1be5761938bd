//! Successor features of known MDPs against closed forms, and the theorems on random ones.

use anyhow::Result;
use rekindle_envs::random::{below, dirichlet, normal, unit_f64};
use rekindle_envs::stream_rng;
use rekindle_rl::tabular::{Model, value_iteration};
use rekindle_transfer::successor::{World, fit_weights};

/// A ring of three states that is walked round for ever; φ is one-hot in the state that is left. From state s,
/// ψ_{s + k} = γ^k / (1 − γ³).
#[test]
fn successor_features_of_a_ring_are_geometric_series() -> Result<()> {
    let transitions = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    let features = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let world = World::new([3, 1], &transitions, &features)?;
    let gamma = 0.9;
    let psi = world.successor_features(&[0, 0, 0], gamma)?;
    for s in 0..3 {
        for k in 0..3 {
            let expected = gamma.powi(k as i32) / (1.0 - gamma.powi(3));
            assert!((psi[s * 3 + (s + k) % 3] - expected).abs() < 1e-9, "{psi:?}");
        }
    }
    Ok(())
}

/// A thousand random MDPs with three source tasks each, with exact ψ and with ψ that are wrong by up to ε in every value:
/// GPI is no worse than any of its policies but for 2ε/(1 − γ) (theorem 1), and no worse than the optimum but for the bound
/// of theorem 2. Q* is by value iteration, Q of the GPI policy by its own linear systems.
#[test]
fn theorems_hold_on_a_thousand_random_mdps() -> Result<()> {
    let (s, a, f, gamma) = (6, 3, 3, 0.9);
    let rng = &mut stream_rng(17, 0);
    let (mut strict, mut lost, mut bounds) = (0, 0.0, 0.0);
    for trial in 0..1000 {
        let epsilon = if trial % 2 == 0 { 0.0 } else { 0.2 };
        let mut transitions = vec![0.0; s * a * s];
        transitions.chunks_exact_mut(s).for_each(|row| dirichlet(rng, 0.5, row));
        let features: Vec<f64> = (0..s * a * f).map(|_| normal(rng)).collect();
        let world = World::new([s, a], &transitions, &features)?;
        let optimum = |w: &[f64]| -> Result<Vec<f64>> {
            let rewards = world.rewards(w)?;
            Ok(value_iteration(&Model::new(s, a, &transitions, &rewards)?, gamma, 1e-7)?.actions)
        };
        let target: Vec<f64> = (0..f).map(|_| normal(rng)).collect();
        let (mut sources, mut policies, mut exact) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let source: Vec<f64> = target.iter().map(|w| w + 0.3 * normal(rng)).collect();
            let greedy = greedy(&optimum(&source)?, a);
            let psi = world.successor_features(&greedy, gamma)?;
            policies.push(disturbed(&psi, &target, epsilon, rng));
            exact.push(values(&psi, &target));
            sources.push(source);
        }
        let improved = world.improve(&policies, &target)?;
        let reached = values(&world.successor_features(&improved, gamma)?, &target);
        let bound = world.bound(&target, &sources, gamma, epsilon)?;
        for (row, best) in optimum(&target)?.iter().enumerate() {
            let others = exact.iter().map(|q| q[row]).fold(f64::NEG_INFINITY, f64::max);
            assert!(reached[row] >= others - 2.0 * epsilon / (1.0 - gamma) - 1e-5, "MDP {trial}, row {row}");
            assert!(best - reached[row] <= bound + 1e-5, "MDP {trial}, row {row}: {best} {} {bound}", reached[row]);
            strict += usize::from(reached[row] > others + 1e-3);
            (lost, bounds) = (lost + best - reached[row], bounds + bound);
        }
    }
    // Neither holds for nothing: GPI is better than all of its policies in places, and does lose something.
    assert!(strict > 1000 && lost > 100.0 && lost < bounds, "{strict} {lost} {bounds}");
    Ok(())
}

fn greedy(q: &[f64], actions: usize) -> Vec<usize> {
    let best = |row: &[f64]| (0..actions).fold(0, |best, a| if row[a] > row[best] { a } else { best });
    q.chunks_exact(actions).map(best).collect()
}

fn values(psi: &[f64], w: &[f64]) -> Vec<f64> {
    psi.chunks_exact(w.len()).map(|psi| psi.iter().zip(w).map(|(x, y)| x * y).sum()).collect()
}

/// ψ moved along w, so that every value is wrong by a number between −ε and ε.
fn disturbed(psi: &[f64], w: &[f64], epsilon: f64, rng: &mut dyn rand::RngCore) -> Vec<f64> {
    let square: f64 = w.iter().map(|w| w * w).sum();
    let mut psi = psi.to_vec();
    for psi in psi.chunks_exact_mut(w.len()) {
        let error = epsilon * (2.0 * unit_f64(rng) - 1.0);
        psi.iter_mut().zip(w).for_each(|(psi, w)| *psi += error * w / square);
    }
    psi
}

/// Rewards φᵀw with noise of 0.1: 2000 transitions know w to about 0.1/√2000 a coordinate.
#[test]
fn weights_are_found_from_transitions() -> Result<()> {
    let rng = &mut stream_rng(3, 0);
    let w = [0.5, -1.0, 0.25, 2.0];
    let features: Vec<f64> = (0..2000 * 4).map(|_| f64::from(u8::from(below(rng, 4) == 0))).collect();
    let rewards: Vec<f64> = values(&features, &w).iter().map(|r| r + 0.1 * normal(rng)).collect();
    let found = fit_weights(&features, &rewards, 1e-3)?;
    assert!(found.iter().zip(w).all(|(a, b)| (a - b).abs() < 0.03), "{found:?}");
    // A ridge that outweighs the data leaves nothing.
    assert!(fit_weights(&features, &rewards, 1e9)?.iter().all(|w| w.abs() < 1e-3));
    Ok(())
}

#[test]
fn sizes_that_do_not_fit_are_refused() -> Result<()> {
    let (transitions, features) = ([0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]);
    let world = World::new([2, 1], &transitions, &features)?;
    let text = |error: rekindle_transfer::Error| error.to_string();
    let wrong = [
        (text(world.rewards(&[1.0]).unwrap_err()), "the weights of a task has 1 numbers, but 2 are expected"),
        (text(world.improve(&[vec![0.0; 3]], &[1.0, 0.0]).unwrap_err()), "successor features has 3 numbers"),
        (text(world.successor_features(&[0], 0.9).unwrap_err()), "action for each state has 1 numbers, but 2"),
        (text(World::new([2, 1], &transitions, &features[..3]).unwrap_err()), "table of features has 3 numbers, but 4"),
        (text(World::new([2, 2], &transitions, &features).unwrap_err()), "transitions has 4 numbers, but 8"),
        (text(fit_weights(&[1.0; 5], &[1.0; 2], 1.0).unwrap_err()), "list of features has 5 numbers, but 6"),
        (text(fit_weights(&[1.0], &[1.0], 0.0).unwrap_err()), "`ridge` is 0"),
    ];
    for (found, expected) in wrong {
        assert!(found.contains(expected), "{found}");
    }
    Ok(())
}
