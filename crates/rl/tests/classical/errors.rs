//! What is refused, and how.

use std::sync::Arc;

use rekindle_envs::{BernoulliBandits, GaussianBandits, TabularMdps};
use rekindle_rl::bandit::{
    self, BanditAgent, BayesOptimal, Belief, BetaBelief, EpsilonGreedy, Gittins, GittinsTable, Greedy, NormalBelief,
    OptimalPolicy, Optimism, OptimisticThompson, RandomArm, Thompson, Ties, Ucb1, gittins_index,
};
use rekindle_rl::tabular::{
    self, Beb, Greedy as GreedyRule, LearningRate, Model, Opsrl, PlanRule, Planning, Prior, Psrl, QLearning,
    QLearningConfig, Sizes, Slack, TabularAgent, Ucrl2, backward_induction, discounted_policy_value, policy_value,
    value_iteration,
};
use rekindle_rl::{Error, Result};

/// The message, which must name the value and say what is possible.
fn refused<T>(result: Result<T>, parts: &[&str]) {
    let message = result.err().expect("this should be refused").to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[test]
fn bandits_without_arms_or_pulls() {
    let agents: [Box<dyn BanditAgent>; 4] = [
        Box::new(RandomArm::default()),
        Box::new(Greedy::default()),
        Box::new(Ucb1::default()),
        Box::new(Thompson::default()),
    ];
    for mut agent in agents {
        refused(agent.begin(0, 10), &["at least one arm"]);
        refused(agent.begin(5, 0), &["horizon is zero", "at least 1"]);
    }
    let family = BernoulliBandits::uniform(3);
    refused(bandit::evaluate(Greedy::default, &family, 10, 0, 0, 1), &["number of instances is zero"]);
    refused(bandit::evaluate(Greedy::default, &family, 10, 2, 0, 0), &["`threads` is 0"]);
}

#[test]
fn settings_of_bandit_agents() {
    refused(EpsilonGreedy::new(1.5).begin(2, 2), &["`epsilon` is 1.5", "from 0 to 1"]);
    refused(EpsilonGreedy::new(f64::NAN).begin(2, 2), &["`epsilon` is NaN"]);
    refused(Ucb1::new(-1.0).begin(2, 2), &["`width` is -1", "at least 0"]);
    let never = OptimisticThompson::new(BetaBelief::default(), Optimism::LargestOf(0));
    refused({ never }.begin(2, 2), &["LargestOf(0)", "at least one draw"]);
}

#[test]
fn priors_that_are_no_distributions() {
    let wrong = BetaBelief { successes: 0.0, failures: 1.0 };
    refused(Thompson::new(wrong).begin(2, 2), &["Beta(0, 1)", "above 0"]);
    refused(gittins_index(&wrong, 0.9, 1e-3), &["Beta(0, 1)"]);
    refused(OptimalPolicy::solve(wrong, 2, 2, 10), &["Beta(0, 1)"]);
    let flat = NormalBelief { precision: 0.0, ..NormalBelief::default() };
    refused(Greedy::new(flat, Ties::First).begin(2, 2), &["N(0, 1/0)", "above 0"]);
    let begin = |prior| Planning::new(Psrl::default(), prior).begin(Sizes { states: 2, actions: 2, horizon: 2 });
    refused(begin(Prior { concentration: 0.0, ..Prior::right() }), &["`concentration` is 0", "above 0"]);
    refused(begin(Prior { reward_precision: -1.0, ..Prior::right() }), &["`reward_precision` is -1"]);
    refused(begin(Prior { reward_mean: f64::NAN, ..Prior::right() }), &["`reward_mean` is NaN"]);
}

/// A belief in zeros and ones cannot learn from other numbers, and says so at the first of them.
#[test]
fn rewards_that_a_belief_rules_out() {
    refused(BetaBelief::default().observe(0.5), &["0.5", "0 or 1"]);
    refused(NormalBelief::default().observe(f64::NAN), &["NaN", "finite"]);
    let gaussian = GaussianBandits::default();
    refused(bandit::evaluate(Thompson::default, &gaussian, 5, 3, 0, 1), &["0 or 1", "fits the arms"]);
}

#[test]
fn indices_and_policies_out_of_reach() -> Result<()> {
    let prior = BetaBelief::default();
    refused(gittins_index(&prior, 1.0, 1e-3), &["`discount` is 1", "below 1"]);
    refused(gittins_index(&prior, 0.9, 0.0), &["`tolerance` is 0"]);
    refused(GittinsTable::new(prior, 0.9, 0, 100), &["horizon is zero"]);
    refused(GittinsTable::new(prior, 0.9, 5, 1), &["`steps` is 1"]);
    refused(GittinsTable::new(prior, 0.999_999, 5, 100), &["0.999999 with a horizon of 5", "32768"]);
    let table = Arc::new(GittinsTable::new(prior, 0.5, 5, 10)?);
    refused(Gittins::new(table).begin(2, 6), &["`horizon` is 6"]);
    refused(OptimalPolicy::solve(prior, 5, 100, 1000), &["5 arms and 100 pulls", "more than 1000 states"]);
    refused(OptimalPolicy::solve(prior, 5, 20, 1000), &["5 arms and 20 pulls", "more than 1000 states"]);
    let policy = Arc::new(OptimalPolicy::solve(prior, 2, 3, 1000)?);
    refused(BayesOptimal::new(policy.clone()).begin(3, 3), &["`n_arms` is 3"]);
    refused(BayesOptimal::new(policy).begin(2, 4), &["`horizon` is 4"]);
    Ok(())
}

#[test]
fn mdps_without_anything_to_do() {
    let sizes = Sizes { states: 2, actions: 0, horizon: 3 };
    refused(Planning::new(Psrl::default(), Prior::right()).begin(sizes), &["number of actions is zero"]);
    let make = || Planning::new(Psrl::default(), Prior::right());
    for episodes in [&[][..], &[5, 0]] {
        refused(tabular::evaluate(make, &TabularMdps::default(), episodes, 2, 0, 1), &["number of episodes is zero"]);
    }
    let still = TabularMdps { horizon: 0, ..TabularMdps::default() };
    assert!(matches!(tabular::evaluate(make, &still, &[1], 1, 0, 1), Err(Error::Envs(_))));
}

#[test]
fn settings_of_mdp_agents() {
    refused(GreedyRule::with_epsilon(-0.1).validate(), &["`epsilon` is -0.1"]);
    refused(Opsrl::new(0).validate(), &["`draws` is 0"]);
    refused(Beb::new(f64::INFINITY).validate(), &["`scaling` is inf"]);
    refused(Ucrl2::new(-0.3, Slack::Fresh).validate(), &["`scaling` is -0.3"]);
    refused(Ucrl2::new(0.3, Slack::Fresh).with_delta(0.0).validate(), &["`delta` is 0"]);
    let sizes = Sizes { states: 1, actions: 1, horizon: 1 };
    let begin = |config| QLearning::new(config).begin(sizes);
    let default = QLearningConfig::default();
    refused(begin(QLearningConfig { discount: 1.1, ..default }), &["`discount` is 1.1"]);
    refused(begin(QLearningConfig { rate: LearningRate::Constant(0.0), ..default }), &["`rate` is 0"]);
    refused(begin(QLearningConfig { rate: LearningRate::Polynomial(0.5), ..default }), &["1/n^0.5", "above ½"]);
}

#[test]
fn models_and_policies_of_other_sizes() -> Result<()> {
    refused(Model::new(2, 1, &[1.0; 3], &[0.0; 2]), &["3 numbers", "[S, A, S]"]);
    refused(Model::new(2, 1, &[0.5; 4], &[0.0; 3]), &["3 numbers", "[S, A]"]);
    let model = Model::new(2, 1, &[0.5; 4], &[1.0; 2])?;
    refused(backward_induction(&model, 0), &["horizon is zero"]);
    refused(value_iteration(&model, 1.0, 1e-3), &["`discount` is 1", "backward_induction"]);
    refused(value_iteration(&model, 0.5, 0.0), &["`tolerance` is 0"]);
    refused(policy_value(&model, &[]), &["horizon is zero"]);
    refused(policy_value(&model, &[1.0; 3]), &["3 numbers"]);
    refused(policy_value(&model, &[0.7, 1.0]), &["[0.7]", "distributions"]);
    refused(discounted_policy_value(&model, &[1.0; 4], 0.5), &["4 numbers"]);
    Ok(())
}
