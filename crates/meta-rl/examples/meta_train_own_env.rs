//! An environment of one's own, and an agent that is meta-trained on it.
//!
//! `cargo run --release -p rekindle-meta-rl --example meta_train_own_env`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use rand::RngCore;
use rekindle_envs::{Action, Env, EnvFamily, Space, TimeLimit, Transition, random};
use rekindle_meta_rl::{Result, Rl2, Rl2Config, TrainConfig, TrialUpdate, train};
use rekindle_rl::{Ppo, PpoConfig};

/// A dial that hums the louder the further it is from a station that nobody has named.
#[derive(Clone)]
struct Dial {
    station: f32,
    at: f32,
}

impl Env for Dial {
    fn observation_space(&self) -> Space {
        Space::boxed(-1.0, 1.0, &[1]) // where the dial stands
    }
    fn action_space(&self) -> Space {
        Space::discrete(3) // left, stay, right
    }
    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        self.at = 0.0;
        obs[0] = self.at;
        Ok(())
    }
    fn step(&mut self, action: Action<'_>, _: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<Transition> {
        self.at = (self.at + 0.2 * (action.index(3)? as f32 - 1.0)).clamp(-1.0, 1.0);
        obs[0] = self.at;
        Ok(Transition::new(-(self.at - self.station).abs(), false)) // it never ends by itself
    }
}

/// The distribution over tasks: a task is a station.
#[derive(Clone)]
struct Dials;

impl EnvFamily for Dials {
    type Task = f32;
    type Env = TimeLimit<Dial>;

    fn sample(&self, rng: &mut dyn RngCore) -> rekindle_envs::Result<f32> {
        Ok(random::uniform(rng, -1.0, 1.0))
    }
    fn make(&self, station: &f32) -> rekindle_envs::Result<Self::Env> {
        TimeLimit::new(Dial { station: *station, at: 0.0 }, 10)
    }
}

fn main() -> Result<()> {
    // RL²: trials of two episodes of ten steps, a GRU that remembers over both, PPO.
    let ppo = PpoConfig { epochs: 4, minibatches: 4, lr: 3e-3.into(), ..PpoConfig::default() };
    let update = TrialUpdate::Ppo(Ppo::new(ppo)?);
    let config = Rl2Config { episodes: 2, steps: 20, trials: 128, units: 32, update, ..Rl2Config::default() };
    let learner = Rl2::new(Dials, config)?;
    let trained = train(&learner, &TrainConfig { iterations: 100, ..TrainConfig::default() }, &mut |at| {
        if at.iteration % 10 == 0 {
            println!("{:3}: {:.2} in a trial", at.iteration, at.score);
        }
        Ok(true)
    })?;
    let test = learner.test(&trained.last, 500, 7)?.summary()?;
    println!("in 500 new trials: {:.2} ± {:.2}", test.mean, test.standard_error);
    Ok(())
}
