//! What is refused, and how.

use std::sync::Arc;

use rand::RngCore;
use rekindle_envs::{
    Action, Actions, BernoulliBandits, Catch, ClipActions, Env, EnvFamily, Error, FirstPersonMazes, GaussianBandits,
    GridConfig, GridEnv, GridFamily, GridMap, Pendulum, PointFamily, PointFlavour, Redraw, Result, Space, TabularMdp,
    TabularMdps, TaskPool, TimeLimit, Transition, Trial, VecEnv, random, stream_rng,
};

use crate::common::Counter;

fn text<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

#[test]
fn actions_outside_of_their_space_name_row_step_value_and_space() -> Result<()> {
    let mut batch = VecEnv::new(vec![Counter::until(9), Counter::until(9)])?;
    batch.reset(0)?;
    batch.step(Actions::Discrete(&[0, 0]))?;
    let error = text(batch.step(Actions::Discrete(&[0, 5])));
    assert_eq!(error, "environment 1, step 1: action 5 lies outside of Discrete(3)");
    // A wrong action moved nobody, so the batch goes on.
    assert_eq!(batch.step(Actions::Discrete(&[0, 0]))?.obs[0], 2.0);
    assert_eq!(
        text(batch.step(Actions::Discrete(&[0]))),
        "2 environments with actions in Discrete(3) need 2 numbers, but there are 1"
    );
    assert_eq!(
        text(batch.step(Actions::Continuous(&[0.0; 2]))),
        "continuous actions do not fit the action space Discrete(3)"
    );
    let mut batch = VecEnv::new(vec![Pendulum::default()])?;
    batch.reset(0)?;
    let error = text(batch.step(Actions::Continuous(&[2.5])));
    assert_eq!(error, "environment 0, step 0: action [2.5] lies outside of Box([1], from -2 to 2)");
    assert!(text(batch.step(Actions::Continuous(&[f32::NAN]))).contains("action [NaN] lies outside"));
    Ok(())
}

#[test]
fn steps_need_a_reset_first_and_after_an_error() -> Result<()> {
    let mut batch = VecEnv::new(vec![Counter::until(2)])?;
    assert!(matches!(batch.step(Actions::Discrete(&[0])), Err(Error::NotReset)));
    let mut poisoned = VecEnv::new(vec![Counter { first_reward: f32::NAN, ..Counter::until(2) }])?;
    poisoned.reset(0)?;
    assert!(poisoned.step(Actions::Discrete(&[0])).is_err());
    assert!(matches!(poisoned.step(Actions::Discrete(&[0])), Err(Error::NotReset)));
    Ok(())
}

#[test]
fn rewards_that_are_no_numbers_name_row_and_step() -> Result<()> {
    for (bad, threads) in [(f32::NAN, 1), (f32::INFINITY, 3)] {
        let mut envs = vec![Counter { count: 0, ..Counter::until(3) }; 5];
        envs[3].first_reward = bad;
        envs[4].first_reward = bad;
        let mut batch = VecEnv::new(envs)?.threads(threads);
        batch.reset(0)?;
        match batch.step(Actions::Discrete(&[0; 5])) {
            Err(Error::At { env: 3, step: 0, source }) => assert!(matches!(*source, Error::Reward { .. })),
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[test]
fn spaces_must_agree() {
    let mixed: Vec<Box<dyn Env + Send>> = vec![Box::new(Counter::until(2)), Box::new(Catch::default())];
    assert_eq!(
        text(VecEnv::new(mixed)),
        "the observation space of task 1 is Box([10, 5], from 0 to 1), but that of the first task is \
         Box([2], from [0.0, 0.0] to [1000.0, 1.0])"
    );
    let family = BernoulliBandits::uniform(2);
    let tasks: [Arc<[f64]>; 3] = [[0.5, 0.5].into(), [0.1, 0.2].into(), [0.1, 0.2, 0.3].into()];
    let error = text(VecEnv::stack(&family, &tasks, 4));
    assert_eq!(error, "the action space of task 2 is Discrete(3), but that of the first task is Discrete(2)");
}

/// Bandits with a random number of arms: no family.
#[derive(Clone, Debug)]
struct Uneven;

impl EnvFamily for Uneven {
    type Task = Arc<[f64]>;
    type Env = rekindle_envs::Bandit;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        let arms = 1 + random::below(rng, 3);
        BernoulliBandits::uniform(arms).sample(rng)
    }

    fn make(&self, task: &Self::Task) -> Result<Self::Env> {
        BernoulliBandits::uniform(task.len()).make(task)
    }
}

#[test]
fn a_redrawn_task_with_other_spaces_is_found_when_it_comes() -> Result<()> {
    let mut batch = VecEnv::new(vec![Redraw::new(Uneven, &mut stream_rng(0, 0))?])?;
    let errors: Vec<_> = (0..30).filter_map(|seed| batch.reset(seed).err()).collect();
    assert!(errors.iter().any(|error| error.to_string().contains("the action space of task")), "{errors:?}");
    Ok(())
}

#[test]
fn horizons_of_zero_are_errors() {
    assert!(matches!(TimeLimit::new(Counter::until(1), 0), Err(Error::ZeroHorizon { .. })));
    assert!(matches!(Trial::new(Counter::until(1), 0), Err(Error::ZeroHorizon { .. })));
    let rng = &mut stream_rng(0, 0);
    assert!(matches!(TabularMdps { horizon: 0, ..TabularMdps::default() }.sample(rng), Err(Error::ZeroHorizon { .. })));
    let point = PointFamily { horizon: 0, ..PointFamily::default() };
    assert_eq!(
        text(point.make(&[0.0, 0.0])),
        "the time limit is zero, so that nothing would ever happen; it must be at least 1"
    );
    let mazes = FirstPersonMazes { horizon: 0, ..FirstPersonMazes::small() };
    assert!(mazes.sample(rng).and_then(|maze| mazes.make(&maze)).is_err());
}

#[test]
fn batches_of_nothing_are_errors() -> Result<()> {
    assert!(matches!(VecEnv::<Counter>::new(vec![]), Err(Error::EmptyBatch { .. })));
    let family = BernoulliBandits::uniform(2);
    assert_eq!(text(VecEnv::stack(&family, &[], 3)), "a batch needs at least one environment: 0 tasks × 3 copies");
    let task = family.sample(&mut stream_rng(0, 0))?;
    assert!(matches!(VecEnv::stack(&family, std::slice::from_ref(&task), 0), Err(Error::EmptyBatch { .. })));
    let mut batch = VecEnv::stack(&family, std::slice::from_ref(&task), 2)?;
    assert!(text(batch.set_tasks(&family, &[task.clone(), task])).contains("holds 1 tasks, so it cannot take 2"));
    assert!(TaskPool::new(family, vec![]).is_err());
    Ok(())
}

#[test]
fn numbers_out_of_range_name_their_field() {
    let rng = &mut stream_rng(0, 0);
    let cases = [
        (text(BernoulliBandits::uniform(0).sample(rng)), "`arms` is 0, but must be at least 1"),
        (text(BernoulliBandits { arms: 1, prior: [0.0, 1.0] }.sample(rng)), "`prior` is Beta(0, 1)"),
        (text(BernoulliBandits::uniform(2).make(&[0.5, 1.5].into())), "`means` is 1.5 for one arm, but must be prob"),
        (text(GaussianBandits::default().make(&[f64::NAN].into())), "`means` is NaN for one arm"),
        (text(GaussianBandits { deviation: -1.0, ..GaussianBandits::default() }.sample(rng)), "`deviation` is -1"),
        (text(TabularMdps { states: 0, ..TabularMdps::default() }.sample(rng)), "`states` is 0"),
        (text(TabularMdps { concentration: 0.0, ..TabularMdps::default() }.sample(rng)), "`concentration` is 0"),
        (text(TabularMdp::new([2, 1], 3, vec![0.5; 4], vec![0.0], 1.0)), "`rewards` is 1 numbers"),
        (text(TabularMdp::new([2, 1], 3, vec![0.6; 4], vec![0.0; 2], 1.0)), "`transitions` is [0.6, 0.6] in a row"),
        (text(PointFamily::new(PointFlavour::Maml).make(&[f32::NAN, 0.0])), "`goal` is [NaN, 0.0]"),
        (text(Catch::new(1, 5)), "`rows` is 1"),
        (text(ClipActions::scaled(Pendulum::default(), 0.0)), "`s` is 0, but must be above 0"),
        (text(ClipActions::new(Counter::until(1))), "continuous actions do not fit the action space Discrete(3)"),
    ];
    for (found, expected) in cases {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn maps_are_refused_with_line_and_column() {
    let cases = [
        ("S.G\n.?.", "map, line 2, column 2: `?` means nothing; use one of # . S G k D H x"),
        ("S.G\n..", "map, line 2, column 2: the row has 2 squares, the first one has 3"),
        ("..G", "map, line 1, column 1: the map has no start `S`"),
        ("S..", "map, line 1, column 1: the map has no goal `G`"),
        ("", "map, line 1, column 1: the map has no start `S`"),
    ];
    for (map, expected) in cases {
        assert_eq!(text(GridMap::parse(map)), expected);
    }
    let map = Arc::new(GridMap::montezuma());
    assert!(text(GridEnv::new(map.clone(), GridConfig::default(), Some(2))).contains("`goal` is 2"));
    assert!(GridFamily { map, config: GridConfig::default(), horizon: 5 }.make(&7).is_err());
}

/// An environment with a failure of its own.
#[derive(Clone)]
struct Broken;

impl Env for Broken {
    fn observation_space(&self) -> Space {
        Space::unbounded(1)
    }

    fn action_space(&self) -> Space {
        Space::discrete(1)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, _obs: &mut [f32]) -> Result<()> {
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, _rng: &mut dyn RngCore, _obs: &mut [f32]) -> Result<Transition> {
        Err(Error::Other("the robot is on fire".into()))
    }
}

#[test]
fn an_environment_s_own_errors_come_through() -> Result<()> {
    let mut batch = VecEnv::new(vec![Broken])?;
    batch.reset(0)?;
    assert_eq!(text(batch.step(Actions::Discrete(&[0]))), "environment 0, step 0: the robot is on fire");
    Ok(())
}
