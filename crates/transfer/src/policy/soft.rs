//! Pretraining for diversity: a policy that reaches what it is paid for in every way there is, to be made to choose later.
//!
//! ```text
//! π(a | s) ∝ exp(Q(s, a)/α)        V(s) = α log Σ_a exp(Q(s, a)/α)
//! α_t = α_0 (α_1/α_0)^{t/n}                                              while it learns a new task
//! ```
//! With a temperature α, everything that pays alike is done alike often, and nothing that works is unlearned. A new task
//! starts from the pretrained Q, and the temperature falls, so that diversity turns into choice. Haarnoja, Tang, Abbeel &
//! Levine, *Reinforcement Learning with Deep Energy-Based Policies*, ICML 2017, §5.3 and appendix D.2.
//!
//! Differs from the paper: actions are discrete, so the soft maximum is a sum and needs neither samples nor a sampler.

use std::sync::Arc;

use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_envs::{Env, VecEnv};
use rekindle_optim::{Adam, Transform};
use rekindle_rl::{Backup, Finished, Net, QCollector, QConfig, QLearner};

use crate::Result;
use crate::error::positive;

/// A temperature that falls log-linearly, and then stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annealing {
    /// At first, `> 0`, in units of reward.
    pub start: f64,
    /// At the end, `> 0`.
    pub end: f64,
    /// Steps that it takes; 0 is the end at once.
    pub steps: u64,
}

impl Annealing {
    /// Always the same.
    pub const fn constant(temperature: f64) -> Self {
        Self { start: temperature, end: temperature, steps: 0 }
    }

    /// The temperature after so many steps.
    ///
    /// ```
    /// use rekindle_transfer::policy::Annealing;
    /// let falling = Annealing { start: 0.1, end: 0.001, steps: 100 };
    /// assert!((falling.at(50) - 0.01).abs() < 1e-12 && falling.at(1000) == 0.001);
    /// ```
    pub fn at(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.end;
        }
        self.start * libm::pow(self.end / self.start, step as f64 / self.steps as f64)
    }
}

/// Settings of [`SoftTraining`].
#[derive(Clone, Debug)]
pub struct SoftConfig {
    /// Temperature α. Default 0.1, that of the paper's pretraining; for a new task the paper lets it fall from there to 0.001.
    pub temperature: Annealing,
    /// Discount γ, at least 0 and below 1. Default 0.95.
    pub gamma: f64,
    /// Transitions in an update, `>= 1`. Default 64, the paper's.
    pub batch: usize,
    /// Updates from one copy of the network to the next, `>= 1`. Default 100; the paper's is 1000, of many more updates.
    pub copy_every: u64,
    /// Steps of the environments that are remembered, `>= 1`. Default 10,000.
    pub capacity: usize,
    /// Steps before the first update. Default 100.
    pub warm_up: u64,
    /// The optimiser. Default Adam with rate 1e-3, the paper's.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for SoftConfig {
    fn default() -> Self {
        Self {
            temperature: Annealing::constant(0.1),
            gamma: 0.95,
            batch: 64,
            copy_every: 100,
            capacity: 10_000,
            warm_up: 100,
            optimiser: Arc::new(Adam::new(1e-3)),
        }
    }
}

impl SoftConfig {
    /// For a new task, after pretraining: the temperature falls from 0.1 to 0.001 over so many steps.
    pub fn fine_tuning(steps: u64) -> Self {
        Self { temperature: Annealing { start: 0.1, end: 0.001, steps }, ..Self::default() }
    }

    /// Checks the temperatures; all else is checked where the learner is made.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting).
    pub fn validate(&self) -> Result<()> {
        let Annealing { start, end, .. } = self.temperature;
        [start, end].into_iter().try_for_each(|t| positive("temperature", t))
    }
}

/// Soft Q-learning in one world, from given parameters: for pretraining from fresh ones, for a new task from those that were
/// pretrained. The memory of transitions begins empty, since another world paid for other things.
///
/// ```
/// use std::sync::Arc;
/// use candle_core::{DType, Device};
/// use rekindle_envs::{Crawler, Ground, VecEnv, stream_rng};
/// use rekindle_nn::Activation;
/// use rekindle_rl::{FeedForward, Net};
/// use rekindle_transfer::policy::{SoftConfig, SoftTraining};
/// let net: Arc<dyn Net> = Arc::new(FeedForward::value_mlp(&[5, 16, 4], Activation::Relu)?);
/// let rng = &mut stream_rng(0, 0);
/// let mut params = net.init(rng, DType::F32, &Device::Cpu)?;
/// for ground in [Ground::Open, Ground::Narrow] {
///     let config = SoftConfig { warm_up: 10, ..SoftConfig::default() };
///     let envs = VecEnv::new(vec![Crawler::new(ground, 100)?; 4])?;
///     let mut training = SoftTraining::new(net.clone(), &params, envs, config, 1)?;
///     (0..20).try_for_each(|_| training.step(rng).map(|_| ()))?;
///     params = training.params().clone();
/// }
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Debug)]
pub struct SoftTraining<E> {
    net: Arc<dyn Net>,
    config: SoftConfig,
    collector: QCollector<E>,
    buffer: rekindle_rl::ReplayBuffer,
    state: rekindle_rl::QState,
    steps: u64,
}

impl<E: Env + Send> SoftTraining<E> {
    /// Begins in every environment, with an empty memory. `seed` determines what environments and the learner draw.
    ///
    /// # Errors
    /// If a setting is out of its range, or the network does not fit the environments.
    pub fn new(net: Arc<dyn Net>, params: &Params, envs: VecEnv<E>, config: SoftConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let n_actions = envs.action_space().n_features();
        let collector = QCollector::new(envs, seed)?;
        let buffer = collector.buffer(config.capacity)?;
        let state = learner(&net, n_actions, &config, 0)?.init(params)?;
        Ok(Self { net, config, collector, buffer, state, steps: 0 })
    }

    /// One step in every environment, and one update after the warm-up; answers the episodes that came to an end.
    ///
    /// # Errors
    /// Those of the environments; if the loss is not finite.
    pub fn step(&mut self, rng: &mut dyn RngCore) -> Result<Vec<Finished>> {
        let learner = learner(&self.net, self.net.n_outputs(), &self.config, self.steps)?;
        let finished = self.collector.step(&learner, &self.state.params, 0.0, &mut self.buffer)?;
        self.steps += 1;
        if self.steps > self.config.warm_up {
            self.state = learner.update(&self.state, &self.buffer, rng)?.0;
        }
        Ok(finished)
    }

    /// Parameters as they are now, to go on with somewhere else.
    pub fn params(&self) -> &Params {
        &self.state.params
    }

    /// The temperature as it is now.
    pub fn temperature(&self) -> f64 {
        self.config.temperature.at(self.steps)
    }
}

/// The learner with the temperature of a step.
fn learner(net: &Arc<dyn Net>, n_actions: usize, config: &SoftConfig, step: u64) -> Result<QLearner> {
    let q = QConfig {
        gamma: config.gamma,
        batch: config.batch,
        copy_every: config.copy_every,
        backup: Backup::Soft { temperature: config.temperature.at(step) },
        optimiser: config.optimiser.clone(),
    };
    Ok(QLearner::new(net.clone(), n_actions, q)?)
}
