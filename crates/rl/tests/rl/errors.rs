//! What is refused, and what the messages say.

use candle_core::DType;
use rekindle_envs::{CartPole, Pendulum, Space, VecEnv};
use rekindle_nn::Activation;
use rekindle_rl::returns::{Path, gae};
use rekindle_rl::{
    A2c, ActionHead, Attentive, AttentiveConfig, Collector, CriticFit, Deviation, FeedForward, Policy, Ppo, PpoConfig,
    Recurrent, Result, Sequence, TrustRegionConfig,
};

use crate::common::{attentive, feed_forward, head, init, noise_tensor, recurrent, rng};

#[track_caller]
fn says<T>(result: Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("was accepted") };
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn networks_must_fit_the_action_space() -> Result<()> {
    let net = || FeedForward::mlp(&[4, 8, 3], Activation::Tanh);
    says(Policy::new(net()?, head(&Space::discrete(2))), &["3 outputs", "Discrete(2)", "give the network 2"]);
    says(Policy::with_shared_value(net()?, head(&Space::discrete(3))), &["3 outputs", "takes 4"]);
    says(Policy::new(Recurrent::new(4, 8, 1)?, head(&Space::unbounded(2))), &["1 outputs", "Box([2]"]);
    let policy = Policy::new(net()?, head(&Space::discrete(3)))?;
    says(policy.clone().with_critic(net()?), &["a value takes 1"]);
    says(policy.with_critic(FeedForward::mlp(&[5, 1], Activation::Tanh)?), &["critic", "[4]"]);
    says(feed_forward(4, &Space::discrete(3)).with_critic(FeedForward::mlp(&[4, 1], Activation::Tanh)?), &["already"]);
    says(ActionHead::new(&Space::discrete(0), Deviation::default()), &["no element"]);
    says(ActionHead::new(&Space::unbounded(1), Deviation::Fixed(0.0)), &["deviation", "above 0"]);
    Ok(())
}

#[test]
fn policies_must_fit_their_environments() -> Result<()> {
    let play = |policy: &Policy| {
        Collector::new(VecEnv::new(vec![CartPole::v1()])?, 1)?.collect(policy, &init(policy, 1, DType::F32), 2)
    };
    says(play(&feed_forward(5, &Space::discrete(2))), &["5 inputs", "4 features"]);
    says(play(&feed_forward(4, &Space::discrete(3))), &["Discrete(3)", "Discrete(2)", "from the environment's space"]);
    let bounded = Space::boxed(-2.0, 2.0, &[1]);
    let policy = feed_forward(3, &bounded);
    let mut pendulums = Collector::new(VecEnv::new(vec![Pendulum::v1()])?, 1)?;
    says(pendulums.collect(&policy, &init(&policy, 1, DType::F32), 2), &["ClipActions", "from -2 to 2"]);
    let policy = feed_forward(4, &Space::discrete(2));
    let mut collector = Collector::new(VecEnv::new(vec![CartPole::v1()])?, 1)?;
    says(collector.collect(&policy, &init(&policy, 1, DType::F32), 0), &["steps", "at least 1"]);
    Ok(())
}

#[test]
fn shapes_are_checked() -> Result<()> {
    let policy = recurrent(3, &Space::discrete(2));
    let (params, obs) = (init(&policy, 1, DType::F64), noise_tensor(&[2, 1, 2, 3], 1));
    let memory = policy.memory([1, 3], DType::F64, obs.device())?;
    says(
        policy.forward(&params, Sequence { obs: &obs, starts: &[false; 4] }, &memory),
        &["memory", "[1, 3, 5]", "[1, 2, 5]"],
    );
    says(policy.forward(&params, Sequence { obs: &obs, starts: &[false; 3] }, &memory), &["starts", "[2, 1, 2]"]);
    let policy = attentive(3, &Space::discrete(2));
    let params = init(&policy, 1, DType::F64);
    // Four steps of 2·4 + 1 numbers, and an observation.
    says(
        policy.forward(&params, Sequence { obs: &obs, starts: &[false; 4] }, &memory),
        &["memory", "[1, 3, 5]", "[1, 2, 39]"],
    );
    let path = |rewards| Path { rewards, terminated: &[false; 4], truncated: &[false; 4], n_rows: 2 };
    says(gae(path(&[0.0; 4]), &[0.0; 4], &[0.0; 3], 0.9, 0.9), &["[3]", "[4]"]);
    says(gae(path(&[0.0; 3]), &[0.0; 3], &[0.0; 3], 0.9, 0.9), &["[3]", "[T, 2]"]);
    says(gae(path(&[0.0; 4]), &[0.0; 4], &[0.0; 4], 1.1, 0.9), &["gamma", "1.1"]);
    Ok(())
}

#[test]
fn settings_are_checked() {
    says(Ppo::new(PpoConfig { clip: 0.0, ..PpoConfig::default() }), &["clip", "0"]);
    says(Ppo::new(PpoConfig { epochs: 0, ..PpoConfig::default() }), &["epochs", "at least 1"]);
    says(Ppo::new(PpoConfig { lambda: f64::NAN, ..PpoConfig::default() }), &["lambda", "NaN"]);
    says(Ppo::new(PpoConfig { target_kl: Some(-1.0), ..PpoConfig::default() }), &["target_kl", "-1"]);
    says(TrustRegionConfig { max_kl: 0.0, ..TrustRegionConfig::default() }.validate(), &["max_kl"]);
    let attention = AttentiveConfig::new(3, 2, 10);
    says(Attentive::new(AttentiveConfig { context: 0, ..attention }), &["context", "at least 1"]);
    says(Attentive::new(AttentiveConfig { width: 7, ..attention }), &["width", "7", "multiple of `heads`"]);
    says(TrustRegionConfig { backtrack: 1.0, ..TrustRegionConfig::default() }.validate(), &["backtrack"]);
}

#[test]
fn algorithms_say_what_they_miss() -> Result<()> {
    let policy = Policy::new(FeedForward::mlp(&[4, 2], Activation::Tanh)?, head(&Space::discrete(2)))?;
    let params = init(&policy, 1, DType::F32);
    let rollout = Collector::new(VecEnv::new(vec![CartPole::v1()])?, 1)?.collect(&policy, &params, 3)?;
    let ppo = Ppo::new(PpoConfig::default())?;
    says(
        ppo.update(&policy, &params, &ppo.init(&params)?, &rollout, &mut rng(1)),
        &["PPO needs values", "with_critic"],
    );
    let a2c = A2c::default();
    says(a2c.update(&policy, &params, &a2c.init(&params)?, &rollout), &["A2C needs values"]);
    says(CriticFit::default().init(&params), &["fitting a critic needs values"]);
    says(rollout.experience.select(&[1]), &["copies", "below B"]);
    Ok(())
}

/// A loss that is no number stops the update.
#[test]
fn what_diverges_is_reported() -> Result<()> {
    let policy = feed_forward(4, &Space::discrete(2));
    let params = init(&policy, 1, DType::F32);
    let mut rollout = Collector::new(VecEnv::new(vec![CartPole::v1()])?, 1)?.collect(&policy, &params, 3)?;
    rollout.values.as_mut().unwrap().of[1] = f32::NAN;
    let a2c = A2c::default();
    says(a2c.update(&policy, &params, &a2c.init(&params)?, &rollout), &["loss became NaN", "learning rate"]);
    Ok(())
}
