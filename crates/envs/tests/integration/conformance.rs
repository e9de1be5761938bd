//! Every environment runs the suite, and the suite finds faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::RngCore;
use rekindle_envs::conformance::{Config, check, check_env};
use rekindle_envs::{
    Action, Augment, BernoulliBandits, CartPole, Catch, ClipActions, CornerReward, Env, EnvFamily, Error,
    FirstPersonMazes, GaussianBandits, GridConfig, GridFamily, GridMap, GridObservation, MountainCar,
    MountainCarContinuous, Pendulum, PointFamily, PointFlavour, Redraw, Result, Space, SymbolicMazes, TabularMdps,
    Transition, stream_rng,
};

#[test]
fn bandits_and_tables() -> Result<()> {
    let config = Config::default();
    let report = check(&BernoulliBandits::uniform(5), &config)?;
    assert_eq!((report.steps, report.episodes, report.least_reward, report.most_reward), (1800, 1800, 0.0, 1.0));
    check(&BernoulliBandits { arms: 3, prior: [0.5, 2.0] }.trials(10), &config)?;
    check(&GaussianBandits::default().trials(10), &config)?;
    let report = check(&TabularMdps::default(), &config)?;
    assert_eq!((report.terminated, report.truncated), (180, 0));
    check(&TabularMdps { concentration: 0.3, ..TabularMdps::default() }.trials(3), &config)?;
    Ok(())
}

#[test]
fn points() -> Result<()> {
    let corners = [CornerReward::Sparse, CornerReward::Dense, CornerReward::DenseSquared];
    let corners = corners.map(|reward| PointFlavour::ProMpCorners { reward });
    let circles = [true, false].map(|sparse| PointFlavour::PearlHalfCircle { sparse });
    let others = [PointFlavour::Maml, PointFlavour::Pearl, PointFlavour::Lecture];
    for flavour in others.into_iter().chain(corners).chain(circles) {
        let report = check(&PointFamily::new(flavour), &Config::default())?;
        assert!(report.truncated >= 18, "{flavour:?}: {report:?}");
        check(&PointFamily::new(flavour).with_goal_visible(), &Config::default())?;
    }
    check(&PointFamily::default().wrap(|env| ClipActions::scaled(env, 1.0)), &Config::default())?;
    Ok(())
}

#[test]
fn grids() -> Result<()> {
    let map = Arc::new(GridMap::montezuma());
    for observation in [GridObservation::Planes, GridObservation::State] {
        let config = GridConfig { observation, ..GridConfig::montezuma() };
        check(&GridFamily { map: map.clone(), config, horizon: 100 }, &Config::default())?;
    }
    let map = Arc::new(GridMap::parse("Sk.D.\n.x..G\nG#.HG")?);
    let report = check(&GridFamily { map, config: GridConfig::default(), horizon: 30 }, &Config::default())?;
    assert!(report.terminated > 0 && report.truncated > 0);
    Ok(())
}

#[test]
fn mazes() -> Result<()> {
    check(&SymbolicMazes::small().trials(2), &Config::default())?;
    check(&SymbolicMazes::large(), &Config::default())?;
    check(&FirstPersonMazes::small().trials(2), &Config { copies: 1, ..Config::default() })?;
    check(&FirstPersonMazes::large(), &Config { n_tasks: 1, must_end: false, ..Config::default() })?;
    Ok(())
}

#[test]
fn classic_control() -> Result<()> {
    let config = Config { n_tasks: 1, ..Config::default() };
    assert!(check_env(&CartPole::v1(), &config)?.terminated > 10);
    assert_eq!(check_env(&Pendulum::v1(), &config)?.truncated, 2);
    assert_eq!(check_env(&MountainCar::v0(), &config)?.truncated, 2);
    check_env(&MountainCarContinuous::v0(), &Config { steps: 1100, ..config.clone() })?;
    check_env(&Catch::default(), &config)?;
    check_env(&Catch::new(2, 1)?, &config)?;
    Ok(())
}

#[test]
fn wrappers() -> Result<()> {
    let config = Config::default();
    check(&TabularMdps::default().trials(2).wrap(|env| Ok(Augment::new(env))), &config)?;
    check(&PointFamily::default().wrap(|env| Ok(Augment::new(env))), &config)?;
    let family = BernoulliBandits::uniform(3).trials(4);
    check_env(&Augment::new(Redraw::new(family, &mut stream_rng(1, 0))?), &config)?;
    Ok(())
}

/// Ways not to be an environment.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Unwritten,
    Outside,
    Remembers,
    Random,
    NotANumber,
    Endless,
    AnyAction,
    WrongFlags,
}

#[derive(Clone)]
struct Faulty {
    fault: Fault,
    count: u32,
    steps_of_all: Arc<AtomicU32>,
}

impl Env for Faulty {
    fn observation_space(&self) -> Space {
        Space::boxed(0.0, 1.0, &[2])
    }

    fn action_space(&self) -> Space {
        Space::discrete(2)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        if !matches!(self.fault, Fault::Remembers) {
            self.count = 0;
        }
        obs.fill(0.5);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        if !matches!(self.fault, Fault::AnyAction) {
            action.index(2)?;
        }
        self.count += 1;
        let calls = self.steps_of_all.fetch_add(1, Ordering::Relaxed);
        obs[0] = 0.5;
        match self.fault {
            Fault::Unwritten => {}
            Fault::Outside => obs[1] = 1.5,
            Fault::Random => obs[1] = (calls % 64) as f32 / 64.0,
            _ => obs[1] = 0.5,
        }
        let reward = if matches!(self.fault, Fault::NotANumber) { f32::NAN } else { self.count as f32 };
        let end = self.count.is_multiple_of(7) && !matches!(self.fault, Fault::Endless);
        let step = Transition::new(reward, end);
        Ok(Transition { episode_ended: end && !matches!(self.fault, Fault::WrongFlags), ..step })
    }
}

#[test]
fn every_fault_is_found_and_named() {
    let cases = [
        (Fault::Unwritten, "observation", "element 1 is not a number, or was not written"),
        (Fault::Outside, "observation", "[0.5, 1.5] lies outside of Box([2], from 0 to 1)"),
        (Fault::Remembers, "reset", "survives a reset"),
        (Fault::Random, "seed", "play differently"),
        (Fault::NotANumber, "reward", "a reward is NaN"),
        (Fault::Endless, "ends", "no episode ended in 300 steps"),
        (Fault::AnyAction, "errors", "takes [0.0] for an action in Discrete(2)"),
        (Fault::WrongFlags, "flags", "does not end its episode"),
    ];
    for (fault, name, text) in cases {
        let env = Faulty { fault, count: 0, steps_of_all: Arc::default() };
        match check_env(&env, &Config::default()) {
            Err(Error::Conformance { check, reason }) if check == name && reason.contains(text) => {}
            other => panic!("{fault:?}: {other:?}"),
        }
    }
}
