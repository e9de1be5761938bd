//! RL² and MAML-RL: resumption, determinism, learning, errors.

use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_envs::{BernoulliBandits, ClipActions, EnvFamily, PointFamily, PointFlavour, Space};
use rekindle_meta_rl::{
    Adapts, Critic, Error, Learner, MamlRl, MamlRlConfig, Outer, Rl2, Rl2Config, TrainConfig, TrialUpdate, train,
};
use rekindle_nn::Activation;
use rekindle_rl::{
    ActionHead, Deviation, Estimator, FeedForward, HessianProduct, Policy, Ppo, PpoConfig, Recurrent, TrustRegionConfig,
};

type Bandits = Rl2<BernoulliBandits>;

fn rl2(units: usize, trials: usize) -> Bandits {
    Rl2::new(BernoulliBandits::uniform(2), Rl2Config { units, trials, ..small_trials() }).unwrap()
}

fn small_trials() -> Rl2Config {
    let ppo =
        PpoConfig { gamma: 1.0, lambda: 0.95, epochs: 4, minibatches: 4, lr: 3e-3.into(), ..PpoConfig::default() };
    let update = TrialUpdate::Ppo(Ppo::new(ppo).unwrap());
    Rl2Config { episodes: 10, steps: 10, trials: 16, units: 8, critic: Critic::Shared, update, ..Rl2Config::default() }
}

fn points() -> impl EnvFamily<Task = [f32; 2], Env = impl rekindle_envs::Env + Send> {
    PointFamily { horizon: 10, ..PointFamily::new(PointFlavour::Maml) }.wrap(|env| ClipActions::scaled(env, 1.0))
}

fn policy() -> Policy {
    let head = ActionHead::new(&Space::unbounded(2), Deviation::default()).unwrap();
    Policy::new(FeedForward::mlp(&[2, 8, 2], Activation::Tanh).unwrap(), head).unwrap()
}

fn small() -> MamlRlConfig {
    MamlRlConfig { tasks: 3, trajectories: 4, test_trajectories: 4, horizon: 10, ..MamlRlConfig::default() }
}

fn bits(params: &rekindle_autodiff::Params) -> Vec<u64> {
    params.leaves().iter().flat_map(|leaf| leaf.to_vec_f64().unwrap()).map(f64::to_bits).collect()
}

/// Trains in two parts, the second from the file of the first, and in one.
fn resumes(learner: &dyn Learner, folder: &Path) {
    let config = |iterations, name: &str| TrainConfig {
        iterations,
        seed: 3,
        checkpoint: Some(folder.join(name)),
        ..TrainConfig::default()
    };
    let whole = train(learner, &config(4, "whole"), &mut |_| Ok(true)).unwrap();
    let first = train(learner, &config(4, "parts"), &mut |at| Ok(at.iteration < 2)).unwrap();
    assert_eq!(first.iterations, 2);
    let second = train(learner, &config(4, "parts"), &mut |_| Ok(true)).unwrap();
    assert_eq!(bits(&whole.last), bits(&second.last));
    assert_eq!(bits(&whole.best), bits(&second.best));
    assert_ne!(bits(&whole.last), bits(&first.last));
    let other = TrainConfig { seed: 4, ..config(4, "parts") };
    assert!(train(learner, &other, &mut |_| Ok(true)).is_err(), "another seed's checkpoint");
}

#[test]
fn a_resumed_run_has_the_bits_of_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    resumes(&rl2(8, 16), folder.path());
    let folder = tempfile::tempdir().unwrap();
    resumes(&MamlRl::new(points(), policy(), small()).unwrap(), folder.path());
    let folder = tempfile::tempdir().unwrap();
    let config = MamlRlConfig { outer: Outer::ppo(), ..small() };
    resumes(&MamlRl::new(points(), policy(), config).unwrap(), folder.path());
}

#[test]
fn rl2_learns_to_find_the_better_of_two_arms() {
    // Exact optimum of ten pulls on two arms: 6.0218. Random: 5.
    let learner = rl2(24, 256);
    let trained =
        train(&learner, &TrainConfig { iterations: 300, ..TrainConfig::default() }, &mut |_| Ok(true)).unwrap();
    let test = learner.test(&trained.last, 4000, 11).unwrap().summary().unwrap();
    let (mean, error) = (test.mean, test.standard_error);
    assert!(mean > 5.5, "{mean} ± {error}");
    assert!(mean < 6.0218 + 4.0 * error, "{mean} ± {error} is above the optimum");
}

#[test]
fn maml_adapts_to_the_goal_of_a_point() {
    let config = MamlRlConfig { tasks: 10, trajectories: 10, test_trajectories: 10, ..small() };
    let learner = MamlRl::new(points(), policy(), config).unwrap();
    let trained =
        train(&learner, &TrainConfig { iterations: 25, ..TrainConfig::default() }, &mut |_| Ok(true)).unwrap();
    let tasks = points().sample_tasks(&mut ChaCha8Rng::seed_from_u64(9), 20).unwrap();
    let before = learner.init(&mut ChaCha8Rng::seed_from_u64(0), candle_core::DType::F32, &candle_core::Device::Cpu);
    let fresh = learner.test(&before.unwrap(), &tasks, 1, 0.1, 5).unwrap();
    let adapted = learner.test(&trained.last, &tasks, 1, 0.1, 5).unwrap();
    let [before, after, fresh] =
        [adapted.after(0), adapted.after(1), fresh.after(1)].map(|summary| summary.unwrap().mean);
    assert!(after > before + 0.1, "{before} to {after}");
    assert!(after > fresh + 0.3, "{after} against {fresh}");
}

#[test]
fn variants_adapt_what_they_say() {
    let tasks = [[0.3, 0.1], [-0.2, 0.4]];
    let learner = |adapts| MamlRl::new(points(), policy(), MamlRlConfig { adapts, ..small() }).unwrap();
    for adapts in [Adapts::All, Adapts::Below("actor.fc2".into()), Adapts::LearnedRates(0.1)] {
        let learner = learner(adapts.clone());
        let trained = train(&learner, &TrainConfig { iterations: 2, ..TrainConfig::default() }, &mut |_| Ok(true));
        let returns = learner.test(&trained.unwrap().last, &tasks, 2, 0.1, 1).unwrap().returns;
        assert_eq!((returns.len(), returns[0].len()), (3, 2), "{adapts:?}");
        assert!(returns.iter().flatten().all(|x| x.is_finite()), "{adapts:?}");
    }
}

/// A policy of one's own that is the settings' own gives the same bits; one without memory is trained too, and what does
/// not fit is refused.
#[test]
fn rl2_takes_policies() {
    let bandits = BernoulliBandits::uniform(2);
    let usual = rl2(8, 16);
    let head = || ActionHead::new(&Space::discrete(2), Deviation::default()).unwrap();
    let with = |policy| Rl2::with_policy(bandits.clone(), policy, small_trials());
    // One state, two actions, the last reward, the end of the last pull; two actions and a value.
    let same = with(Policy::with_shared_value(Recurrent::new(5, 8, 3).unwrap().orthogonal(), head()).unwrap()).unwrap();
    let config = TrainConfig { iterations: 2, ..TrainConfig::default() };
    let trained = |learner: &Bandits| train(learner, &config, &mut |_| Ok(true)).unwrap().last;
    assert_eq!(bits(&trained(&usual)), bits(&trained(&same)));
    assert_ne!(usual.fingerprint(), same.fingerprint(), "a checkpoint belongs to one policy");

    let net = |inputs, outputs| FeedForward::mlp(&[inputs, 6, outputs], Activation::Tanh).unwrap();
    let forgetful = with(Policy::new(net(5, 2), head()).unwrap().with_critic(net(5, 1)).unwrap()).unwrap();
    let test = forgetful.test(&trained(&forgetful), 20, 1).unwrap();
    assert!(test.totals.iter().all(|total| (0.0..=10.0).contains(total)));

    let refused = |policy| with(policy).unwrap_err().to_string();
    assert!(refused(Policy::new(net(5, 2), head()).unwrap()).contains("with_critic"));
    assert!(refused(Policy::with_shared_value(net(4, 3), head()).unwrap()).contains("4 inputs"));
    let trpo = Rl2Config { update: Rl2Config::default().update, ..small_trials() };
    let shared = Policy::with_shared_value(net(5, 3), head()).unwrap();
    assert!(Rl2::with_policy(bandits.clone(), shared, trpo).unwrap_err().to_string().contains("Separate"));
}

#[test]
fn wrong_settings_are_named() {
    let refused = |config: MamlRlConfig| MamlRl::new(points(), policy(), config).err().expect("refused").to_string();
    assert!(refused(MamlRlConfig { inner_lr: 0.0, ..small() }).contains("inner_lr"));
    assert!(refused(MamlRlConfig { tasks: 0, ..small() }).contains("tasks"));
    let unknown = refused(MamlRlConfig { adapts: Adapts::Below("head".into()), ..small() });
    assert!(unknown.contains("actor.") && unknown.contains("head"), "{unknown}");
    let trpo =
        TrustRegionConfig { hessian: HessianProduct::Differences { step: 1e-3 }, ..TrustRegionConfig::default() };
    let differences = MamlRlConfig { outer: Outer::Trpo(trpo), ..small() };
    assert!(differences.validate().is_ok());
    let dice = MamlRlConfig { estimator: Estimator::Dice, ..differences };
    assert!(dice.validate().unwrap_err().to_string().contains("Dice"));
    let negative = Rl2Config { reward_scale: -1.0, ..Rl2Config::default() }.validate().unwrap_err();
    assert!(negative.to_string().contains("reward_scale"), "{negative}");
    let zero = Rl2::new(BernoulliBandits::uniform(2), Rl2Config { trials: 0, ..Rl2Config::default() }).unwrap_err();
    assert!(zero.to_string().contains("trials"));
    let learner = rl2(4, 4);
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(0), candle_core::DType::F32, &candle_core::Device::Cpu);
    let short =
        Rl2::new(BernoulliBandits::uniform(2), Rl2Config { episodes: 10, steps: 9, units: 4, ..Rl2Config::default() });
    let unfinished = short.unwrap();
    let fresh = unfinished.init(&mut ChaCha8Rng::seed_from_u64(0), candle_core::DType::F32, &candle_core::Device::Cpu);
    assert!(matches!(unfinished.test(&fresh.unwrap(), 5, 0), Err(Error::Unfinished { unfinished: 5, .. })));
    assert!(learner.test(&params.unwrap(), 5, 0).is_ok());
}
