//! The speed of the environments: steps with random actions, nothing else.

use std::sync::Arc;

use anyhow::Result;
use rekindle_envs::{
    BernoulliBandits, CartPole, Catch, EnvFamily, FirstPersonMazes, GaussianBandits, GridConfig, GridFamily, GridMap,
    GridObservation, MountainCar, MountainCarContinuous, Pendulum, PointFamily, PointFlavour, Single, SymbolicMazes,
    TabularMdps, VecEnv, stream_rng,
};

use crate::{Context, Experiment, Measure, Table, Work};

pub(super) struct SpeedEnvs;

/// Batches of actions that are drawn beforehand and played in turn.
const ACTIONS: usize = 64;

/// Steps of a batch in one timed call.
const STEPS: usize = 100;

impl Experiment for SpeedEnvs {
    fn id(&self) -> &'static str {
        "speed/envs"
    }

    fn title(&self) -> &'static str {
        "Speed of the environments"
    }

    fn about(&self) -> &'static str {
        "Steps of each environment with random actions that were drawn beforehand, on one thread: 16 tasks with 4 copies \
         each, stepped as one batch, with checks of the actions and autoreset. Trials of bandits have 10 pulls. The \
         first-person maze draws a picture of 40 × 30 pixels in every step."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Steps a second", ["environment", "wall", "processor"]);
        for (name, play) in ENVS {
            let Work { units: steps, call } = play()?;
            let timing =
                Measure { seconds: ctx.mode().pick(0.2, 1.0), repeats: ctx.mode().pick(3, 5), warmup: 1 }.run(call)?;
            let rate = |calls: f64| calls * steps;
            let processor = timing.per_cpu_second().map(rate);
            if let Some(rate) = processor {
                ctx.metric(&format!("{name}/steps-per-cpu-second"), rate, "1/s")?;
            }
            let processor = processor.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
            table.row([(*name).to_owned(), format!("{:.0}", rate(timing.per_second())), processor]);
        }
        ctx.table(table)
    }
}

/// Tasks of a batch, and copies of each.
const TASKS: usize = 16;
const COPIES: usize = 4;

type Play = fn() -> Result<Work>;

const ENVS: &[(&str, Play)] = &[
    ("bernoulli-bandit", || play(&BernoulliBandits::uniform(10).trials(10))),
    ("gaussian-bandit", || play(&GaussianBandits::default().trials(10))),
    ("tabular-mdp", || play(&TabularMdps::default().trials(10))),
    ("point-maml", || play(&PointFamily::new(PointFlavour::Maml))),
    ("point-pearl", || play(&PointFamily::new(PointFlavour::Pearl))),
    ("point-lecture", || play(&PointFamily::new(PointFlavour::Lecture))),
    ("grid-montezuma", || play(&grid(GridObservation::State))),
    ("grid-montezuma-planes", || play(&grid(GridObservation::Planes))),
    ("symbolic-maze", || play(&SymbolicMazes::small())),
    ("first-person-maze", || play(&FirstPersonMazes::small())),
    ("cart-pole", || play(&Single(CartPole::v1()))),
    ("pendulum", || play(&Single(Pendulum::v1()))),
    ("mountain-car", || play(&Single(MountainCar::v0()))),
    ("mountain-car-continuous", || play(&Single(MountainCarContinuous::v0()))),
    ("catch", || play(&Single(Catch::default()))),
];

fn grid(observation: GridObservation) -> GridFamily {
    let config = GridConfig { observation, ..GridConfig::montezuma() };
    GridFamily { map: Arc::new(GridMap::montezuma()), config, horizon: 500 }
}

/// One environment of the list.
pub(super) fn playing(name: &str) -> Result<Work> {
    let found = ENVS.iter().find(|(other, _)| *other == name);
    let (_, play) = found.ok_or_else(|| anyhow::anyhow!("no environment is called {name}"))?;
    play()
}

/// Random play, in units of steps of all environments.
fn play<F: EnvFamily<Env: 'static>>(family: &F) -> Result<Work> {
    let mut rng = stream_rng(0, 0);
    let tasks = family.sample_tasks(&mut rng, TASKS)?;
    let mut env = VecEnv::stack(family, &tasks, COPIES)?;
    let space = env.action_space().clone();
    let actions: Vec<_> = (0..ACTIONS).map(|_| space.sample_actions(&mut rng, env.n_envs())).collect();
    env.reset(0)?;
    let mut next = 0;
    Ok(Work::new(STEPS * TASKS * COPIES, move || {
        for _ in 0..STEPS {
            env.step(actions[next % ACTIONS].view())?;
            next += 1;
        }
        Ok(())
    }))
}
