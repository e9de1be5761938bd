//! Gittins indices against printed tables; optimal play against enumeration, published values and simulation.

use std::sync::Arc;

use anyhow::Result;
use rekindle_envs::BernoulliBandits;
use rekindle_rl::bandit::{BayesOptimal, BetaBelief, GittinsTable, OptimalPolicy, evaluate, gittins_index};

fn belief(successes: f64, failures: f64) -> BetaBelief {
    BetaBelief { successes, failures }
}

/// Four digits of Gittins' tables (Gittins, Glazebrook & Weber 2011, chapter 8), as Christian & Griffiths, *Algorithms to
/// live by*, 2016, reprint them for 0–0, 1–1, 2–2, 9–1 and 9–6 wins and losses with γ = 0.9, and for 0–0 with γ = 0.99.
const PRINTED: [(f64, [f64; 2], f64); 6] = [
    (0.9, [1.0, 1.0], 0.7029),
    (0.9, [2.0, 2.0], 0.6346),
    (0.9, [3.0, 3.0], 0.6010),
    (0.9, [10.0, 2.0], 0.8695),
    (0.9, [10.0, 7.0], 0.6300),
    (0.99, [1.0, 1.0], 0.8699),
];

#[test]
fn indices_are_the_printed_ones() -> Result<()> {
    for (discount, [a, b], printed) in PRINTED {
        let index = gittins_index(&belief(a, b), discount, 2e-5)?;
        // Half of the last digit, and our tolerance.
        assert!((index - printed).abs() < 7e-5, "γ = {discount}, Beta({a}, {b}): {index}, printed {printed}");
    }
    Ok(())
}

/// γ → 0 leaves the mean; what a second pull can add is of the order of γ.
#[test]
fn without_a_future_the_index_is_the_mean() -> Result<()> {
    let index = gittins_index(&belief(3.0, 2.0), 1e-4, 1e-6)?;
    assert!((index - 0.6).abs() < 1e-4, "{index}");
    Ok(())
}

/// The table calibrates all beliefs at once; the single index encloses one by two bounds.
#[test]
fn the_table_agrees_with_enclosed_indices() -> Result<()> {
    for discount in [0.5, 0.9, 0.99] {
        let table = GittinsTable::new(belief(1.0, 1.0), discount, 30, 500)?;
        for (successes, failures) in [(0, 0), (1, 0), (0, 1), (4, 2), (2, 9), (14, 14), (0, 29)] {
            let exact = gittins_index(&belief(1.0 + successes as f64, 1.0 + failures as f64), discount, 5e-5)?;
            let index = table.index(successes, failures);
            assert!((index - exact).abs() < 1.5e-4, "γ = {discount}, {successes}/{failures}: {index}, not {exact}");
        }
    }
    Ok(())
}

/// More success, less failure: the index goes up; it never lies below the mean.
#[test]
fn indices_are_ordered() -> Result<()> {
    let table = GittinsTable::new(belief(1.0, 1.0), 0.95, 40, 200)?;
    for s in 0..19 {
        for f in 0..19 {
            let index = table.index(s, f);
            assert!(table.index(s + 1, f) > index && index > table.index(s, f + 1), "{s}/{f}");
            assert!(index > (1 + s) as f64 / (2 + s + f) as f64 - 1e-6, "{s}/{f}");
        }
    }
    Ok(())
}

/// Values re-computed independently for the reproduction of RL²'s table.
#[test]
fn optimal_values_are_the_known_ones() -> Result<()> {
    for (pulls, arms, known) in
        [(10, 2, 6.0218), (10, 5, 6.6600), (10, 10, 6.7140), (10, 50, 6.7140), (15, 5, 10.4315), (20, 2, 12.4313)]
    {
        let value = OptimalPolicy::solve(belief(1.0, 1.0), arms, pulls, 100_000)?.value();
        assert!((value - known).abs() < 1e-4, "{pulls} pulls of {arms} arms: {value}, not {known}");
    }
    Ok(())
}

/// Every arm by its name, no state kept: the same numbers in a slow way.
fn enumerate(arms: &mut [[f64; 2]], left: usize) -> f64 {
    if left == 0 {
        return 0.0;
    }
    let mut best = f64::NEG_INFINITY;
    for i in 0..arms.len() {
        let [a, b] = arms[i];
        let mean = a / (a + b);
        arms[i] = [a + 1.0, b];
        let success = 1.0 + enumerate(arms, left - 1);
        arms[i] = [a, b + 1.0];
        let failure = enumerate(arms, left - 1);
        arms[i] = [a, b];
        best = best.max(mean * success + (1.0 - mean) * failure);
    }
    best
}

#[test]
fn optimal_values_are_those_of_enumeration() -> Result<()> {
    for (prior, n_arms, pulls) in [(belief(1.0, 1.0), 2, 6), (belief(0.5, 2.0), 3, 5), (belief(3.0, 1.0), 1, 4)] {
        let slow = enumerate(&mut vec![[prior.successes, prior.failures]; n_arms], pulls);
        let fast = OptimalPolicy::solve(prior, n_arms, pulls, 10_000)?.value();
        assert!((fast - slow).abs() < 1e-12, "{n_arms} arms, {pulls} pulls: {fast}, not {slow}");
    }
    Ok(())
}

/// One arm only: pulling it n times pays n·m.
#[test]
fn one_arm_leaves_no_choice() -> Result<()> {
    let policy = OptimalPolicy::solve(belief(2.0, 3.0), 1, 12, 1000)?;
    assert!((policy.value() - 12.0 * 0.4).abs() < 1e-12);
    Ok(())
}

/// Whoever follows the policy gets its value: 20,000 bandits, four standard errors.
#[test]
fn the_optimal_agent_gets_the_optimal_value() -> Result<()> {
    let policy = Arc::new(OptimalPolicy::solve(belief(1.0, 1.0), 5, 10, 10_000)?);
    let score = evaluate(|| BayesOptimal::new(policy.clone()), &BernoulliBandits::uniform(5), 10, 20_000, 2, 2)?;
    assert!((score.mean - policy.value()).abs() < 4.0 * score.standard_error, "{score:?}");
    Ok(())
}
