//! PPO and TRPO on classic control, where they are known to work.

use anyhow::{Context as _, Result};
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_envs::{CartPole, ClipActions, Env, Pendulum, VecEnv};
use rekindle_nn::Activation;
use rekindle_optim::Schedule;
use rekindle_rl::instances::Summary;
use rekindle_rl::{
    ActionHead, Collector, CriticFit, Deviation, FeedForward, Policy, Ppo, PpoConfig, Rollout, TrustRegionConfig, trpo,
};

use super::settings;
use crate::{Context, Estimate, Experiment, Plot, Published, Series};

pub(super) struct ClassicPpo;

pub(super) struct ClassicTrpo;

/// Units of both hidden layers, of the policy and of the critic.
const HIDDEN: usize = 64;

/// Episodes of the test, one in each of as many environments.
const TEST_EPISODES: usize = 100;

/// Added to the seed of the training for the test's.
const TEST_SEED: u64 = 1_000_000;

/// Where Gymnasium calls cart-pole solved.
const SOLVED: f64 = 475.0;

impl Experiment for ClassicPpo {
    fn id(&self) -> &'static str {
        "classic/ppo"
    }

    fn title(&self) -> &'static str {
        "PPO on classic control"
    }

    fn about(&self) -> &'static str {
        "Cart-pole and pendulum with Gymnasium's exact dynamics, `CartPole-v1` and `Pendulum-v1`. Policy and critic are nets of \
         two hidden layers of 64 with tanh; the rate of Adam falls from `0.001` to 0. The figure is the mean return of 100 new \
         episodes, with the most probable action in each step, after training has ended.\n\n\
         - *Cart-pole*: 400 rollouts of 8 × 32 steps, 20 passes in one batch, γ = 0.98, λ = 0.8. The most is 500; solved at 475.\n\
         - *Pendulum*: 80 rollouts of 16 × 200 steps, 10 passes in 25 batches, γ = 0.9, λ = 0.95. No policy is much better than \
         −150; a random one gets about −1,200.\n\n\
         Source: Schulman, Wolski, Dhariwal, Radford & Klimov 2017."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let cart_pole = PpoConfig { gamma: 0.98, lambda: 0.8, epochs: 20, minibatches: 1, ..PpoConfig::default() };
        let pendulum = PpoConfig { gamma: 0.9, lambda: 0.95, minibatches: 25, ..PpoConfig::default() };
        let play = Play { name: "cart-pole", copies: 8, steps: 32, iterations: 400, horizon: 500 };
        play.seeds(ctx, &CartPole::v1(), &|_, play| PpoLearner::boxed(&cart_pole, play))?;
        let play = Play { name: "pendulum", copies: 16, steps: 200, iterations: 80, horizon: 200 };
        play.seeds(ctx, &torque()?, &|_, play| PpoLearner::boxed(&pendulum, play))?;
        ctx.published("cart-pole/return", Published::new(SOLVED, "Gymnasium: solved"));
        Ok(())
    }
}

impl Experiment for ClassicTrpo {
    fn id(&self) -> &'static str {
        "classic/trpo"
    }

    fn title(&self) -> &'static str {
        "TRPO on classic control"
    }

    fn about(&self) -> &'static str {
        "The problems, nets and test of *PPO on classic control*. Each rollout gives one natural-gradient step with a \
         divergence of `0.01` at most (ten conjugate gradients, damping `0.1`), and five passes of regression for the critic.\n\n\
         - *Cart-pole*: 60 rollouts of 16 × 128 steps, γ = 0.99, λ = 0.97.\n\
         - *Pendulum*: 80 rollouts of 32 × 200 steps, γ = 0.9, λ = 0.95.\n\n\
         Source: Schulman, Levine, Moritz, Jordan & Abbeel 2015."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let play = Play { name: "cart-pole", copies: 16, steps: 128, iterations: 60, horizon: 500 };
        play.seeds(ctx, &CartPole::v1(), &|params, _| TrpoLearner::boxed(params, 0.99, 0.97))?;
        let play = Play { name: "pendulum", copies: 32, steps: 200, iterations: 80, horizon: 200 };
        play.seeds(ctx, &torque()?, &|params, _| TrpoLearner::boxed(params, 0.9, 0.95))?;
        ctx.published("cart-pole/return", Published::new(SOLVED, "Gymnasium: solved"));
        Ok(())
    }
}

/// The pendulum, with actions from −1 to 1 for its torques.
fn torque() -> Result<impl Env + Clone + Send> {
    Ok(ClipActions::scaled(Pendulum::v1(), 1.0)?)
}

/// What an algorithm does with a rollout.
trait Learner {
    fn learn(&mut self, policy: &Policy, params: &Params, rollout: &Rollout, rng: &mut ChaCha8Rng) -> Result<Params>;
}

struct PpoLearner {
    ppo: Ppo,
    state: Option<rekindle_optim::State>,
}

impl PpoLearner {
    fn boxed(config: &PpoConfig, play: &Play) -> Result<Box<dyn Learner>> {
        let updates = play.iterations * (config.epochs * config.minibatches) as u64;
        let lr = Schedule::Linear { start: 1e-3, end: 0.0, steps: updates };
        Ok(Box::new(Self { ppo: Ppo::new(PpoConfig { lr, ..config.clone() })?, state: None }))
    }
}

impl Learner for PpoLearner {
    fn learn(&mut self, policy: &Policy, params: &Params, rollout: &Rollout, rng: &mut ChaCha8Rng) -> Result<Params> {
        let state = self.state.take().map_or_else(|| self.ppo.init(params), Ok)?;
        let update = self.ppo.update(policy, params, &state, rollout, rng)?;
        self.state = Some(update.state);
        Ok(update.params)
    }
}

struct TrpoLearner {
    gamma: f64,
    lambda: f64,
    config: TrustRegionConfig,
    critic: CriticFit,
    state: rekindle_optim::State,
}

impl TrpoLearner {
    fn boxed(params: &Params, gamma: f64, lambda: f64) -> Result<Box<dyn Learner>> {
        let critic = CriticFit { minibatches: 16, ..CriticFit::default() };
        let config = TrustRegionConfig { damping: 0.1, ..TrustRegionConfig::default() };
        Ok(Box::new(Self { gamma, lambda, config, state: critic.init(params)?, critic }))
    }
}

impl Learner for TrpoLearner {
    fn learn(&mut self, policy: &Policy, params: &Params, rollout: &Rollout, rng: &mut ChaCha8Rng) -> Result<Params> {
        let (mut advantages, targets) = rollout.advantages("TRPO's critic", self.gamma, self.lambda)?;
        rollout.experience.normalise(&mut advantages)?;
        let params = trpo(policy, params, &rollout.experience, &advantages, &self.config)?.params;
        let fitted = self.critic.fit(policy, &params, &self.state, (&rollout.experience, &targets), rng)?;
        self.state = fitted.state;
        Ok(fitted.params)
    }
}

/// How much is played, of what.
struct Play {
    name: &'static str,
    copies: usize,
    steps: usize,
    iterations: u64,
    /// Steps that every episode has ended after.
    horizon: usize,
}

type MakeLearner<'a> = &'a dyn Fn(&Params, &Play) -> Result<Box<dyn Learner>>;

impl Play {
    /// Trains and tests with every seed, three at least.
    fn seeds(&self, ctx: &mut Context, env: &(impl Env + Clone + Send), learner: MakeLearner<'_>) -> Result<()> {
        let mut curves = Plot::new(self.name, "environment steps", "mean return of a rollout's episodes");
        for seed in 0..ctx.seeds().end.max(3) {
            let (tested, curve) = self.train(ctx, env, learner, seed)?;
            ctx.seed_metric(seed, &format!("{}/return", self.name), tested, "reward")?;
            curves = curves.series(Series::binned(format!("seed {seed}"), &curve, 60));
        }
        ctx.plot(curves)
    }

    fn train(
        &self,
        ctx: &Context,
        env: &(impl Env + Clone + Send),
        learner: MakeLearner<'_>,
        seed: u64,
    ) -> Result<(Estimate, Vec<(f64, f64)>)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let envs = VecEnv::new(vec![env.clone(); self.copies])?;
        let policy = policy(&envs)?;
        let mut params = policy.init(&mut rng, DType::F32, &Device::Cpu)?;
        let mut learner = learner(&params, self)?;
        let mut collector = Collector::new(envs, seed)?;
        let progress = ctx.progress(&format!("{}, seed {seed}", self.name), self.iterations);
        let mut curve = Vec::new();
        for iteration in 1..=self.iterations {
            let rollout = collector.collect(&policy, &params, self.steps)?;
            if let Some(mean) = rollout.mean_return() {
                progress.message(format!("return {mean:.0}"));
                curve.push(((iteration * (self.copies * self.steps) as u64) as f64, mean));
            }
            params = learner.learn(&policy, &params, &rollout, &mut rng)?;
            progress.inc(1);
        }
        Ok((self.test(env, &policy, &params, seed)?, curve))
    }

    /// The first episode of each of as many environments as episodes, so that short ones count no more than long ones.
    fn test(&self, env: &(impl Env + Clone + Send), policy: &Policy, params: &Params, seed: u64) -> Result<Estimate> {
        let envs = VecEnv::new(vec![env.clone(); TEST_EPISODES])?;
        let rollout = Collector::new(envs, TEST_SEED + seed)?.greedy().collect(policy, params, self.horizon)?;
        let first = |row| rollout.finished.iter().find(|done| done.row == row).map(|done| done.total);
        let totals: Vec<f64> = (0..TEST_EPISODES).filter_map(first).collect();
        let n = totals.len();
        anyhow::ensure!(n == TEST_EPISODES, "only {n} of {TEST_EPISODES} episodes have ended");
        Ok(settings::estimate(&Summary::of(&totals)?))
    }
}

/// Nets of the same shape for actions and for values.
fn policy<E: Env + Send>(envs: &VecEnv<E>) -> Result<Policy> {
    let head = ActionHead::new(envs.action_space(), Deviation::default())?;
    let inputs = envs.observation_space().n_features();
    let actor = FeedForward::mlp(&[inputs, HIDDEN, HIDDEN, head.n_outputs()], Activation::Tanh)?;
    let critic = FeedForward::value_mlp(&[inputs, HIDDEN, HIDDEN, 1], Activation::Tanh)?;
    Policy::new(actor, head)?.with_critic(critic).context("the policy's nets")
}
