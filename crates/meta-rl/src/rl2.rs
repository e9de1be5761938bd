//! RL²: the fast learner is a recurrent policy, and what learns it is slow reinforcement learning over trials.
//!
//! ```text
//! max_θ E_task E_trial [ Σ_t γ^t r_t ]        h_t = GRU(x_t, h_{t−1})     x_t = (o_t, a_{t−1}, r_{t−1}, d_{t−1})
//! ```
//! A trial is n episodes in one task; the memory h is kept over their ends, and cleared between trials. Duan, Schulman,
//! Chen, Bartlett, Sutskever & Abbeel, *RL²: Fast Reinforcement Learning via Slow Reinforcement Learning*, 2016. Inputs
//! are one-hot vectors and numbers side by side, as in the paper's bandits and tables; the paper's update is TRPO.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_envs::{Augment, Env, EnvFamily, Redraw, VecEnv, stream_rng};
use rekindle_optim::State;
use rekindle_rl::instances::Summary;
use rekindle_rl::{
    ActionHead, Collector, CriticFit, Deviation, Policy, Ppo, Recurrent, Rollout, TrustRegionConfig, trpo,
};

use crate::error::{at_least_one, positive};
use crate::{At, Error, Iterated, Learner, Result};

/// Where values come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Critic {
    /// A recurrent network of its own, as in the paper.
    #[default]
    Separate,
    /// One more output of the policy's: about half the work. But one network then serves two losses: on bandits of ten arms
    /// and 100 pulls such a policy settles for an arm that will do (80.7 pulls pay after 20 million steps with λ = 0.95; with
    /// a critic of its own and λ = 0.5 it is 82.0 after 15 million).
    Shared,
}

/// The slow learner.
#[derive(Clone, Debug)]
pub enum TrialUpdate {
    /// Proximal policy optimisation, with its own γ and λ.
    Ppo(Ppo),
    /// Trust region policy optimisation, the paper's, with a critic of its own.
    Trpo {
        /// The step.
        trust_region: TrustRegionConfig,
        /// How the critic is fitted, to λ-returns.
        critic: CriticFit,
        /// Discount γ.
        gamma: f64,
        /// Decay λ of the advantages.
        lambda: f64,
    },
}

/// Settings of RL².
#[derive(Clone, Debug)]
pub struct Rl2Config {
    /// Episodes in a trial, `>= 1`.
    pub episodes: usize,
    /// Steps of a rollout, `>= 1`: the length of a trial, where all have one length. A trial that is cut is bootstrapped.
    pub steps: usize,
    /// Trials that are played side by side, `>= 1`.
    pub trials: usize,
    /// Units of the GRU. Default 256. Without effect on a policy of one's own ([`Rl2::with_policy`]).
    pub units: usize,
    /// Steps that fresh units' memories span at most, `>= 2` ([`Recurrent::remembering`]); `None`: they forget half in a
    /// step. The paper does not tell its own. Default `None`.
    pub memory_span: Option<usize>,
    /// Where values come from. Without effect on a policy of one's own.
    pub critic: Critic,
    /// The slow learner.
    pub update: TrialUpdate,
    /// What rewards are multiplied by before they are learned from, `> 0`; inputs and scores keep the family's. Values
    /// of about one are learned fastest, and a shared critic's error then does not drown the policy's gradient. Default 1.
    pub reward_scale: f64,
}

impl Default for Rl2Config {
    /// The paper's hyper-parameters as far as they are known: 256 units, TRPO with a mean divergence of 0.01, γ = 0.99,
    /// λ = 0.3. Its 250,000 steps an iteration are `trials · steps`.
    fn default() -> Self {
        let update = TrialUpdate::Trpo {
            trust_region: TrustRegionConfig::default(),
            critic: CriticFit::default(),
            gamma: 0.99,
            lambda: 0.3,
        };
        Self {
            episodes: 10,
            steps: 10,
            trials: 1000,
            units: 256,
            memory_span: None,
            critic: Critic::Separate,
            update,
            reward_scale: 1.0,
        }
    }
}

impl Rl2Config {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let sizes = [("episodes", self.episodes), ("steps", self.steps), ("trials", self.trials)];
        sizes.into_iter().try_for_each(|(name, size)| at_least_one(name, size))?;
        at_least_one("units", self.units)?;
        positive("reward_scale", self.reward_scale)?;
        if matches!((&self.update, self.critic), (TrialUpdate::Trpo { .. }, Critic::Shared)) {
            return Err(Error::setting("critic", "Shared", "Separate with TRPO, which moves the policy alone"));
        }
        Ok(())
    }
}

/// RL² over a family of environments.
#[derive(Clone, Debug)]
pub struct Rl2<F> {
    family: F,
    config: Rl2Config,
    policy: Policy,
    /// Whether the policy is not that of the settings.
    own_policy: bool,
}

/// What a test ends with.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials {
    /// Undiscounted reward of every trial, in the order of the tasks.
    pub totals: Vec<f64>,
}

impl Trials {
    /// Mean reward of a trial.
    ///
    /// # Errors
    /// Without trials.
    pub fn summary(&self) -> Result<Summary> {
        Ok(Summary::of(&self.totals)?)
    }
}

/// Trials that are tested side by side.
const CHUNK: usize = 500;

impl<F: EnvFamily + Clone> Rl2<F>
where
    F::Env: Env + Send,
    F::Task: Clone + Send,
{
    /// A learner for a family.
    ///
    /// # Errors
    /// If a setting is out of its range, and those of the family.
    pub fn new(family: F, config: Rl2Config) -> Result<Self> {
        config.validate()?;
        // Any task has the family's spaces.
        let env = Augment::new(family.make(&family.sample(&mut stream_rng(0, 0))?)?);
        let inputs = env.observation_space().n_features();
        let head = ActionHead::new(&env.action_space(), Deviation::default())?;
        let net = |outputs| {
            let net = Recurrent::new(inputs, config.units, outputs)?.orthogonal();
            match config.memory_span {
                Some(steps) => net.remembering(steps),
                None => Ok(net),
            }
        };
        let n = head.n_outputs();
        let policy = match config.critic {
            Critic::Separate => Policy::new(net(n)?, head)?.with_critic(net(1)?)?,
            Critic::Shared => Policy::with_shared_value(net(n + 1)?, head)?,
        };
        Ok(Self { family, config, policy, own_policy: false })
    }

    /// A learner with a policy of one's own: with an encoder for images before its memory, or without any memory. What it
    /// observes are the family's observations through [`Augment`], laid out as in [`Layout`](rekindle_envs::Layout).
    ///
    /// # Errors
    /// If a setting is out of its range or the policy does not fit the family, and those of the family.
    pub fn with_policy(family: F, policy: Policy, config: Rl2Config) -> Result<Self> {
        let critic = if policy.shares_value() { Critic::Shared } else { Critic::Separate };
        Rl2Config { critic, ..config.clone() }.validate()?;
        if !policy.has_values() {
            let expected = "one with a critic (`Policy::with_critic`, `Policy::with_shared_value`)";
            return Err(Error::setting("policy", "one without values", expected));
        }
        let env = Augment::new(family.make(&family.sample(&mut stream_rng(0, 0))?)?);
        policy.check(&env.observation_space(), &env.action_space())?;
        Ok(Self { family, config, policy, own_policy: true })
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Trials in `n` fresh tasks. The tasks follow from the seed alone.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if a trial does not end within `steps`, and those of family and policy.
    pub fn test(&self, params: &Params, n: usize, seed: u64) -> Result<Trials> {
        at_least_one("n", n)?;
        self.test_tasks(params, &self.family.sample_tasks(&mut stream_rng(seed, 0), n)?, seed)
    }

    /// A trial in each of these tasks.
    ///
    /// # Errors
    /// As [`test`](Self::test).
    pub fn test_tasks(&self, params: &Params, tasks: &[F::Task], seed: u64) -> Result<Trials> {
        let family = (&self.family).trials(self.config.episodes).wrap(|env| Ok(Augment::new(env)));
        let mut totals = Vec::with_capacity(tasks.len());
        for (chunk, tasks) in tasks.chunks(CHUNK).enumerate() {
            let env = VecEnv::stack(&family, tasks, 1)?;
            let mut collector = Collector::new(env, stream_rng(seed, 1 + chunk as u64).next_u64())?;
            totals.extend(first_totals(&collector.collect(&self.policy, params, self.config.steps)?, tasks.len())?);
        }
        Ok(Trials { totals })
    }
}

fn mean_of_rows(rollout: &Rollout) -> f64 {
    rollout.rewards.iter().map(|&r| f64::from(r)).sum::<f64>() / rollout.path().n_rows as f64
}

/// Total reward of the first trial of every row.
fn first_totals(rollout: &Rollout, rows: usize) -> Result<Vec<f64>> {
    let mut totals = vec![None; rows];
    for done in &rollout.finished {
        totals[done.row].get_or_insert(done.total);
    }
    let unfinished = totals.iter().filter(|total| total.is_none()).count();
    if unfinished > 0 {
        return Err(Error::Unfinished { unfinished, trials: rows, steps: rollout.experience.dims()[0] });
    }
    Ok(totals.into_iter().flatten().collect())
}

impl<F: EnvFamily + Clone + Send> Learner for Rl2<F>
where
    F::Env: Clone + Send,
    F::Task: Clone + Send,
{
    fn fingerprint(&self) -> String {
        let policy = if self.own_policy { format!(", {:?}", self.policy) } else { String::new() };
        format!("RL² {:?}{policy}", self.config)
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.policy.init(rng, dtype, device)?)
    }

    fn state(&self, params: &Params) -> Result<State> {
        match &self.config.update {
            TrialUpdate::Ppo(ppo) => Ok(ppo.init(params)?),
            TrialUpdate::Trpo { critic, .. } => Ok(critic.init(params)?),
        }
    }

    fn iterate(&self, at: At, params: &Params, state: &State) -> Result<Iterated> {
        let mut rng = at.rng();
        let trial = self.family.clone().trials(self.config.episodes);
        let env = Augment::new(Redraw::new(trial, &mut rng)?);
        let envs = VecEnv::new(vec![env; self.config.trials])?;
        let mut rollout = Collector::new(envs, rng.next_u64())?.collect(&self.policy, params, self.config.steps)?;
        let steps = rollout.rewards.len() as u64;
        // Where no trial came to its end, what the rollout gave stands for it.
        let score = rollout.mean_return().unwrap_or_else(|| mean_of_rows(&rollout));
        rollout.rewards.iter_mut().for_each(|r| *r *= self.config.reward_scale as f32);
        let (params, state) = match &self.config.update {
            TrialUpdate::Ppo(ppo) => {
                let update = ppo.update(&self.policy, params, state, &rollout, &mut rng)?;
                (update.params, update.state)
            }
            TrialUpdate::Trpo { trust_region, critic, gamma, lambda } => {
                let (mut advantages, targets) = rollout.advantages("RL² with TRPO", *gamma, *lambda)?;
                rollout.experience.normalise(&mut advantages)?;
                let moved = trpo(&self.policy, params, &rollout.experience, &advantages, trust_region)?;
                let fitted =
                    critic.fit(&self.policy, &moved.params, state, (&rollout.experience, &targets), &mut rng)?;
                (fitted.params, fitted.state)
            }
        };
        Ok(Iterated { params, state, score, steps })
    }
}
