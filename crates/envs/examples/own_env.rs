//! An environment of one's own, a family of them, the conformance suite, and a batch that is played.
//!
//! ```text
//! cargo run -p rekindle-envs --example own_env
//! ```
//! The environment: a thermostat that must bring a room to a temperature that it is not told.
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use rand::RngCore;
use rekindle_envs::conformance::{Config, check};
use rekindle_envs::{Action, Env, EnvFamily, Result, Space, TimeLimit, Transition, VecEnv, random, stream_rng};

/// The room: `obs [1]` is its temperature, actions cool, do nothing, heat; the reward is minus the distance to `wanted`.
struct Room {
    wanted: f32,
    temperature: f32,
}

impl Env for Room {
    fn observation_space(&self) -> Space {
        Space::boxed(0.0, 40.0, &[1])
    }

    fn action_space(&self) -> Space {
        Space::discrete(3)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.temperature = random::uniform(rng, 10.0, 30.0);
        obs[0] = self.temperature;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let heating = action.index(3)? as f32 - 1.0;
        let draught = 0.1 * random::normal(rng) as f32;
        self.temperature = (self.temperature + heating + draught).clamp(0.0, 40.0);
        obs[0] = self.temperature;
        Ok(Transition::new(-(self.temperature - self.wanted).abs(), false))
    }
}

/// A task is the wanted temperature.
struct Rooms;

impl EnvFamily for Rooms {
    type Task = f32;
    type Env = TimeLimit<Room>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<f32> {
        Ok(random::uniform(rng, 15.0, 25.0))
    }

    fn make(&self, wanted: &f32) -> Result<Self::Env> {
        TimeLimit::new(Room { wanted: *wanted, temperature: *wanted }, 20)
    }
}

fn main() -> Result<()> {
    println!("{:?}", check(&Rooms, &Config::default())?);

    // Three tasks × four copies, in trials of two episodes, with random actions.
    let family = Rooms.trials(2);
    let rng = &mut stream_rng(0, 0);
    let tasks = family.sample_tasks(rng, 3)?;
    let mut envs = VecEnv::stack(&family, &tasks, 4)?;
    let mut returns = [0.0; 3];
    envs.reset(1)?;
    for _ in 0..40 {
        let actions = envs.action_space().sample_actions(rng, envs.n_envs());
        let step = envs.step(actions.view())?;
        returns
            .iter_mut()
            .zip(step.reward.chunks(4))
            .for_each(|(sum, rewards)| *sum += rewards.iter().sum::<f32>() / 4.0);
    }
    for (wanted, sum) in tasks.iter().zip(returns) {
        println!("wanted {wanted:.1} degrees: return of a trial {sum:.1}");
    }
    Ok(())
}
