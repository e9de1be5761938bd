//! Agents for sequences of tasks: their updates against closed forms, learned features, and transfer.

use anyhow::Result;
use rand::RngCore;
use rekindle_envs::{Action, Env, EnvFamily, GridRooms, LinearReward, Space, Transition, stream_rng};
use rekindle_transfer::Error;
use rekindle_transfer::successor::{
    Encoder, FeatureConfig, Given, RadialBasis, Reuse, Sample, Sfql, SfqlConfig, Step, Table, TaskAgent, TaskQConfig,
    TaskQLearning, TransitionFeatures, learn_features, play_task,
};

/// Five states in a row; the agent begins in the middle, and either end terminates. φ is one-hot in the end.
#[derive(Clone, Debug)]
struct Row {
    at: usize,
    weights: [f32; 2],
    features: [f32; 2],
}

impl Row {
    fn new(weights: [f32; 2]) -> Self {
        Self { at: 2, weights, features: [0.0; 2] }
    }
}

impl Env for Row {
    fn observation_space(&self) -> Space {
        Space::discrete(5)
    }

    fn action_space(&self) -> Space {
        Space::discrete(2)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        self.at = 2;
        obs[0] = 2.0;
        Ok(())
    }

    fn step(
        &mut self,
        action: Action<'_>,
        _rng: &mut dyn RngCore,
        obs: &mut [f32],
    ) -> rekindle_envs::Result<Transition> {
        self.at = if action.index(2)? == 1 { self.at + 1 } else { self.at - 1 };
        obs[0] = self.at as f32;
        self.features = [self.at == 0, self.at == 4].map(|end| f32::from(u8::from(end)));
        let reward = self.features.iter().zip(self.weights).map(|(phi, w)| phi * w).sum();
        Ok(Transition::new(reward, self.at == 0 || self.at == 4))
    }
}

impl LinearReward for Row {
    fn weights(&self) -> &[f32] {
        &self.weights
    }

    fn features(&self) -> &[f32] {
        &self.features
    }
}

fn sfql(rate: f64, epsilon: f64) -> Result<Sfql<Table, Given>> {
    let config = SfqlConfig { gamma: 0.5, epsilon, rate, weight_rate: 0.2, ..SfqlConfig::default() };
    Ok(Sfql::new(Table::default(), Given(2), 2, config)?)
}

/// With γ = ½ and the policy that goes right: ψ(2, right) = (0, ½), ψ(2, left) = γ ψ(1, right) = (0, ⅛) once left has been
/// tried, ψ(1, left) = (1, 0). All of it is found, and so are the weights.
#[test]
fn successor_features_and_weights_converge_to_their_closed_form() -> Result<()> {
    let mut agent = sfql(0.5, 0.4)?;
    let (chances, thoughts) = (&mut stream_rng(1, 0), &mut stream_rng(1, 1));
    play_task(&mut agent, &mut Row::new([0.1, 2.0]), (4000, 1), chances, thoughts)?;
    let found = [agent.successor_features(0, &[2.0])?, agent.successor_features(0, &[1.0])?].concat();
    let expected = [0.0, 0.125, 0.0, 0.5, 1.0, 0.0, 0.0, 0.25];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    let weights = agent.weights(0).unwrap_or_default();
    assert!((weights[0] - 0.1).abs() < 1e-3 && (weights[1] - 2.0).abs() < 1e-3, "{weights:?}");
    Ok(())
}

/// In a third task whose weights are told, the agent goes to the better end at once, without one step of learning there:
/// each of the first two tasks taught it the way to one end.
#[test]
fn told_weights_are_acted_on_at_once() -> Result<()> {
    let mut agent = sfql(0.5, 0.3)?;
    let (chances, thoughts) = (&mut stream_rng(2, 0), &mut stream_rng(2, 1));
    for weights in [[1.0, 0.0], [0.0, 1.0]] {
        play_task(&mut agent, &mut Row::new(weights), (1000, 1), chances, thoughts)?;
    }
    for (weights, end) in [([1.0, -1.0], 0), ([-1.0, 1.0], 1), ([0.2, 0.4], 1)] {
        agent.begin_task(thoughts)?;
        agent.set_weights(&weights)?;
        let actions = (0..200).map(|_| agent.act(&[2.0], thoughts)).collect::<std::result::Result<Vec<_>, _>>()?;
        // ε = 0.3 takes the other way 30 times of 200; five deviations are 26.
        let share = actions.iter().filter(|action| **action == end).count();
        assert!(share > 144, "{weights:?}: {share}");
    }
    Ok(())
}

/// One step by hand: the second task begins with a copy of the first ψ, the copy learns, and the old policy learns too where
/// the action was its own.
#[test]
fn the_policy_that_was_chosen_learns_beside_the_present_one() -> Result<()> {
    let mut agent = sfql(1.0, 0.0)?;
    let thoughts = &mut stream_rng(4, 0);
    let step = |next: &'static [f32], features: &'static [f32], terminated| Step {
        obs: &[2.0],
        action: 1,
        reward: 1.0,
        features,
        next_obs: next,
        terminated,
        done: terminated,
    };
    agent.begin_task(thoughts)?;
    agent.act(&[2.0], thoughts)?;
    agent.observe(step(&[3.0], &[0.25, 0.75], true))?;
    agent.begin_task(thoughts)?;
    assert_eq!(agent.successor_features(1, &[2.0])?, [0.0, 0.0, 0.25, 0.75]);
    agent.set_weights(&[0.0, 1.0])?;
    agent.act(&[2.0], thoughts)?;
    // Equal values are the newest policy's, so the old one stays as it was.
    agent.observe(step(&[2.0], &[0.0, 0.5], false))?;
    assert_eq!(agent.successor_features(1, &[2.0])?, [0.0, 0.0, 0.125, 0.875]);
    assert_eq!(agent.successor_features(0, &[2.0])?, [0.0, 0.0, 0.25, 0.75]);
    // Against weights that the old policy serves better, it is chosen, and learns.
    agent.set_weights(&[1.0, 0.0])?;
    agent.act(&[2.0], thoughts)?;
    agent.observe(step(&[2.0], &[0.0, 0.0], true))?;
    assert_eq!(agent.successor_features(1, &[2.0])?, [0.0; 4]);
    assert_eq!(agent.successor_features(0, &[2.0])?, [0.0; 4]);
    Ok(())
}

/// The last of `tasks` tasks on the grid and the sum of all, for one agent.
fn earn(agent: &mut dyn TaskAgent, tasks: &[[f32; 3]], steps: usize) -> Result<f64> {
    let (chances, thoughts) = (&mut stream_rng(5, 0), &mut stream_rng(5, 1));
    let mut total = 0.0;
    for rewards in tasks {
        total += play_task(agent, &mut GridRooms::default().make(rewards)?, (steps, 1), chances, thoughts)?.total;
    }
    Ok(total)
}

/// Six tasks of 10,000 steps on the grid: successor features earn at least 1.5 times as much as Q-learning, and more than
/// policy reuse. (The full experiment is `transfer/successor` of the bench.)
#[test]
fn successor_features_earn_more_than_learning_from_nothing() -> Result<()> {
    let tasks = GridRooms::default().sample_tasks(&mut stream_rng(6, 0), 6)?;
    let mut successor =
        Sfql::new(Table::default(), Given(4), 4, SfqlConfig { rate: 0.5, weight_rate: 0.5, ..SfqlConfig::default() })?;
    let config = TaskQConfig { rate: 0.5, ..TaskQConfig::default() };
    let mut scratch = TaskQLearning::new(Table::default(), 4, config)?;
    let reuse = TaskQConfig { reuse: Some(Reuse::default()), ..config };
    let mut reuse = TaskQLearning::new(Table::default(), 4, reuse)?;
    let totals =
        [earn(&mut successor, &tasks, 10_000)?, earn(&mut reuse, &tasks, 10_000)?, earn(&mut scratch, &tasks, 10_000)?];
    assert!(totals[2] > 0.0 && totals[0] > 1.5 * totals[2] && totals[0] > totals[1], "{totals:?}");
    Ok(())
}

/// Rewards of four tasks that are linear in two hidden events, whether bit 1 or bit 2 was switched on: two learned features
/// explain all of them, and a fifth task's weights are found on top of them.
#[test]
fn features_are_learned_from_rewards_in_many_tasks() -> Result<()> {
    let rng = &mut stream_rng(8, 0);
    let basis = RadialBasis { side: 2, deviation: 0.5, crossed: false };
    let mut draw = |w: [f64; 2], n: usize| -> Vec<Sample> {
        let coin = |rng: &mut dyn RngCore| rekindle_envs::random::below(rng, 2) as f32;
        let mut sample = || {
            let before = [coin(rng), coin(rng)];
            let after = before.map(|bit| if bit == 0.0 { coin(rng) } else { 1.0 });
            let reward = (0..2).map(|i| w[i] * f64::from(after[i] - before[i])).sum();
            let obs = |bits: [f32; 2]| vec![0.5, 0.5, bits[0], bits[1]];
            Sample { obs: obs(before), next_obs: obs(after), reward }
        };
        (0..n).map(|_| sample()).collect()
    };
    let tasks = [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [-0.5, -1.0]].map(|w| draw(w, 300));
    let unseen = draw([-1.0, 0.5], 200);
    let config = FeatureConfig { features: 4, updates: 1500, ..FeatureConfig::default() };
    let (mut features, error) = learn_features(basis, &tasks, &config, &mut stream_rng(8, 1))?;
    assert!(error < 0.01, "mean squared error {error}; rewards have one of about 0.5");
    let mut phi = Vec::new();
    for sample in &unseen {
        let mut out = [0.0; 4];
        let (obs, next_obs) = (&sample.obs[..], &sample.next_obs[..]);
        let step = Step { obs, action: 0, reward: 0.0, features: &[], next_obs, terminated: false, done: false };
        features.write(&step, &mut out)?;
        phi.extend(out);
    }
    let rewards: Vec<f64> = unseen.iter().map(|sample| sample.reward).collect();
    let w = rekindle_transfer::successor::fit_weights(&phi, &rewards, 1e-4)?;
    let errors = phi.chunks_exact(4).zip(&rewards).map(|(phi, r)| {
        let fitted: f64 = phi.iter().zip(&w).map(|(phi, w)| phi * w).sum();
        (fitted - r) * (fitted - r)
    });
    let mean = errors.sum::<f64>() / 200.0;
    assert!(mean < 0.02, "mean squared error {mean} in a task that was not seen");
    Ok(())
}

/// One Gaussian in each quarter, of σ = ¼: exp(−d²/2σ²) by hand. Crossed, a number that is shown repeats them in a place of its
/// own, so that no two features share a number.
#[test]
fn gaussians_are_crossed_with_what_is_shown() -> Result<()> {
    let (mut plain, mut crossed) = (Vec::new(), Vec::new());
    let obs = [0.25, 0.75, 0.0, 2.0];
    RadialBasis { side: 2, deviation: 0.25, crossed: false }.encode(&obs, &mut plain)?;
    RadialBasis { side: 2, deviation: 0.25, crossed: true }.encode(&obs, &mut crossed)?;
    let (one, two) = ((-2.0f64).exp(), (-4.0f64).exp());
    // Middles at (¼, ¼), (¼, ¾), (¾, ¼), (¾, ¾), half a side apart; then the numbers shown, 4 and 5, and the bias.
    let expected = [(0, one), (1, 1.0), (2, two), (3, one), (5, 2.0), (6, 1.0)];
    let close = |found: &[(usize, f64)], expected: &[(usize, f64)]| {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-9)
    };
    assert!(close(&plain, &expected), "{plain:?}");
    // Products with the first number, zero here, would be 4 to 7; those with the second are 8 to 11.
    let products = [(8, 2.0 * one), (9, 2.0), (10, 2.0 * two), (11, 2.0 * one), (13, 2.0), (14, 1.0)];
    assert!(close(&crossed, &[&expected[..4], &products[..]].concat()), "{crossed:?}");
    Ok(())
}

/// Policy reuse follows a policy whose episodes pay more, by exp(τ W).
#[test]
fn policy_reuse_follows_what_pays() -> Result<()> {
    let reuse = Reuse { follow: 1.0, greed: 100.0 };
    let config = TaskQConfig { gamma: 0.5, epsilon: 0.2, rate: 0.5, reuse: Some(reuse) };
    let mut agent = TaskQLearning::new(Table::default(), 2, config)?;
    let (chances, thoughts) = (&mut stream_rng(9, 0), &mut stream_rng(9, 1));
    let mut play = |weights, steps| play_task(&mut agent, &mut Row::new(weights), (steps, 1), chances, thoughts);
    play([0.0, 1.0], 2000)?;
    // The same task again: the old policy reaches the end in two steps from the start, so half of the steps pay.
    let again = play([0.0, 1.0], 400)?;
    assert!(again.total > 150.0, "{again:?}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let mut agent = sfql(0.5, 0.1)?;
    let thoughts = &mut stream_rng(0, 0);
    assert!(agent.set_weights(&[1.0, 0.0]).unwrap_err().to_string().contains("after a task has begun"));
    agent.begin_task(thoughts)?;
    let wrong = agent.set_weights(&[1.0, 0.0, 0.0]).unwrap_err();
    assert!(matches!(wrong, Error::Width { found: 3, expected: 2, .. }), "{wrong}");
    let mut other = Sfql::new(Table::default(), Given(3), 2, SfqlConfig::default())?;
    let played =
        play_task(&mut other, &mut Row::new([1.0, 0.0]), (10, 1), &mut stream_rng(0, 1), thoughts).unwrap_err();
    assert_eq!(
        played.to_string(),
        "the features of a transition has 2 numbers, but 3 are expected; give as many as the world or the agent was made with"
    );
    assert!(agent.successor_features(1, &[0.0]).is_err());
    assert!(play_task(&mut agent, &mut Row::new([1.0, 0.0]), (0, 1), &mut stream_rng(0, 1), thoughts).is_err());
    assert!(RadialBasis::default().encode(&[0.5], &mut Vec::new()).is_err());
    assert!(RadialBasis { side: 0, ..RadialBasis::default() }.encode(&[0.5, 0.5], &mut Vec::new()).is_err());
    let config = SfqlConfig::default();
    for config in [
        SfqlConfig { gamma: 1.0, ..config },
        SfqlConfig { epsilon: -0.1, ..config },
        SfqlConfig { rate: 0.0, ..config },
        SfqlConfig { weight_rate: f64::NAN, ..config },
        SfqlConfig { initial_weight: f64::INFINITY, ..config },
    ] {
        assert!(Sfql::new(Table::default(), Given(2), 2, config).is_err(), "{config:?}");
    }
    assert!(Sfql::new(Table::default(), Given(0), 2, config).is_err());
    let reuse = Some(Reuse { follow: 2.0, greed: 1.0 });
    assert!(TaskQLearning::new(Table::default(), 2, TaskQConfig { reuse, ..TaskQConfig::default() }).is_err());
    assert!(TaskQLearning::new(Table::default(), 0, TaskQConfig::default()).is_err());
    let config = FeatureConfig { batch: 1, ..FeatureConfig::default() };
    assert!(learn_features(Table::default(), &[vec![]], &config, thoughts).is_err());
    assert!(learn_features(Table::default(), &[vec![]], &FeatureConfig::default(), thoughts).is_err());
    Ok(())
}
