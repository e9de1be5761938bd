//! Proximal policy optimisation.
//!
//! ```text
//! L = E[ −min(ρ A, clip(ρ, 1 ± ε) A) + c_v ½ (v − G)² − c_e H ]        ρ = π(a)/π_old(a)
//! ```
//! Schulman et al. 2017, several epochs of minibatches on each rollout; A and G by
//! [`Rollout::advantages`](crate::Rollout::advantages). Advantages have mean 0 and deviation 1 in the whole rollout of each task.

use std::sync::Arc;

use candle_core::Tensor as Value;
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::{Adam, Chain, ClipNorm, Schedule, State, Transform};

use super::step::{descend, minibatches};
use super::surrogate::clipped_loss;
use crate::error::{at_least_one, in_range, positive};
use crate::experience::rows_of_one;
use crate::{Experience, Policy, Result, Rollout};

/// Settings of PPO. The defaults are those of the paper's continuous control (Table 3), with its entropy bonus of none,
/// and the value coefficient, the bound on the gradient and Adam's ε of the authors' code.
#[derive(Clone, Debug)]
pub struct PpoConfig {
    /// Discount γ, from 0 to 1. Default 0.99.
    pub gamma: f64,
    /// Decay λ of the advantages, from 0 to 1. Default 0.95.
    pub lambda: f64,
    /// Half-width ε of the clip, in (0, 1). Default 0.2.
    pub clip: f64,
    /// Passes over a rollout, `>= 1`. Default 10.
    pub epochs: usize,
    /// Minibatches of a pass, `>= 1`: of steps, or of whole sequences where the policy remembers. Default 32: 2048 steps
    /// in batches of 64.
    pub minibatches: usize,
    /// Learning rate of Adam. Default 3e-4.
    pub lr: Schedule,
    /// Largest norm of the gradient, `> 0`. Default 0.5.
    pub max_grad_norm: f64,
    /// Weight c_v of the error of the values, `>= 0`. Default 0.5.
    pub value_coefficient: f64,
    /// Weight c_e of the entropy, `>= 0`. Default 0.
    pub entropy_coefficient: f64,
    /// Whether advantages get mean 0 and deviation 1. Default yes.
    pub normalise: bool,
    /// Stops the passes when the divergence from the old policy is above 1.5 times this; never by default.
    pub target_kl: Option<f64>,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            gamma: 0.99,
            lambda: 0.95,
            clip: 0.2,
            epochs: 10,
            minibatches: 32,
            lr: Schedule::Constant(3e-4),
            max_grad_norm: 0.5,
            value_coefficient: 0.5,
            entropy_coefficient: 0.0,
            normalise: true,
            target_kl: None,
        }
    }
}

impl PpoConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        crate::returns::check_unit("gamma", self.gamma)?;
        crate::returns::check_unit("lambda", self.lambda)?;
        in_range("clip", self.clip, [1e-6, 1.0 - 1e-6], "between 0 and 1")?;
        at_least_one("epochs", self.epochs)?;
        at_least_one("minibatches", self.minibatches)?;
        positive("max_grad_norm", self.max_grad_norm)?;
        in_range("value_coefficient", self.value_coefficient, [0.0, f64::MAX], "at least 0")?;
        in_range("entropy_coefficient", self.entropy_coefficient, [0.0, f64::MAX], "at least 0")?;
        self.target_kl.map_or(Ok(()), |kl| positive("target_kl", kl))
    }
}

/// New parameters, the optimiser's new state, and how the update went.
#[derive(Clone, Debug)]
pub struct PpoUpdate {
    /// Constants.
    pub params: Params,
    /// Of the optimiser.
    pub state: State,
    /// Mean loss over all minibatches.
    pub loss: f64,
    /// Divergence from the old policy in the last minibatch, `mean (ρ − 1 − log ρ)`.
    pub kl: f64,
    /// Passes that were made.
    pub epochs: usize,
}

/// Proximal policy optimisation: an optimiser and what it minimises.
#[derive(Clone, Debug)]
pub struct Ppo {
    config: PpoConfig,
    optimiser: Arc<dyn Transform>,
}

impl Ppo {
    /// With Adam (ε = 1e-5) behind a bound on the gradient's norm.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(config: PpoConfig) -> Result<Self> {
        config.validate()?;
        let adam = Adam { eps: 1e-5, ..Adam::new(config.lr.clone()) };
        let optimiser = Chain::new().then(ClipNorm::new(config.max_grad_norm)).then(adam);
        Ok(Self { config, optimiser: Arc::new(optimiser) })
    }

    /// The settings.
    pub fn config(&self) -> &PpoConfig {
        &self.config
    }

    /// The optimiser's state before the first update.
    ///
    /// # Errors
    /// If a setting of the optimiser is out of its range.
    pub fn init(&self, params: &Params) -> Result<State> {
        Ok(self.optimiser.init(params)?)
    }

    /// One update from a rollout, with the critic's values.
    ///
    /// # Errors
    /// [`NoValues`](crate::Error::NoValues) without a critic; [`NotFinite`](crate::Error::NotFinite).
    pub fn update(
        &self,
        policy: &Policy,
        params: &Params,
        state: &State,
        rollout: &Rollout,
        rng: &mut dyn RngCore,
    ) -> Result<PpoUpdate> {
        let (advantages, targets) = rollout.advantages("PPO", self.config.gamma, self.config.lambda)?;
        self.update_with(policy, params, state, &rollout.experience, (advantages, &targets), rng)
    }

    /// One update from advantages and targets of the values, `[T, M, B]`, of any kind.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_with(
        &self,
        policy: &Policy,
        params: &Params,
        state: &State,
        experience: &Experience,
        (mut advantages, targets): (Vec<f32>, &[f32]),
        rng: &mut dyn RngCore,
    ) -> Result<PpoUpdate> {
        if self.config.normalise {
            experience.normalise(&mut advantages)?;
        }
        let whole = Batch {
            advantages: experience.tensor(&advantages)?,
            targets: experience.tensor(targets)?,
            experience: experience.clone(),
        };
        // Without memory the steps of a sequence may go into different batches.
        let whole = if policy.is_recurrent() { whole } else { whole.flatten()? };
        let mut update = PpoUpdate { params: params.detach(), state: state.clone(), loss: 0.0, kl: 0.0, epochs: 0 };
        let mut n_steps = 0;
        while update.epochs < self.config.epochs {
            for copies in minibatches(whole.experience.dims()[2], self.config.minibatches, rng) {
                let (loss, kl) = self.step(policy, &mut update, &whole.select(&copies)?)?;
                (update.loss, update.kl, n_steps) = (update.loss + loss, kl, n_steps + 1);
            }
            update.epochs += 1;
            if self.config.target_kl.is_some_and(|target| update.kl > 1.5 * target) {
                break;
            }
        }
        update.loss /= f64::from(n_steps.max(1));
        Ok(update)
    }

    /// One minibatch: its loss, and the divergence before the step.
    fn step(&self, policy: &Policy, update: &mut PpoUpdate, batch: &Batch) -> Result<(f64, f64)> {
        let mut kl = 0.0;
        let (params, state, loss) = descend(&*self.optimiser, &update.params, &update.state, |theta| {
            let (losses, divergence) = self.losses(policy, theta, batch)?;
            kl = divergence;
            Ok(losses)
        })?;
        (update.params, update.state) = (params, state);
        Ok((loss, kl))
    }

    /// Losses `[M]`, and the divergence from the old policy.
    fn losses(&self, policy: &Policy, params: &Params, batch: &Batch) -> Result<(Tensor, f64)> {
        let experience = &batch.experience;
        let outputs = policy.forward(params, experience.sequence(), &experience.memory)?;
        let log_probs = outputs.distribution.log_prob(&experience.actions)?;
        let mut losses = clipped_loss(&log_probs, experience, &batch.advantages, self.config.clip)?;
        if let Some(values) = &outputs.values {
            let errors = values.sub(&batch.targets)?.sqr()?;
            losses = losses.add_scaled(&experience.mean(&errors)?, 0.5 * self.config.value_coefficient)?;
        }
        if self.config.entropy_coefficient > 0.0 {
            let entropy = experience.mean(&outputs.distribution.entropy()?)?;
            losses = losses.add_scaled(&entropy, -self.config.entropy_coefficient)?;
        }
        // Schulman, *Approximating KL Divergence*, 2020: never negative, and of low variance.
        let change = log_probs.detach().sub(&experience.log_probs)?;
        let kl = experience.mean(&change.exp()?.shift(-1.0)?.sub(&change)?)?.mean_all()?.to_f64()?;
        Ok((losses, kl))
    }
}

/// A rollout, or a part of one, with what is learned from it.
struct Batch {
    experience: Experience,
    advantages: Tensor,
    targets: Tensor,
}

impl Batch {
    fn flatten(&self) -> Result<Self> {
        Ok(Self {
            experience: self.experience.flatten()?,
            advantages: rows_of_one(&self.advantages)?,
            targets: rows_of_one(&self.targets)?,
        })
    }

    fn select(&self, copies: &[u32]) -> Result<Self> {
        let ids = Value::new(copies, self.advantages.device())?;
        Ok(Self {
            experience: self.experience.select(copies)?,
            advantages: self.advantages.index_select(2, &ids)?,
            targets: self.targets.index_select(2, &ids)?,
        })
    }
}
