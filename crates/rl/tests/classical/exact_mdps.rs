//! Exact solutions of known MDPs, against closed forms and each other.

use anyhow::Result;
use rekindle_envs::{EnvFamily, TabularMdp, TabularMdps, stream_rng};
use rekindle_rl::tabular::{Model, backward_induction, discounted_policy_value, policy_value, value_iteration};

/// Two states. In state 0, action 0 stays and pays 1; action 1 pays nothing and moves to state 1 with probability ½.
/// State 1 keeps whoever is there and pays 3 for action 0, 0 for action 1.
const TRANSITIONS: [f64; 8] = [1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 0.0, 1.0];
const REWARDS: [f64; 4] = [1.0, 0.0, 3.0, 0.0];

fn two_states() -> Result<Model<'static>> {
    Ok(Model::new(2, 2, &TRANSITIONS, &REWARDS)?)
}

/// By hand: V_3 = 0; V_2 = (1, 3); V_1 = (max(1 + 1, ½·1 + ½·3), 6) = (2, 6); V_0 = (max(3, ½·2 + ½·6), 9) = (4, 9).
#[test]
fn backward_induction_by_hand() -> Result<()> {
    let plan = backward_induction(&two_states()?, 3)?;
    let values = [[4.0, 9.0], [2.0, 6.0], [1.0, 3.0], [0.0, 0.0]];
    for (t, expected) in values.iter().enumerate() {
        assert_eq!([plan.value(t, 0), plan.value(t, 1)], *expected, "after {t} steps");
    }
    assert_eq!(plan.action_values(0, 0), [3.0, 4.0]);
    Ok(())
}

/// By hand: state 1 is worth 3/(1 − γ). In state 0 staying is worth 1/(1 − γ), leaving for good
/// x = γ (x/2 + 3/(2(1 − γ))), so x = 3γ / ((2 − γ)(1 − γ)); with γ = 0.9 that is 24.545… against 10, with γ = 0.4
/// 1.25 against 1.666….
#[test]
fn value_iteration_by_hand() -> Result<()> {
    for (gamma, zero) in [(0.9, 2.7 / (1.1 * 0.1)), (0.4, 1.0 / 0.6)] {
        let values = value_iteration(&two_states()?, gamma, 1e-10)?;
        assert!((values.states[0] - zero).abs() < 1e-9, "γ = {gamma}: {:?}", values.states);
        assert!((values.states[1] - 3.0 / (1.0 - gamma)).abs() < 1e-9);
    }
    Ok(())
}

fn random_mdp(seed: u64) -> Result<std::sync::Arc<TabularMdp>> {
    Ok(TabularMdps::default().sample(&mut stream_rng(seed, 0))?)
}

/// The policy that takes the best action everywhere has the optimal value, by the other solver.
#[test]
fn greedy_policies_have_optimal_values() -> Result<()> {
    let mdp = random_mdp(3)?;
    let model = Model::of(&mdp);
    let one_hot = |values: &[f64]| -> Vec<f64> {
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        values.iter().map(|&v| f64::from(u8::from(v == best))).collect()
    };
    let optimal = value_iteration(&model, 0.95, 1e-11)?;
    let policy: Vec<f64> = optimal.actions.chunks(5).flat_map(one_hot).collect();
    let values = discounted_policy_value(&model, &policy, 0.95)?;
    assert!(values.iter().zip(&optimal.states).all(|(a, b)| (a - b).abs() < 1e-9));

    let plan = backward_induction(&model, 10)?;
    let policy: Vec<f64> = (0..100).flat_map(|i| one_hot(plan.action_values(i / 10, i % 10))).collect();
    let values = policy_value(&model, &policy)?;
    assert!((0..10).all(|s| (values[s] - plan.value(0, s)).abs() < 1e-9));
    Ok(())
}

/// A long episode with probability 1 − γ of ending after each step is a discounted MDP: missing mass ends it.
#[test]
fn discounting_is_a_chance_to_end() -> Result<()> {
    let mdp = random_mdp(4)?;
    let shortened: Vec<f64> = mdp.transitions().iter().map(|p| 0.9 * p).collect();
    let plan = backward_induction(&Model::new(10, 5, &shortened, mdp.rewards())?, 400)?;
    let values = value_iteration(&Model::of(&mdp), 0.9, 1e-10)?;
    assert!((0..10).all(|s| (plan.value(0, s) - values.states[s]).abs() < 1e-9));
    Ok(())
}
