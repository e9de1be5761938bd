//! What is played: the same bits however the batch and the time are cut, and what ends look like.

use candle_core::DType;
use rand::RngCore;
use rekindle_envs::{
    Action, Augment, BernoulliBandits, ClipActions, Env, EnvFamily, PointFamily, Single, Space, TimeLimit, Transition,
    VecEnv,
};
use rekindle_rl::{Collector, FeedForward, Memory, Policy, Result, Rollout, Sequence};

use crate::common::{assert_close, feed_forward, head, init, per_task, recurrent, rng, shared};

/// Counts up to 5 and terminates; its limit cuts it after 3 steps in odd rows, where the first draw says so.
#[derive(Clone, Debug, Default)]
struct Count {
    at: f32,
    limit: Option<f32>,
    poison: Option<f32>,
}

impl Env for Count {
    fn observation_space(&self) -> Space {
        Space::unbounded(2)
    }

    fn action_space(&self) -> Space {
        Space::discrete(2)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        self.at = 0.0;
        self.limit = (rng.next_u32() & 1 == 1).then_some(3.0);
        obs.copy_from_slice(&[self.at, 1.0]);
        Ok(())
    }

    fn step(
        &mut self,
        action: Action<'_>,
        _rng: &mut dyn RngCore,
        obs: &mut [f32],
    ) -> rekindle_envs::Result<Transition> {
        self.at += 1.0;
        obs.copy_from_slice(&[self.at, 1.0]);
        let reward = if self.poison == Some(self.at) { f32::NAN } else { self.at + action.index(2)? as f32 };
        let truncated = self.limit == Some(self.at);
        let terminated = self.at == 5.0;
        Ok(Transition { reward, terminated, truncated, episode_ended: terminated || truncated })
    }
}

fn counts(copies: usize) -> VecEnv<Count> {
    VecEnv::new(vec![Count::default(); copies]).unwrap()
}

fn numbers(rollout: &Rollout) -> Result<Vec<Vec<f64>>> {
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let experience = &rollout.experience;
    Ok(vec![
        experience.obs.to_vec_f64()?,
        rekindle_autodiff::Tensor::new(experience.actions.clone()).to_vec_f64()?,
        wide(&rollout.rewards),
        experience.log_probs.to_vec_f64()?,
        rollout.times.iter().map(|&t| f64::from(t)).collect(),
    ])
}

#[test]
fn two_rollouts_are_one_that_is_twice_as_long() -> Result<()> {
    for policy in
        [feed_forward(2, &Space::discrete(2)), recurrent(2, &Space::discrete(2)), shared(2, &Space::discrete(2))]
    {
        let params = init(&policy, 1, DType::F32);
        let mut long = Collector::new(counts(4), 7)?;
        let whole = long.collect(&policy, &params, 14)?;
        let mut short = Collector::new(counts(4), 7)?;
        let (first, second) = (short.collect(&policy, &params, 5)?, short.collect(&policy, &params, 9)?);
        for ((whole, first), second) in numbers(&whole)?.iter().zip(numbers(&first)?).zip(numbers(&second)?) {
            assert_eq!(*whole, [first, second].concat());
        }
        assert_eq!(
            whole.experience.starts,
            [first.experience.starts.clone(), second.experience.starts.clone()].concat()
        );
        assert_eq!(whole.finished, [first.finished.clone(), second.finished.clone()].concat());
        assert_eq!(whole.last_obs.to_vec_f64()?, second.last_obs.to_vec_f64()?);
        // What the first part bootstraps from is what the second begins with.
        let (values, cut) = (whole.values.unwrap(), first.values.unwrap());
        let cut_here = (5 * 4 - 4..5 * 4).filter(|&i| !whole.terminated[i] && !whole.truncated[i]);
        for i in cut_here {
            assert_eq!(cut.next[i], values.of[i + 4]);
        }
    }
    Ok(())
}

/// Rows of batches of several shapes, tasks and threads.
#[test]
fn a_row_depends_on_nothing_but_itself() -> Result<()> {
    let family = PointFamily::default().wrap(ClipActions::new);
    let tasks = family.sample_tasks(&mut rng(3), 3)?;
    let policy = recurrent(2, &family.make(&tasks[0])?.action_space());
    let play = |n_tasks: usize, copies: usize, threads: usize| -> Result<(usize, Rollout)> {
        let env = VecEnv::stack(&family, &tasks[..n_tasks], copies)?.threads(threads);
        let params = per_task(&policy, 3, DType::F32).narrow_tasks(0, n_tasks)?;
        Ok((copies, Collector::new(env, 11)?.collect(&policy, &params, 9)?))
    };
    let (big, all) = play(3, 4, 1)?;
    for (copies, part) in [play(3, 2, 1)?, play(2, 4, 3)?, play(1, 1, 1)?, play(3, 4, 2)?] {
        let [t, m, _] = part.experience.dims();
        for step in 0..t {
            for (task, copy) in (0..m).flat_map(|task| (0..copies).map(move |copy| (task, copy))) {
                let (here, there) = ((step * m + task) * copies + copy, (step * 3 + task) * big + copy);
                assert_eq!(part.rewards[here], all.rewards[there], "step {step}, task {task}, copy {copy}");
            }
        }
    }
    Ok(())
}

#[test]
fn bootstraps_are_values_of_what_was_reached() -> Result<()> {
    for policy in
        [feed_forward(2, &Space::discrete(2)), recurrent(2, &Space::discrete(2)), shared(2, &Space::discrete(2))]
    {
        let params = init(&policy, 2, DType::F64);
        let rollout = Collector::new(counts(6), 5)?.collect(&policy, &params, 11)?;
        let values = rollout.values.as_ref().unwrap();
        assert!(rollout.terminated.contains(&true) && rollout.truncated.contains(&true));
        let n = rollout.rewards.len();
        for i in 0..n {
            if rollout.terminated[i] {
                assert_eq!(values.next[i], 0.0);
            } else if !rollout.truncated[i] && i + 6 < n {
                assert_eq!(values.next[i], values.of[i + 6]);
            }
        }
        // A cut episode reached 3: its value, from a memory of 0, 1, 2.
        let cut = rollout.truncated.iter().position(|&cut| cut).unwrap();
        let seen = rekindle_autodiff::Tensor::from_vec(vec![0.0f64, 1., 1., 1., 2., 1., 3., 1.], (4, 1, 1, 2))?;
        let memory = policy.memory([1, 1], DType::F64, seen.device())?;
        let outputs =
            policy.forward(&params, Sequence { obs: &seen, starts: &[true, false, false, false] }, &memory)?;
        let expected = outputs.values.unwrap().to_vec_f64()?[3];
        assert_close(&[f64::from(values.next[cut])], &[expected], 1e-6);
        assert!(rollout.final_obs.iter().any(|(place, obs)| *place == cut && obs == &[3.0, 1.0]));
        assert!(rollout.finished.iter().all(|done| done.length == 3 || done.length == 5));
    }
    Ok(())
}

/// Log probabilities and values that were collected step by step are those of the whole sequence.
#[test]
fn a_rollout_evaluates_to_what_was_played() -> Result<()> {
    for policy in
        [feed_forward(2, &Space::discrete(2)), recurrent(2, &Space::discrete(2)), shared(2, &Space::discrete(2))]
    {
        let params = init(&policy, 3, DType::F64);
        let mut collector = Collector::new(counts(5), 5)?;
        collector.collect(&policy, &params, 4)?;
        let rollout = collector.collect(&policy, &params, 8)?;
        let experience = &rollout.experience;
        let outputs = policy.forward(&params, experience.sequence(), &experience.memory)?;
        let log_probs = outputs.distribution.log_prob(&experience.actions)?;
        assert_close(&log_probs.to_vec_f64()?, &experience.log_probs.to_vec_f64()?, 1e-12);
        assert!(experience.mean(&experience.distribution.kl(&outputs.distribution)?)?.to_f64()?.abs() < 1e-12);
    }
    Ok(())
}

/// Inside of a trial an episode's end is no start; the end of a trial is.
#[test]
fn memory_outlives_episodes_but_not_trials() -> Result<()> {
    let family =
        BernoulliBandits { arms: 3, ..BernoulliBandits::default() }.trials(4).wrap(|env| Ok(Augment::new(env)));
    let tasks = family.sample_tasks(&mut rng(1), 2)?;
    let env = VecEnv::stack(&family, &tasks, 2)?;
    let policy = recurrent(env.observation_space().n_features(), env.action_space());
    let rollout = Collector::new(env, 1)?.collect(&policy, &init(&policy, 1, DType::F32), 8)?;
    assert!(rollout.episode_ended.iter().all(|&ended| ended));
    let marks: Vec<bool> = (0..8).flat_map(|step| vec![step % 4 == 0; 4]).collect();
    assert_eq!(rollout.experience.starts, marks);
    assert_eq!(rollout.finished.len(), 8);
    Ok(())
}

#[test]
fn first_only_leaves_one_decision_process_a_row() -> Result<()> {
    let policy = feed_forward(2, &Space::discrete(2));
    let rollout = Collector::new(counts(6), 5)?.collect(&policy, &init(&policy, 2, DType::F32), 11)?.first_only()?;
    let weights = rollout.experience.weights.as_ref().unwrap().to_vec_f64()?;
    for row in 0..6 {
        let length = (0..11).filter(|step| weights[step * 6 + row] == 1.0).count() as u32;
        let first = rollout.finished.iter().find(|done| done.row == row).unwrap();
        assert_eq!(length, first.length);
        assert!((0..11).all(|step| (weights[step * 6 + row] == 1.0) == (step < length as usize)));
    }
    Ok(())
}

/// Training stops and says which environment and which step.
#[test]
fn a_reward_that_is_no_number_says_where() -> Result<()> {
    let mut envs = vec![Count::default(); 3];
    envs[1].poison = Some(2.0);
    let policy = feed_forward(2, &Space::discrete(2));
    let mut collector = Collector::new(VecEnv::new(envs)?, 5)?;
    let error = collector.collect(&policy, &init(&policy, 2, DType::F32), 11).unwrap_err().to_string();
    assert!(error.contains("environment 1, step 1") && error.contains("reward is NaN"), "{error}");
    Ok(())
}

/// A limit of one step around an environment that never ends by itself.
#[test]
fn time_limits_cut_rollouts() -> Result<()> {
    let space = Space::discrete(2);
    let policy = Policy::new(FeedForward::mlp(&[2, 4, 2], rekindle_nn::Activation::Tanh)?, head(&space))?;
    let env = VecEnv::stack(&Single(TimeLimit::new(Count::default(), 1)?), &[()], 2)?;
    let rollout = Collector::new(env, 1)?.collect(&policy, &init(&policy, 1, DType::F32), 3)?;
    assert!(rollout.truncated.iter().all(|&cut| cut) && rollout.values.is_none());
    assert!(Memory::default().actor.is_none());
    Ok(())
}
