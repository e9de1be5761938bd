//! MAML on a point that must find a goal it cannot see: returns before and after each update.
//!
//! `cargo run --release -p rekindle-meta-rl --example point`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_envs::{ClipActions, EnvFamily, PointFamily, Space};
use rekindle_meta_rl::{MamlRl, MamlRlConfig, Result, TrainConfig, train};
use rekindle_nn::Activation;
use rekindle_rl::{ActionHead, Deviation, FeedForward, Policy};

fn main() -> Result<()> {
    // Goals in a square around the start; a policy's ±1 is the longest step of the point.
    let family = PointFamily::default().wrap(|env| ClipActions::scaled(env, 1.0));
    let head = ActionHead::new(&Space::unbounded(2), Deviation::default())?;
    let policy = Policy::new(FeedForward::mlp(&[2, 100, 100, 2], Activation::Relu)?, head)?;
    let learner = MamlRl::new(family, policy, MamlRlConfig::default())?;

    let config = TrainConfig { iterations: 30, ..TrainConfig::default() };
    let trained = train(&learner, &config, &mut |at| {
        println!("{:3}: mean return after adaptation {:.2}", at.iteration, at.score);
        Ok(true)
    })?;

    let tasks = PointFamily::default().sample_tasks(&mut ChaCha8Rng::seed_from_u64(1), 40)?;
    let test = learner.test(&trained.best, &tasks, 3, 0.1, 1)?;
    for updates in 0..=3 {
        let over_tasks = test.after(updates)?;
        println!("after {updates} updates: {:.2} ± {:.2}", over_tasks.mean, over_tasks.standard_error);
    }
    Ok(())
}
