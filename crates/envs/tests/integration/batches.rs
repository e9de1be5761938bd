//! Batches: streams, autoreset, trials, wrappers.

use proptest::prelude::*;
use rand::RngCore;
use rekindle_envs::{
    Action, ActionBuffer, Actions, Augment, BernoulliBandits, ClipActions, Env, EnvFamily, PointEnv, PointFlavour,
    Redraw, Result, Single, Space, TabularMdps, TaskPool, TimeLimit, Trial, VecEnv, env_rng, stream_rng,
};

use crate::common::Counter;

#[test]
fn a_finished_episode_gives_way_in_the_same_step() -> Result<()> {
    let mut batch = VecEnv::new(vec![Counter::until(2), Counter::until(3)])?;
    assert_eq!((batch.dims(), batch.n_envs()), ([1, 2], 2));
    let first = batch.reset(1)?.to_vec();
    assert_eq!((first[0], first[2]), (0.0, 0.0));
    batch.step(Actions::Discrete(&[0, 0]))?;
    let step = batch.step(Actions::Discrete(&[0, 0]))?;
    assert_eq!(
        (step.terminated, step.truncated, step.episode_ended),
        (&[true, false][..], &[false; 2][..], &[true, false][..])
    );
    // The first row has begun again; its last observation stands apart.
    assert_eq!((step.obs[0], step.final_obs[0], step.obs[2]), (0.0, 2.0, 2.0));
    assert_eq!((step.next_obs(0)[0], step.next_obs(1)[0]), (2.0, 2.0));
    let step = batch.step(Actions::Discrete(&[0, 0]))?;
    assert_eq!((step.terminated, step.obs[0], step.obs[2]), (&[false, true][..], 1.0, 0.0));
    Ok(())
}

/// All observations and rewards of a batch on drawn actions; the actions of row (m, b) depend on m and b alone.
fn trace<F: EnvFamily>(
    family: &F,
    tasks: &[F::Task],
    copies: usize,
    threads: usize,
    steps: usize,
) -> Result<Vec<Vec<u32>>> {
    let mut batch = VecEnv::stack(family, tasks, copies)?.threads(threads);
    let size = batch.observation_space().size();
    let mut traces = vec![Vec::new(); batch.n_envs()];
    let mut generators: Vec<_> = (0..batch.n_envs()).map(|row| env_rng(99, row / copies, row % copies)).collect();
    batch.reset(7)?;
    for _ in 0..steps {
        let actions =
            generators.iter_mut().map(|rng| rng.next_u32() % batch.action_space().n_features() as u32).collect();
        let step = batch.step(ActionBuffer::Discrete(actions).view())?;
        for (row, trace) in traces.iter_mut().enumerate() {
            trace.extend(step.obs[row * size..(row + 1) * size].iter().map(|x| x.to_bits()));
            trace.push(step.reward[row].to_bits());
        }
    }
    Ok(traces)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What happens in task m, copy b is the same in any batch that has it, on any number of threads.
    #[test]
    fn a_row_knows_nothing_of_its_neighbours(n_tasks in 1_usize..5, copies in 1_usize..5, threads in 1_usize..9) {
        let family = TabularMdps::default().trials(2);
        let tasks = family.sample_tasks(&mut stream_rng(1, 0), 4).unwrap();
        let whole = trace(&family, &tasks, 4, 1, 40).unwrap();
        let part = trace(&family, &tasks[..n_tasks], copies, threads, 40).unwrap();
        for (row, seen) in part.iter().enumerate() {
            prop_assert_eq!(seen, &whole[row / copies * 4 + row % copies]);
        }
    }
}

#[test]
fn copies_of_a_task_and_seeds_differ() -> Result<()> {
    let family = TabularMdps::default();
    let tasks = family.sample_tasks(&mut stream_rng(1, 0), 2)?;
    let rows = trace(&family, &tasks, 2, 1, 20)?;
    assert!((1..4).all(|row| !rows[..row].contains(&rows[row])));
    let mut batch = VecEnv::new(vec![Counter::until(9)])?;
    let (one, other) = (batch.reset(1)?.to_vec(), batch.reset(2)?.to_vec());
    assert_ne!(one, other);
    assert_eq!(batch.reset(1)?, one);
    Ok(())
}

#[test]
fn time_limits_truncate_and_leave_termination_alone() -> Result<()> {
    let mut batch = VecEnv::new(vec![TimeLimit::new(Counter::until(5), 3)?, TimeLimit::new(Counter::until(3), 3)?])?;
    batch.reset(0)?;
    for t in 1..=3 {
        let step = batch.step(Actions::Discrete(&[0, 0]))?;
        assert_eq!(step.truncated, [t == 3, t == 3]);
        assert_eq!(step.terminated, [false, t == 3]);
        assert_eq!(step.episode_ended, [t == 3, t == 3]);
    }
    Ok(())
}

#[test]
fn trials_go_on_over_their_episodes() -> Result<()> {
    let limited = TimeLimit::new(Counter::until(9), 2)?;
    let mut batch = VecEnv::new(vec![Trial::new(limited, 3)?])?;
    batch.reset(0)?;
    let mut seen = Vec::new();
    for _ in 0..12 {
        let step = batch.step(Actions::Discrete(&[0]))?;
        assert!(!step.truncated[0]);
        seen.push((step.obs[0], step.episode_ended[0], step.terminated[0]));
    }
    let episode = |last| [(1.0, false, false), (0.0, true, last)];
    let trial = [episode(false), episode(false), episode(true)].concat();
    assert_eq!(seen, [trial.clone(), trial].concat());
    Ok(())
}

#[test]
fn augmented_observations_tell_the_last_step() -> Result<()> {
    let family = TabularMdps { states: 3, actions: 2, horizon: 2, noise: 0.0, ..TabularMdps::default() };
    let family = family.trials(2).wrap(|env| Ok(Augment::new(env)));
    let task = family.sample(&mut stream_rng(3, 0))?;
    let mut env = family.make(&task)?;
    let layout = env.layout().clone();
    assert_eq!((layout.obs.clone(), layout.action.clone(), layout.reward, layout.ended), (0..3, 3..5, 5, 6));
    assert_eq!(layout.size(), env.observation_space().size());
    let (mut rng, mut obs) = (stream_rng(4, 0), [f32::NAN; 7]);
    env.reset(&mut rng, &mut obs)?;
    assert_eq!(obs, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let first = env.step(Action::Discrete(1), &mut rng, &mut obs)?;
    assert_eq!((&obs[3..5], obs[5], obs[6]), (&[0.0, 1.0][..], first.reward, 0.0));
    assert_eq!((obs[..3].iter().sum::<f32>(), first.reward), (1.0, task.rewards()[1] as f32));
    // The second step ends the first episode: back in state 0, with what led there.
    let second = env.step(Action::Discrete(0), &mut rng, &mut obs)?;
    assert_eq!(obs, [1.0, 0.0, 0.0, 1.0, 0.0, second.reward, 1.0]);
    assert!(!second.done() && second.episode_ended);
    env.step(Action::Discrete(0), &mut rng, &mut obs)?;
    assert_eq!(obs[6], 0.0);
    assert!(env.step(Action::Discrete(0), &mut rng, &mut obs)?.terminated);
    Ok(())
}

#[test]
fn augmented_continuous_actions_appear_as_numbers() -> Result<()> {
    let mut env = Augment::new(PointEnv::new(PointFlavour::Lecture, [3.0, 4.0], false));
    let (mut rng, mut obs) = (stream_rng(4, 0), [f32::NAN; 6]);
    env.reset(&mut rng, &mut obs)?;
    assert_eq!(obs, [0.0; 6]);
    env.step(Action::Continuous(&[0.5, -0.5]), &mut rng, &mut obs)?;
    let distance = -(2.5_f32 * 2.5 + 4.5 * 4.5).sqrt();
    assert_eq!(obs, [0.5, -0.5, 0.5, -0.5, distance, 0.0]);
    Ok(())
}

#[test]
fn redrawn_tasks_change_with_every_trial_and_only_then() -> Result<()> {
    let family = BernoulliBandits::uniform(3).trials(5);
    let redraw = Redraw::new(&family, &mut stream_rng(0, 0))?;
    let mut batch = VecEnv::new(vec![redraw.clone(), redraw])?;
    batch.reset(3)?;
    let mut tasks = Vec::new();
    for t in 0..15 {
        let task = batch.env(0).map(|env| env.task().clone());
        if t % 5 == 0 {
            assert!(!tasks.contains(&task));
            tasks.push(task.clone());
        }
        assert_eq!(tasks.last(), Some(&task));
        assert_ne!(batch.env(1).map(|env| env.task().clone()), task);
        assert_eq!(batch.step(Actions::Discrete(&[0, 1]))?.terminated, [t % 5 == 4; 2]);
    }
    Ok(())
}

#[test]
fn tasks_can_be_replaced() -> Result<()> {
    let family = BernoulliBandits::uniform(2);
    let certain =
        |best: usize| -> std::sync::Arc<[f64]> { [0, 1].map(|arm| if arm == best { 1.0 } else { 0.0 }).into() };
    let mut batch = VecEnv::stack(&family, &[certain(0), certain(1)], 2)?;
    assert_eq!(batch.dims(), [2, 2]);
    batch.reset(0)?;
    assert_eq!(batch.step(Actions::Discrete(&[0, 0, 0, 0]))?.reward, [1.0, 1.0, 0.0, 0.0]);
    batch.set_tasks(&family, &[certain(1), certain(0)])?;
    assert!(batch.step(Actions::Discrete(&[0; 4])).is_err());
    batch.reset(0)?;
    assert_eq!(batch.step(Actions::Discrete(&[0, 0, 0, 0]))?.reward, [0.0, 0.0, 1.0, 1.0]);
    Ok(())
}

#[test]
fn pools_draw_their_own_tasks_only() -> Result<()> {
    let [train, test] = TaskPool::split(BernoulliBandits::uniform(2), 5, 3, &mut stream_rng(0, 0))?;
    assert_eq!((train.tasks().len(), test.tasks().len()), (5, 3));
    assert!(test.tasks().iter().all(|task| !train.tasks().contains(task)));
    let drawn = train.sample_tasks(&mut stream_rng(1, 0), 100)?;
    assert!(drawn.iter().all(|task| train.tasks().contains(task)));
    assert!(train.tasks().iter().all(|task| drawn.contains(task)));
    Ok(())
}

/// rllab's wrapper: 1 means the bound, and what is beyond is clipped; ProMP's has 10 in the place of 1.
#[test]
fn actions_are_scaled_and_clipped() -> Result<()> {
    let point = || PointEnv::new(PointFlavour::Maml, [0.4, 0.4], false);
    let mut cases =
        [ClipActions::new(point())?, ClipActions::scaled(point(), 1.0)?, ClipActions::scaled(point(), 10.0)?];
    let expected = [[0.05, -0.1], [0.005, -0.1], [0.0005, -0.02]];
    for (env, expected) in cases.iter_mut().zip(expected) {
        assert_eq!(env.action_space(), Space::unbounded(2));
        let (mut rng, mut obs) = (stream_rng(0, 0), [0.0; 2]);
        env.reset(&mut rng, &mut obs)?;
        env.step(Action::Continuous(&[0.05, -2.0]), &mut rng, &mut obs)?;
        assert!((0..2).all(|axis| (obs[axis] - expected[axis]).abs() < 1e-7), "{obs:?}, not {expected:?}");
    }
    Ok(())
}

#[test]
fn boxed_environments_and_single_families_are_environments_too() -> Result<()> {
    let envs: Vec<Box<dyn Env + Send>> = vec![Box::new(Counter::until(2)), Box::new(Trial::new(Counter::until(1), 2)?)];
    let mut batch = VecEnv::new(envs)?;
    batch.reset(0)?;
    assert_eq!(batch.step(Actions::Discrete(&[0, 0]))?.episode_ended, [false, true]);
    let family = Single(Counter::until(3));
    assert_eq!(VecEnv::stack(&family, &family.sample_tasks(&mut stream_rng(0, 0), 2)?, 3)?.dims(), [2, 3]);
    Ok(())
}
