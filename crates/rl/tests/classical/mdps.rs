//! Agents for MDPs: scores from a seed against published ones, exact values and each other.

use std::sync::Arc;

use anyhow::Result;
use rekindle_envs::{EnvFamily, TabularMdp, TabularMdps, random, stream_rng};
use rekindle_rl::instances::Summary;
use rekindle_rl::tabular::{
    Beb, Experience, Greedy, LearningRate, Model, Opsrl, PlanRule, Planning, Prior, Psrl, QLearning, QLearningConfig,
    RandomAction, Sizes, Slack, TabularAgent, Ucrl2, backward_induction, evaluate, play, policy_value, value_iteration,
};

/// Episodes of RL²'s table that are short enough for a test.
const EPISODES: [usize; 2] = [10, 25];

fn scores<R: PlanRule>(rule: impl Fn() -> R + Sync, prior: Prior, instances: usize) -> Result<Vec<Summary>> {
    let make = || Planning::new(rule(), prior);
    Ok(evaluate(make, &TabularMdps::default(), &EPISODES, instances, 7, 2)?)
}

/// Duan et al., *RL²*, 2016, Table 2, over 1000 instances; within three standard errors of the difference.
#[test]
fn scores_are_those_of_the_published_table() -> Result<()> {
    let (published, vague) = (Prior::published(), Prior::published_greedy());
    let rows = [
        ("PSRL", scores(Psrl::default, published, 400)?, [138.1, 408.8]),
        ("OPSRL", scores(|| Opsrl::new(10), published, 200)?, [144.1, 425.2]),
        ("UCRL2", scores(|| Ucrl2::new(0.3, Slack::Accumulating), Prior::published_ucrl2(), 400)?, [146.6, 424.1]),
        ("BEB", scores(|| Beb::new(0.001), published, 400)?, [150.2, 427.8]),
        ("ε-greedy", scores(|| Greedy::with_epsilon(0.1), vague, 400)?, [132.8, 377.3]),
        ("greedy", scores(Greedy::default, vague, 400)?, [134.8, 368.8]),
    ];
    for (name, ours, table) in rows {
        for ((ours, table), n) in ours.iter().zip(table).zip(EPISODES) {
            let theirs = ours.deviation / 1000_f64.sqrt();
            let bound = 3.0 * ours.standard_error.hypot(theirs);
            assert!((ours.mean - table).abs() < bound, "{name}, {n} episodes: {ours:?}, published {table}");
        }
    }
    Ok(())
}

/// What the published baselines did not know is worth about as much as RL²'s lead: greedy with the right prior.
#[test]
fn the_right_prior_is_worth_more_than_exploration() -> Result<()> {
    let right = scores(Greedy::default, Prior::right(), 300)?;
    let wrong = scores(Greedy::default, Prior::published_greedy(), 300)?;
    assert!(right[0].mean > wrong[0].mean + 10.0 && right[1].mean > wrong[1].mean + 35.0, "{right:?} {wrong:?}");
    Ok(())
}

/// The random agent's mean return is the exact value of the uniform policy.
#[test]
fn the_random_agent_has_the_value_of_the_uniform_policy() -> Result<()> {
    let mdp = TabularMdps::default().sample(&mut stream_rng(5, 0))?;
    let exact = policy_value(&Model::of(&mdp), &[0.2; 500])?[0];
    let returns = play(&mut RandomAction::default(), &mdp, 20_000, &mut stream_rng(5, 1), &mut stream_rng(5, 2))?;
    let summary = Summary::of(&returns)?;
    assert!((summary.mean - exact).abs() < 4.0 * summary.standard_error, "{summary:?}, exact {exact}");
    Ok(())
}

/// Regret per episode falls towards zero: after 300 episodes of a small MDP these agents get at least 90 % of what the
/// known MDP is worth above random play.
#[test]
fn explorers_end_near_the_optimum() -> Result<()> {
    let family = TabularMdps { states: 4, actions: 3, ..TabularMdps::default() };
    let mdp = family.sample(&mut stream_rng(8, 0))?;
    let best = backward_induction(&Model::of(&mdp), 10)?.value(0, 0);
    let random = policy_value(&Model::of(&mdp), &[1.0 / 3.0; 120])?[0];
    let agents: [(&str, Box<dyn TabularAgent>); 4] = [
        ("PSRL", Box::new(Planning::new(Psrl::default(), Prior::right()))),
        ("OPSRL", Box::new(Planning::new(Opsrl::new(5), Prior::right()))),
        ("UCRL2", Box::new(Planning::new(Ucrl2::new(0.1, Slack::Fresh), Prior::right()))),
        ("BEB", Box::new(Planning::new(Beb::new(0.001), Prior::right()))),
    ];
    for (name, mut agent) in agents {
        let returns = play(&mut agent, &mdp, 600, &mut stream_rng(8, 1), &mut stream_rng(8, 2))?;
        let late = Summary::of(&returns[300..])?;
        assert!(late.mean > random + 0.9 * (best - random), "{name}: {late:?} of {best}, random {random}");
    }
    Ok(())
}

/// Q-learning from uniformly random pairs of an endless MDP goes where value iteration goes.
#[test]
fn q_learning_converges_to_the_optimal_values() -> Result<()> {
    let family = TabularMdps { states: 3, actions: 2, ..TabularMdps::default() };
    let mdp = family.sample(&mut stream_rng(6, 0))?;
    let optimal = value_iteration(&Model::of(&mdp), 0.5, 1e-10)?;
    let rate = LearningRate::Polynomial(0.77);
    let mut agent = QLearning::new(QLearningConfig { discount: 0.5, rate, ..QLearningConfig::default() });
    agent.begin(Sizes::of(&mdp))?;
    let rng = &mut stream_rng(6, 1);
    for _ in 0..200_000 {
        let (state, action) = (random::below(rng, 3), random::below(rng, 2));
        agent.observe(sampled(&mdp, state, action, rng));
    }
    for state in 0..3 {
        for (q, exact) in agent.action_values(state).iter().zip(&optimal.actions[2 * state..]) {
            assert!((q - exact).abs() < 0.1, "state {state}: {q}, not {exact}");
        }
    }
    Ok(())
}

fn sampled(mdp: &Arc<TabularMdp>, state: usize, action: usize, rng: &mut dyn rand::RngCore) -> Experience {
    let row = state * mdp.actions() + action;
    let mut u = random::unit_f64(rng);
    let probabilities = &mdp.transitions()[row * mdp.states()..(row + 1) * mdp.states()];
    let next = probabilities.iter().position(|p| {
        u -= p;
        u < 0.0
    });
    let reward = mdp.rewards()[row] + random::normal(rng);
    Experience { state, action, reward, next: next.unwrap_or(mdp.states() - 1), last: false }
}

/// Two steps by hand: N(0, 1) and noise 1 give mean 1.5 after 2 and 2.5, precision 3; the last transition of an episode is
/// not counted by the published prior.
#[test]
fn posteriors_by_hand() -> Result<()> {
    let sizes = Sizes { states: 2, actions: 1, horizon: 2 };
    for (prior, weight) in [(Prior::published(), 3.0), (Prior { reward_mean: 0.0, ..Prior::right() }, 4.0)] {
        let mut agent = Planning::new(Psrl::default(), prior);
        agent.begin(sizes)?;
        agent.observe(Experience { state: 0, action: 0, reward: 2.0, next: 0, last: false });
        agent.observe(Experience { state: 0, action: 0, reward: 2.5, next: 1, last: true });
        let posterior = agent.posterior().expect("an MDP has begun");
        assert!((posterior.reward_means()[0] - 1.5).abs() < 1e-12);
        assert_eq!((posterior.reward_precisions()[0], posterior.transition_weights()[0]), (3.0, weight));
    }
    Ok(())
}

#[test]
fn a_seed_decides_everything() -> Result<()> {
    let run = |seed, threads| {
        let make = || Planning::new(Psrl::default(), Prior::right());
        evaluate(make, &TabularMdps::default(), &[3], 6, seed, threads)
    };
    assert_eq!(run(1, 1)?, run(1, 3)?);
    assert_ne!(run(1, 1)?, run(2, 1)?);
    Ok(())
}
