//! The agent that believes, plans and follows its plan; the rules differ in how they plan.

use std::fmt;

use rand::RngCore;
use rekindle_envs::random;

use super::{Experience, Plan, Posterior, Prior, Sizes, TabularAgent};
use crate::Result;
use crate::bandit::Ties;

/// Turns a posterior into action values.
pub trait PlanRule: fmt::Debug {
    /// Refuses settings outside their ranges.
    ///
    /// # Errors
    /// [`Error::AgentSetting`](crate::Error::AgentSetting).
    fn validate(&self) -> Result<()>;

    /// Plans for episode number `episode`, from 1, into `plan`.
    fn plan(&mut self, posterior: &Posterior, episode: usize, plan: &mut Plan, rng: &mut dyn RngCore);

    /// Probability ε of an action at random.
    fn epsilon(&self) -> f64 {
        0.0
    }
}

/// An agent that plans by a rule before every episode. Ties between actions are broken at random, as in TabulaRL.
#[derive(Clone, Debug)]
pub struct Planning<R> {
    prior: Prior,
    rule: R,
    state: Option<(Posterior, Plan)>,
    episode: usize,
}

impl<R: PlanRule> Planning<R> {
    /// A rule and what is believed at first.
    pub fn new(rule: R, prior: Prior) -> Self {
        Self { prior, rule, state: None, episode: 0 }
    }

    /// What is believed now; nothing before an MDP has begun.
    pub fn posterior(&self) -> Option<&Posterior> {
        self.state.as_ref().map(|state| &state.0)
    }
}

impl<R: PlanRule> TabularAgent for Planning<R> {
    fn begin(&mut self, sizes: Sizes) -> Result<()> {
        self.rule.validate()?;
        self.state = Some((Posterior::new(self.prior, sizes)?, Plan::zeros(sizes)?));
        self.episode = 0;
        Ok(())
    }

    fn plan(&mut self, rng: &mut dyn RngCore) {
        self.episode += 1;
        if let Some((posterior, plan)) = &mut self.state {
            self.rule.plan(posterior, self.episode, plan, rng);
        }
    }

    fn act(&mut self, t: usize, state: usize, rng: &mut dyn RngCore) -> usize {
        // Before the first MDP there is no action but this one.
        let Some((_, plan)) = &self.state else { return 0 };
        let values = plan.action_values(t, state);
        let epsilon = self.rule.epsilon();
        if epsilon > 0.0 && random::unit_f64(rng) < epsilon {
            return random::below(rng, values.len());
        }
        Ties::Random.largest(values.iter().copied(), rng)
    }

    fn observe(&mut self, step: Experience) {
        if let Some((posterior, _)) = &mut self.state {
            posterior.observe(step);
        }
    }
}
