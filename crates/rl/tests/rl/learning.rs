//! Learning: thresholds that are reached from a seed, in seconds.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_envs::{Action, CartPole, Catch, Env, Single, Space, Transition, VecEnv, random::below};
use rekindle_nn::Activation;
use rekindle_rl::returns::{discounted_returns, gae};
use rekindle_rl::{
    A2c, ActionHead, Collector, Deviation, FeedForward, LinearBaseline, Policy, Ppo, PpoConfig, Recurrent, Reinforce,
    Result, TrustRegionConfig, trpo,
};

use crate::common::rng;

fn policy(inputs: usize, hidden: &[usize], space: &Space) -> Result<Policy> {
    let sizes = |outputs: usize| [&[inputs], hidden, &[outputs]].concat();
    let head = ActionHead::new(space, Deviation::default())?;
    let actor = FeedForward::mlp(&sizes(space.n_features()), Activation::Tanh)?;
    Policy::new(actor, head)?.with_critic(FeedForward::value_mlp(&sizes(1), Activation::Tanh)?)
}

fn fresh(policy: &Policy) -> Result<Params> {
    policy.init(&mut rng(0), DType::F32, &Device::Cpu)
}

fn catch(copies: usize) -> Result<Collector<Catch>> {
    Collector::new(VecEnv::new(vec![Catch::new(6, 5)?; copies])?, 1)
}

/// Perfect play returns 1; a random player −0.6.
#[test]
fn ppo_learns_catch() -> Result<()> {
    let policy = policy(30, &[32], &Space::discrete(3))?;
    let config = PpoConfig { epochs: 4, minibatches: 4, lr: 3e-3.into(), ..PpoConfig::default() };
    let (ppo, mut params, mut rng) = (Ppo::new(config)?, fresh(&policy)?, rng(1));
    let (mut state, mut collector) = (ppo.init(&params)?, catch(32)?);
    let mut last = 0.0;
    for _ in 0..40 {
        let rollout = collector.collect(&policy, &params, 25)?;
        last = rollout.mean_return().unwrap();
        let update = ppo.update(&policy, &params, &state, &rollout, &mut rng)?;
        (params, state) = (update.params, update.state);
    }
    assert!(last > 0.95, "{last}");
    Ok(())
}

#[test]
fn a2c_learns_catch() -> Result<()> {
    let policy = policy(30, &[32], &Space::discrete(3))?;
    let a2c = A2c { optimiser: std::sync::Arc::new(rekindle_optim::Adam::new(5e-3)), ..A2c::default() };
    let (mut params, mut collector) = (fresh(&policy)?, catch(32)?);
    let mut state = a2c.init(&params)?;
    let mut totals = Vec::new();
    for _ in 0..400 {
        let rollout = collector.collect(&policy, &params, 5)?;
        totals.extend(rollout.finished.iter().map(|done| done.total));
        let update = a2c.update(&policy, &params, &state, &rollout)?;
        (params, state) = (update.params, update.state);
    }
    let last = totals.iter().rev().take(300).sum::<f64>() / 300.0;
    assert!(last > 0.9, "{last}");
    Ok(())
}

#[test]
fn reinforce_learns_catch() -> Result<()> {
    let policy = policy(30, &[32], &Space::discrete(3))?;
    let reinforce = Reinforce::default();
    let (mut params, mut collector) = (fresh(&policy)?, catch(32)?);
    let mut state = reinforce.init(&params)?;
    let mut last = 0.0;
    for _ in 0..100 {
        let rollout = collector.collect(&policy, &params, 25)?;
        last = rollout.mean_return().unwrap();
        let returns = discounted_returns(rollout.path(), None, 0.99)?;
        let baseline = LinearBaseline::fit(&rollout, &returns)?.predict(&rollout)?;
        let update = reinforce.update(&policy, &params, &state, &rollout, Some(&baseline))?;
        (params, state) = (update.params, update.state);
    }
    assert!(last > 0.9, "{last}");
    Ok(())
}

/// With the linear baseline, as rllab has it. A random player holds the pole for 22 steps.
#[test]
fn trpo_learns_to_balance() -> Result<()> {
    let policy = policy(4, &[32], &Space::discrete(2))?;
    let mut params = fresh(&policy)?;
    let mut collector = Collector::new(VecEnv::stack(&Single(CartPole::v1()), &[()], 16)?, 1)?;
    let mut best = 0.0f64;
    for _ in 0..20 {
        let rollout = collector.collect(&policy, &params, 128)?;
        best = best.max(rollout.mean_return().unwrap_or(0.0));
        let returns = discounted_returns(rollout.path(), None, 0.99)?;
        let values = LinearBaseline::fit(&rollout, &returns)?.predict(&rollout)?;
        let next = LinearBaseline::next_values(&rollout, &values)?;
        let mut advantages = gae(rollout.path(), &values, &next, 0.99, 0.97)?;
        rollout.experience.normalise(&mut advantages)?;
        params = trpo(&policy, &params, &rollout.experience, &advantages, &TrustRegionConfig::default())?.params;
    }
    assert!(best > 120.0, "{best}");
    Ok(())
}

/// Shows one of two cues in the first step, nothing in the next two, and rewards its repetition in the third.
#[derive(Clone, Debug, Default)]
struct Recall {
    cue: usize,
    time: usize,
}

impl Env for Recall {
    fn observation_space(&self) -> Space {
        Space::boxed(0.0, 1.0, &[2])
    }

    fn action_space(&self) -> Space {
        Space::discrete(2)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        (self.cue, self.time) = (below(rng, 2), 0);
        obs.fill(0.0);
        obs[self.cue] = 1.0;
        Ok(())
    }

    fn step(
        &mut self,
        action: Action<'_>,
        _rng: &mut dyn RngCore,
        obs: &mut [f32],
    ) -> rekindle_envs::Result<Transition> {
        self.time += 1;
        obs.fill(0.0);
        let right = self.time == 3 && action.index(2)? == self.cue;
        Ok(Transition::new(f32::from(u8::from(right)), self.time == 3))
    }
}

fn recall() -> Result<(Collector<Recall>, ActionHead)> {
    let env = VecEnv::new(vec![Recall::default(); 64])?;
    Ok((Collector::new(env, 1)?, ActionHead::new(&Space::discrete(2), Deviation::default())?))
}

/// Without memory nothing above one half is possible.
#[test]
fn trpo_learns_to_remember() -> Result<()> {
    let (mut collector, head) = recall()?;
    let policy = Policy::new(Recurrent::new(2, 16, 2)?, head)?;
    let (mut params, mut last) = (fresh(&policy)?, 0.0);
    for _ in 0..60 {
        let rollout = collector.collect(&policy, &params, 9)?;
        last = rollout.mean_return().unwrap();
        let mut advantages = discounted_returns(rollout.path(), None, 0.99)?;
        rollout.experience.normalise(&mut advantages)?;
        params = trpo(&policy, &params, &rollout.experience, &advantages, &TrustRegionConfig::default())?.params;
    }
    assert!(last > 0.9, "{last}");
    Ok(())
}

#[test]
fn ppo_learns_to_remember_with_a_shared_value() -> Result<()> {
    let (mut collector, head) = recall()?;
    let policy = Policy::with_shared_value(Recurrent::new(2, 16, 3)?, head)?;
    let config = PpoConfig { epochs: 4, minibatches: 4, lr: 3e-3.into(), ..PpoConfig::default() };
    let (ppo, mut params, mut rng) = (Ppo::new(config)?, fresh(&policy)?, rng(1));
    let (mut state, mut last) = (ppo.init(&params)?, 0.0);
    for _ in 0..60 {
        let rollout = collector.collect(&policy, &params, 9)?;
        last = rollout.mean_return().unwrap();
        let update = ppo.update(&policy, &params, &state, &rollout, &mut rng)?;
        (params, state) = (update.params, update.state);
    }
    assert!(last > 0.95, "{last}");
    Ok(())
}
