//! Students of several teachers.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rekindle_autodiff::Tensor;
use rekindle_envs::{Catch, Env, GridConfig, GridEnv, GridMap, GridRewards, TimeLimit, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_optim::Adam;
use rekindle_rl::{Net, QCollector, QConfig, QLearner};
use rekindle_transfer::Error;
use rekindle_transfer::policy::{FeatureNet, Mimic, MimicConfig, Plays, Teacher};

type Game = Box<dyn Env + Send>;

fn grid(map: &str) -> Result<Game> {
    let rewards = GridRewards { step: -0.01, ..GridRewards::default() };
    let env = GridEnv::new(Arc::new(GridMap::parse(map)?), GridConfig { rewards, ..GridConfig::default() }, None)?;
    Ok(Box::new(TimeLimit::new(env, 30)?))
}

fn games(game: usize) -> Result<VecEnv<Game>> {
    let make = || -> Result<Game> {
        match game {
            0 => Ok(Box::new(Catch::new(6, 5)?)),
            1 => grid("S.x\n..x\n..G"),
            _ => grid("Sk#\n..D\n..G"),
        }
    };
    Ok(VecEnv::new((0..8).map(|_| make()).collect::<Result<Vec<_>>>()?)?)
}

/// A DQN of one game, trained for 1200 steps of eight environments.
fn teach(game: usize) -> Result<Teacher> {
    let envs = games(game)?;
    let (inputs, actions) = (envs.observation_space().n_features(), envs.action_space().n_features());
    let net = FeatureNet::new(&[inputs, 32], actions, Activation::Relu)?;
    let config = QConfig { gamma: 0.95, copy_every: 50, optimiser: Arc::new(Adam::new(3e-3)), ..QConfig::default() };
    let learner = QLearner::new(net.clone(), actions, config)?;
    let rng = &mut stream_rng(game as u64, 0);
    let mut state = learner.init(&net.init(rng, DType::F32, &Device::Cpu)?)?;
    let mut play = QCollector::new(envs, 1)?;
    let mut buffer = play.buffer(1000)?;
    for step in 0..1200 {
        play.step(&learner, &state.params, (1.0 - f64::from(step) / 800.0).max(0.05), &mut buffer)?;
        if step >= 20 {
            state = learner.update(&state, &buffer, rng)?.0;
        }
    }
    Ok(Teacher { net, params: state.params, temperature: 0.03 })
}

/// Catch and two grid worlds of different sizes: one student gets within a tenth of every teacher's return, by either way.
#[test]
fn one_student_is_as_good_as_three_teachers() -> Result<()> {
    let teachers = (0..3).map(teach).collect::<Result<Vec<_>>>()?;
    let inputs = teachers.iter().map(|teacher| teacher.net.n_inputs()).sum();
    for config in [MimicConfig::default(), MimicConfig::distillation()] {
        let net = FeatureNet::new(&[inputs, 64], 4, Activation::Relu)?;
        let config = MimicConfig { optimiser: Arc::new(Adam::new(2e-3)), ..config };
        let lessons = teachers.iter().enumerate().map(|(i, teacher)| Ok((teacher.clone(), games(i)?)));
        let mut mimic = Mimic::new(net, lessons.collect::<Result<Vec<_>>>()?, config.clone(), 3)?;
        let rng = &mut stream_rng(4, 0);
        (0..800).try_for_each(|_| mimic.step(rng).map(|_| ()))?;
        for game in 0..3 {
            let mut test = |who| mimic.test(game, who, 40, 9);
            let (student, teacher) = (test(Plays::Student)?, test(Plays::Teacher)?);
            assert!(teacher > 0.8, "teacher {game}: {teacher}");
            assert!(student >= 0.9 * teacher, "{:?}, game {game}: {student}, the teacher {teacher}", config.plays);
        }
    }
    Ok(())
}

/// A teacher whose values are (0, ½, 1) everywhere, at τ = ½: the cross-entropy is least where the student is the teacher, and is
/// the entropy of softmax(0, 1, 2) there.
#[test]
fn the_loss_comes_down_to_the_teacher_s_entropy() -> Result<()> {
    let rng = &mut stream_rng(5, 0);
    let catch: Game = Box::new(Catch::new(3, 1)?);
    let net = FeatureNet::new(&[3, 2], 3, Activation::Relu)?;
    let params = net.init(rng, DType::F32, &Device::Cpu)?.zeros_like()?.map_named(|name, leaf| match name {
        "head.fc1.bias" => Tensor::from_vec(vec![0.0f32, 0.5, 1.0], (1, 3)),
        _ => Ok(leaf.clone()),
    })?;
    let teacher = Teacher { net, params, temperature: 0.5 };
    let student = FeatureNet::new(&[3, 2], 3, Activation::Relu)?;
    let config = MimicConfig { feature_weight: 0.0, ..MimicConfig::default() };
    let mut mimic = Mimic::new(student, vec![(teacher, VecEnv::new(vec![catch])?)], config, 0)?;
    let weights = [0.0f64, 1.0, 2.0].map(f64::exp);
    let total: f64 = weights.iter().sum();
    let entropy: f64 = weights.iter().map(|w| -w / total * (w / total).ln()).sum();
    let first = mimic.step(rng)?.loss;
    let mut last = first;
    for _ in 0..3000 {
        last = mimic.step(rng)?.loss;
    }
    assert!(first > entropy + 0.01 && (last - entropy).abs() < 1e-3, "from {first} to {last}, entropy {entropy}");
    Ok(())
}

/// The error of what must not be made.
fn refused<T>(made: Result<T, Error>) -> Error {
    match made {
        Err(error) => error,
        Ok(_) => panic!("it was made"),
    }
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let rng = &mut stream_rng(0, 0);
    let mut teacher = |inputs: usize, temperature| -> Result<Teacher> {
        let net = FeatureNet::new(&[inputs, 4], 3, Activation::Relu)?;
        Ok(Teacher { params: net.init(rng, DType::F32, &Device::Cpu)?, net, temperature })
    };
    let student = |inputs: usize, outputs| FeatureNet::new(&[inputs, 4], outputs, Activation::Relu);
    let config = MimicConfig::default();
    let right = || games(0);
    let wrong = refused(Mimic::new(student(29, 3)?, vec![(teacher(30, 0.1)?, right()?)], config.clone(), 0));
    assert!(matches!(wrong, Error::Width { found: 29, expected: 30, .. }), "{wrong}");
    let wrong = refused(Mimic::new(student(30, 4)?, vec![(teacher(30, 0.1)?, right()?)], config.clone(), 0));
    assert!(matches!(wrong, Error::Width { found: 4, expected: 3, .. }), "{wrong}");
    let wrong = refused(Mimic::new(student(30, 3)?, vec![(teacher(31, 0.1)?, right()?)], config.clone(), 0));
    assert!(matches!(wrong, Error::Width { found: 31, expected: 30, .. }), "{wrong}");
    assert!(Mimic::new(student(30, 3)?, vec![(teacher(30, 0.0)?, right()?)], config.clone(), 0).is_err());
    assert!(Mimic::<Game>::new(student(30, 3)?, vec![], config.clone(), 0).is_err());
    for config in [
        MimicConfig { feature_weight: -1.0, ..config.clone() },
        MimicConfig { epsilon: 1.5, ..config.clone() },
        MimicConfig { batch: 0, ..config.clone() },
    ] {
        assert!(Mimic::new(student(30, 3)?, vec![(teacher(30, 0.1)?, right()?)], config, 0).is_err());
    }
    let mut mimic = Mimic::new(student(30, 3)?, vec![(teacher(30, 0.1)?, right()?)], config, 0)?;
    assert!(mimic.test(1, Plays::Student, 1, 0).is_err() && mimic.test(0, Plays::Student, 0, 0).is_err());
    Ok(())
}

/// The columns of inputs 2 to 4 alone compute what the whole network does where 0, 1 and 5 are zero; the last layer is fresh.
#[test]
fn a_network_for_another_game_keeps_what_its_inputs_meet() -> Result<()> {
    let rng = &mut stream_rng(0, 0);
    let net = FeatureNet::new(&[6, 8, 5], 4, Activation::Relu)?;
    let params = net.init(rng, DType::F64, &Device::Cpu)?;
    let (other, kept) = net.for_game(&params, 2..5, 2, rng)?;
    let own = [0.3, -1.2, 0.7, 2.0, 0.1, -0.4];
    let placed: Vec<f64> = own.chunks_exact(3).flat_map(|x| [0.0, 0.0, x[0], x[1], x[2], 0.0]).collect();
    let small = other.features(&kept, &Tensor::from_vec(own.to_vec(), (1, 2, 3))?)?.to_vec_f64()?;
    let whole = net.features(&params, &Tensor::from_vec(placed, (1, 2, 6))?)?.to_vec_f64()?;
    assert!(small.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-12), "{small:?} and {whole:?}");
    assert_eq!(kept.get("head.fc1.weight")?.dims(), [1, 5, 2]);
    for inputs in [3..3, 4..7] {
        let error = net.for_game(&params, inputs.clone(), 2, rng).unwrap_err().to_string();
        assert!(error.contains(&format!("{inputs:?} of 6")), "{error}");
    }
    Ok(())
}
