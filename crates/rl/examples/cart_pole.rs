//! PPO balances a pole: environments, policy, rollouts, updates.
//!
//! `cargo run --release -p rekindle-rl --example cart_pole`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use anyhow::Result;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_envs::{CartPole, Single, VecEnv};
use rekindle_nn::Activation;
use rekindle_rl::{ActionHead, Collector, Deviation, FeedForward, Policy, Ppo, PpoConfig};

fn main() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);

    // One task, eight copies of its environment.
    let env = VecEnv::stack(&Single(CartPole::v1()), &[()], 8)?;

    // A network for actions, one for values. The head knows how many outputs the action space needs.
    let head = ActionHead::new(env.action_space(), Deviation::default())?;
    let (inputs, outputs) = (env.observation_space().n_features(), head.n_outputs());
    let actor = FeedForward::mlp(&[inputs, 64, 64, outputs], Activation::Tanh)?;
    let critic = FeedForward::value_mlp(&[inputs, 64, 64, 1], Activation::Tanh)?;
    let policy = Policy::new(actor, head)?.with_critic(critic)?;
    let mut params = policy.init(&mut rng, DType::F32, &Device::Cpu)?;

    let ppo = Ppo::new(PpoConfig { minibatches: 8, lr: 1e-3.into(), ..PpoConfig::default() })?;
    let mut state = ppo.init(&params)?;
    let mut collector = Collector::new(env, 0)?;
    for iteration in 1..=100 {
        let rollout = collector.collect(&policy, &params, 128)?;
        if iteration % 10 == 0 {
            println!("iteration {iteration}: mean return {:.0}", rollout.mean_return().unwrap_or(f64::NAN));
        }
        let update = ppo.update(&policy, &params, &state, &rollout, &mut rng)?;
        (params, state) = (update.params, update.state);
    }
    Ok(())
}
