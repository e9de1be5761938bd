//! REINFORCE and advantage actor-critic: one step of gradient for each rollout.
//!
//! ```text
//! L = E[ −log π(a) A + c_v ½ (v − G)² − c_e H ]
//! ```
//! REINFORCE (Williams, *Simple statistical gradient-following algorithms*, 1992) takes A = G − b with G the discounted
//! returns and b any baseline, and has no critic. A2C (the synchronous form of Mnih et al., *Asynchronous Methods for Deep
//! Reinforcement Learning*, 2016) takes A from the critic, over the few steps of a rollout, and trains both.

use std::sync::Arc;

use rekindle_autodiff::Params;
use rekindle_optim::{Adam, Chain, ClipNorm, RmsProp, State, Transform};

use super::step::{actor_part, descend};
use super::surrogate::{Estimator, policy_gradient_loss};
use crate::error::in_range;
use crate::returns::{check_unit, discounted_returns};
use crate::{Error, Policy, Result, Rollout};

/// New parameters, the optimiser's new state, and the loss.
#[derive(Clone, Debug)]
pub struct GradientUpdate {
    /// Constants.
    pub params: Params,
    /// Of the optimiser.
    pub state: State,
    /// Before the step, the mean over tasks.
    pub loss: f64,
}

/// REINFORCE. The policy's critic, if it has one, stays as it is.
#[derive(Clone, Debug)]
pub struct Reinforce {
    /// Discount γ, from 0 to 1. Default 0.99.
    pub gamma: f64,
    /// Whether advantages get mean 0 and deviation 1 in each task, as in rllab. Default yes.
    pub normalise: bool,
    /// The optimiser. Default Adam with rate 1e-2, as rllab's vanilla policy gradient.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for Reinforce {
    fn default() -> Self {
        Self { gamma: 0.99, normalise: true, optimiser: Arc::new(Adam::new(1e-2)) }
    }
}

impl Reinforce {
    /// The optimiser's state before the first update.
    ///
    /// # Errors
    /// If a setting of the optimiser is out of its range.
    pub fn init(&self, params: &Params) -> Result<State> {
        Ok(self.optimiser.init(&actor_part(params).0)?)
    }

    /// One update, with estimates `[T, M, B]` of a baseline, zeros without.
    ///
    /// # Errors
    /// If lengths differ, γ is out of its range, or the loss is not finite; [`Error::Unsupported`] for a policy whose
    /// value is an output of the acting network.
    pub fn update(
        &self,
        policy: &Policy,
        params: &Params,
        state: &State,
        rollout: &Rollout,
        baseline: Option<&[f32]>,
    ) -> Result<GradientUpdate> {
        if policy.shares_value() {
            return Err(Error::Unsupported {
                message: "REINFORCE trains no value: use `Policy::new`, or `A2c`".into(),
            });
        }
        let mut advantages = discounted_returns(rollout.path(), None, self.gamma)?;
        if let Some(baseline) = baseline {
            if baseline.len() != advantages.len() {
                return Err(Error::shape("the baseline", &[baseline.len()], format!("[{}]", advantages.len())));
            }
            advantages.iter_mut().zip(baseline).for_each(|(g, b)| *g -= b);
        }
        let experience = &rollout.experience;
        if self.normalise {
            experience.normalise(&mut advantages)?;
        }
        let advantages = experience.tensor(&advantages)?;
        let (actor, rest) = actor_part(&params.detach());
        let (actor, state, loss) = descend(&*self.optimiser, &actor, state, |actor| {
            policy_gradient_loss(policy, actor, experience, &advantages, Estimator::ScoreFunction)
        })?;
        Ok(GradientUpdate { params: actor.merge(&rest)?, state, loss })
    }
}

/// Advantage actor-critic. The defaults are those of the synchronous form in OpenAI's baselines, for rollouts of 5 steps.
#[derive(Clone, Debug)]
pub struct A2c {
    /// Discount γ, from 0 to 1. Default 0.99.
    pub gamma: f64,
    /// Decay λ of the advantages, from 0 to 1. Default 1: returns of as many steps as the rollout has.
    pub lambda: f64,
    /// Weight c_v of the error of the values, `>= 0`. Default 0.5.
    pub value_coefficient: f64,
    /// Weight c_e of the entropy, `>= 0`. Default 0.01.
    pub entropy_coefficient: f64,
    /// The optimiser. Default RMSProp with rate 7e-4, decay 0.99 and ε = 1e-5, behind a largest norm of 0.5.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for A2c {
    fn default() -> Self {
        let rms = RmsProp { decay: 0.99, eps: 1e-5, ..RmsProp::new(7e-4) };
        let optimiser = Arc::new(Chain::new().then(ClipNorm::new(0.5)).then(rms));
        Self { gamma: 0.99, lambda: 1.0, value_coefficient: 0.5, entropy_coefficient: 0.01, optimiser }
    }
}

impl A2c {
    /// The optimiser's state before the first update.
    ///
    /// # Errors
    /// If a setting of the optimiser is out of its range.
    pub fn init(&self, params: &Params) -> Result<State> {
        Ok(self.optimiser.init(params)?)
    }

    /// One update, of actor and critic.
    ///
    /// # Errors
    /// [`Error::NoValues`], [`Error::NotFinite`], and if a setting is out of its range.
    pub fn update(&self, policy: &Policy, params: &Params, state: &State, rollout: &Rollout) -> Result<GradientUpdate> {
        check_unit("gamma", self.gamma)?;
        in_range("value_coefficient", self.value_coefficient, [0.0, f64::MAX], "at least 0")?;
        in_range("entropy_coefficient", self.entropy_coefficient, [0.0, f64::MAX], "at least 0")?;
        let (advantages, targets) = rollout.advantages("A2C", self.gamma, self.lambda)?;
        let experience = &rollout.experience;
        let (advantages, targets) = (experience.tensor(&advantages)?, experience.tensor(&targets)?);
        let (params, state, loss) = descend(&*self.optimiser, &params.detach(), state, |theta| {
            let outputs = policy.forward(theta, experience.sequence(), &experience.memory)?;
            let log_probs = outputs.distribution.log_prob(&experience.actions)?;
            let terms = Estimator::ScoreFunction.terms(&log_probs, &advantages, &experience.starts)?;
            let values = outputs.values.ok_or(Error::NoValues { what: "A2C" })?;
            let errors = values.sub(&targets)?.sqr()?.scale(0.5 * self.value_coefficient)?;
            let entropy = outputs.distribution.entropy()?.scale(self.entropy_coefficient)?;
            experience.mean(&errors.sub(&terms)?.sub(&entropy)?)
        })?;
        Ok(GradientUpdate { params, state, loss })
    }
}
