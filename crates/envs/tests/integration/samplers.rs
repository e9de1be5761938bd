//! Distributions of tasks, and the returns of an agent that acts at random.

use rekindle_envs::{
    ActionBuffer, BernoulliBandits, CornerReward, Env, EnvFamily, GaussianBandits, Maze, PointFamily, PointFlavour,
    Result, TabularMdps, VecEnv, stream_rng,
};

/// Mean of the numbers and its standard error.
fn mean(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Within four standard errors.
fn assert_mean(what: &str, numbers: &[f64], expected: f64) {
    let (mean, error) = mean(numbers);
    assert!((mean - expected).abs() < 4.0 * error, "{what}: {mean} ± {error}, not {expected}");
}

#[test]
fn arms_have_their_prior_s_moments() -> Result<()> {
    let rng = &mut stream_rng(1, 0);
    let arms = |tasks: &[std::sync::Arc<[f64]>]| -> Vec<f64> { tasks.iter().flat_map(|task| task.to_vec()).collect() };
    let squares = |arms: &[f64]| -> Vec<f64> { arms.iter().map(|p| p * p).collect() };
    let uniform = arms(&BernoulliBandits::uniform(5).sample_tasks(rng, 4000)?);
    assert!(uniform.iter().all(|p| (0.0..1.0).contains(p)));
    assert_mean("uniform", &uniform, 0.5);
    assert_mean("uniform, squared", &squares(&uniform), 1.0 / 3.0);
    let beta = arms(&BernoulliBandits { arms: 5, prior: [2.0, 3.0] }.sample_tasks(rng, 4000)?);
    // E[p] = a/(a + b), E[p²] = a (a + 1)/((a + b)(a + b + 1)).
    assert_mean("beta", &beta, 0.4);
    assert_mean("beta, squared", &squares(&beta), 6.0 / 30.0);
    let normal = arms(&GaussianBandits { arms: 5, mean: 2.0, deviation: 0.5, noise: 1.0 }.sample_tasks(rng, 4000)?);
    assert_mean("normal", &normal, 2.0);
    assert_mean("normal, squared", &squares(&normal), 4.25);
    Ok(())
}

/// Returns of whole trials of a random agent, one for each of `n` tasks.
fn random_returns<F: EnvFamily>(family: &F, n: usize, steps: usize) -> Result<Vec<f64>> {
    let tasks = family.sample_tasks(&mut stream_rng(2, 0), n)?;
    let mut batch = VecEnv::stack(family, &tasks, 1)?;
    let rng = &mut stream_rng(2, 1);
    let mut returns = vec![0.0; n];
    batch.reset(2)?;
    for _ in 0..steps {
        let actions: ActionBuffer = batch.action_space().sample_actions(rng, n);
        let step = batch.step(actions.view())?;
        returns.iter_mut().zip(step.reward).for_each(|(sum, reward)| *sum += f64::from(*reward));
    }
    Ok(returns)
}

/// The published columns for the random agent: 5.0 for ten pulls, 100.1 for ten episodes in MDPs; exactly 5 and 100 in
/// expectation.
#[test]
fn random_agents_earn_what_the_tables_say() -> Result<()> {
    assert_mean("bandits", &random_returns(&BernoulliBandits::uniform(5).trials(10), 4000, 10)?, 5.0);
    assert_mean("MDPs", &random_returns(&TabularMdps::default().trials(10), 1000, 100)?, 100.0);
    Ok(())
}

#[test]
fn mdps_are_drawn_as_the_paper_says() -> Result<()> {
    let tasks = TabularMdps::default().sample_tasks(&mut stream_rng(3, 0), 200)?;
    let rewards: Vec<f64> = tasks.iter().flat_map(|mdp| mdp.rewards().to_vec()).collect();
    assert_mean("mean rewards", &rewards, 1.0);
    assert_mean("their spread", &rewards.iter().map(|r| (r - 1.0) * (r - 1.0)).collect::<Vec<_>>(), 1.0);
    let squares: Vec<f64> =
        tasks.iter().flat_map(|mdp| mdp.transitions().iter().map(|p| p * p).collect::<Vec<_>>()).collect();
    assert_mean("transitions, squared", &squares, 2.0 / 110.0);
    Ok(())
}

#[test]
fn rewards_and_moves_follow_the_tables() -> Result<()> {
    let family = TabularMdps { states: 3, actions: 2, horizon: 1, ..TabularMdps::default() };
    let task = family.sample(&mut stream_rng(4, 0))?;
    let (mut env, rng) = (family.make(&task)?, &mut stream_rng(4, 1));
    let (mut rewards, mut moves) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        let mut obs = [0.0];
        env.reset(rng, &mut obs)?;
        rewards.push(f64::from(env.step(rekindle_envs::Action::Discrete(1), rng, &mut obs)?.reward));
        moves.push(f64::from(u8::from(obs[0] == 2.0)));
    }
    assert_mean("reward of (0, 1)", &rewards, task.rewards()[1]);
    let spread: Vec<f64> = rewards.iter().map(|r| (r - task.rewards()[1]) * (r - task.rewards()[1])).collect();
    assert_mean("variance of the reward", &spread, 1.0);
    assert_mean("moves to state 2", &moves, task.transitions()[5]);
    Ok(())
}

#[test]
fn goals_lie_where_each_paper_puts_them() -> Result<()> {
    let goals = |flavour| PointFamily::new(flavour).sample_tasks(&mut stream_rng(5, 0), 4000);
    for (flavour, half) in [(PointFlavour::Maml, 0.5), (PointFlavour::Pearl, 1.0), (PointFlavour::Lecture, 10.0)] {
        let goals = goals(flavour)?;
        assert!(goals.iter().flatten().all(|x| x.abs() <= half));
        // E[x²] = half²/3.
        let squares: Vec<f64> = goals.iter().flatten().map(|x| f64::from(x * x)).collect();
        assert_mean("squares", &squares, f64::from(half * half) / 3.0);
    }
    let corners = goals(PointFlavour::ProMpCorners { reward: CornerReward::Sparse })?;
    for corner in [[-2.0, -2.0], [-2.0, 2.0], [2.0, -2.0], [2.0, 2.0]] {
        let share: Vec<f64> = corners.iter().map(|goal| f64::from(u8::from(*goal == corner))).collect();
        assert_mean("a corner", &share, 0.25);
    }
    let circle = goals(PointFlavour::PearlHalfCircle { sparse: true })?;
    assert!(circle.iter().all(|[x, y]| (x * x + y * y - 1.0).abs() < 1e-6 && *y >= -1e-6));
    // E[sin] over the half circle is 2/π.
    assert_mean(
        "heights",
        &circle.iter().map(|goal| f64::from(goal[1])).collect::<Vec<_>>(),
        std::f64::consts::FRAC_2_PI,
    );
    Ok(())
}

/// Rewards by hand, for one step of each flavour.
#[test]
fn points_are_rewarded_by_their_papers() -> Result<()> {
    let corners = |reward| PointFlavour::ProMpCorners { reward };
    let half_circle = |sparse| PointFlavour::PearlHalfCircle { sparse };
    // Flavour, goal, from, by, reward.
    type Case = (PointFlavour, [f32; 2], [f32; 2], [f32; 2], f32);
    let cases: [Case; 10] = [
        (PointFlavour::Maml, [0.3, 0.4], [0.0, 0.0], [0.1, 0.1], -(0.04_f32 + 0.09).sqrt()),
        (corners(CornerReward::Dense), [2.0, 2.0], [0.0, 0.0], [0.2, 0.0], -(1.8_f32 * 1.8 + 4.0).sqrt()),
        (corners(CornerReward::DenseSquared), [2.0, 2.0], [0.0, 0.0], [0.2, 0.0], -(1.8 * 1.8 + 4.0)),
        (corners(CornerReward::Sparse), [2.0, 2.0], [0.1, 0.1], [0.1, 0.1], 0.0),
        (corners(CornerReward::Sparse), [2.0, 2.0], [0.4, 0.4], [0.1, 0.1], 0.02_f32.sqrt()),
        (corners(CornerReward::Sparse), [2.0, -2.0], [0.4, 0.4], [0.1, 0.1], 0.0),
        (PointFlavour::Pearl, [0.3, 0.4], [0.0, 0.0], [0.0, 0.0], -0.5),
        (half_circle(false), [0.0, 1.0], [0.0, 0.9], [0.0, 0.05], -0.05),
        (half_circle(true), [0.0, 1.0], [0.0, 0.9], [0.0, 0.05], 0.95),
        (half_circle(true), [0.0, 1.0], [0.0, 0.5], [0.0, 0.1], 0.0),
    ];
    for (flavour, goal, from, by, reward) in cases {
        let mut env = rekindle_envs::PointEnv::new(flavour, goal, false);
        env.set_position(from);
        let step = env.step(rekindle_envs::Action::Continuous(&by), &mut stream_rng(0, 0), &mut [0.0; 2])?;
        assert!((step.reward - reward).abs() < 1e-5, "{flavour:?}: {}, not {reward}", step.reward);
        assert!(!step.terminated);
    }
    let mut env = rekindle_envs::PointEnv::new(PointFlavour::Maml, [0.105, 0.0], false);
    assert!(env.step(rekindle_envs::Action::Continuous(&[0.1, 0.0]), &mut stream_rng(0, 0), &mut [0.0; 2])?.terminated);
    Ok(())
}

#[test]
fn starts_and_goals_of_mazes_are_spread_evenly() -> Result<()> {
    let rng = &mut stream_rng(6, 0);
    let mazes: Vec<Maze> = (0..4000).map(|_| Maze::sample(3, rng)).collect::<Result<_>>()?;
    // By symmetry the mean coordinate is the middle square.
    for axis in [0, 1] {
        assert_mean("starts", &mazes.iter().map(|maze| maze.start()[axis] as f64).collect::<Vec<_>>(), 3.0);
        assert_mean("goals", &mazes.iter().map(|maze| maze.goal()[axis] as f64).collect::<Vec<_>>(), 3.0);
    }
    assert_mean("headings", &mazes.iter().map(|maze| maze.heading() as f64).collect::<Vec<_>>(), 1.5);
    Ok(())
}
