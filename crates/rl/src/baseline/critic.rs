//! Regression of a critic on returns: for algorithms that move the acting network by other means, TRPO say.
//!
//! ```text
//! min mean ½ (v(o_t) − G_t)²
//! ```

use std::sync::Arc;

use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_optim::{Adam, State, Transform};

use crate::algorithms::{descend, minibatches};
use crate::error::at_least_one;
use crate::experience::rows_of_one;
use crate::{Error, Experience, Policy, Result};

/// How a critic of its own is fitted. The defaults are those that Henderson et al., *Deep Reinforcement Learning that
/// Matters*, 2018, found for TRPO's value function in OpenAI's baselines: Adam with rate 1e-3, 5 passes, batches of 64
/// for 2048 steps.
#[derive(Clone, Debug)]
pub struct CriticFit {
    /// The optimiser.
    pub optimiser: Arc<dyn Transform>,
    /// Passes over the experience, `>= 1`.
    pub epochs: usize,
    /// Minibatches of a pass, `>= 1`: of steps, or of whole sequences where the policy remembers.
    pub minibatches: usize,
}

impl Default for CriticFit {
    fn default() -> Self {
        Self { optimiser: Arc::new(Adam::new(1e-3)), epochs: 5, minibatches: 32 }
    }
}

/// What [`CriticFit::fit`] answers.
#[derive(Clone, Debug)]
pub struct CriticFitted {
    /// All parameters, the acting network's as they were.
    pub params: Params,
    /// Of the optimiser.
    pub state: State,
    /// Mean loss over all minibatches.
    pub loss: f64,
}

impl CriticFit {
    /// The optimiser's state before the first fit.
    ///
    /// # Errors
    /// [`Error::NoValues`] if the parameters have no critic of its own.
    pub fn init(&self, params: &Params) -> Result<State> {
        Ok(self.optimiser.init(&critic_part(params)?.0)?)
    }

    /// Moves the critic's parameters towards the targets `[T, M, B]`.
    ///
    /// # Errors
    /// [`Error::NoValues`], [`Error::NotFinite`], and if a setting is out of its range.
    pub fn fit(
        &self,
        policy: &Policy,
        params: &Params,
        state: &State,
        (experience, targets): (&Experience, &[f32]),
        rng: &mut dyn RngCore,
    ) -> Result<CriticFitted> {
        at_least_one("epochs", self.epochs)?;
        at_least_one("minibatches", self.minibatches)?;
        let (mut critic, actor) = critic_part(&params.detach())?;
        let mut targets = experience.tensor(targets)?;
        let mut experience = experience.clone();
        if !policy.is_recurrent() {
            (experience, targets) = (experience.flatten()?, rows_of_one(&targets)?);
        }
        let (mut state, mut total, mut n) = (state.clone(), 0.0, 0);
        for _ in 0..self.epochs {
            for copies in minibatches(experience.dims()[2], self.minibatches, rng) {
                let ids = candle_core::Tensor::new(&copies[..], targets.device())?;
                let (part, targets) = (experience.select(&copies)?, targets.index_select(2, &ids)?);
                let (next, after, loss) = descend(&*self.optimiser, &critic, &state, |critic| {
                    let values = policy.values(critic, part.sequence(), &part.memory)?;
                    Ok(part.mean(&values.sub(&targets)?.sqr()?)?.scale(0.5)?)
                })?;
                (critic, state, total, n) = (next, after, total + loss, n + 1);
            }
        }
        Ok(CriticFitted { params: actor.merge(&critic)?, state, loss: total / f64::from(n.max(1)) })
    }
}

/// The critic's leaves, and the others.
fn critic_part(params: &Params) -> Result<(Params, Params)> {
    let parts = params.partition(|name| name.starts_with("critic."));
    if parts.0.is_empty() { Err(Error::NoValues { what: "fitting a critic" }) } else { Ok(parts) }
}
