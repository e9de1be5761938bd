//! What a meta-learner of policies is: one iteration, as a pure function.

use candle_core::{DType, Device};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_envs::stream_rng;
use rekindle_optim::State;

use crate::Result;

/// Where in a training an iteration stands. Everything that it draws follows from this, so a training that is resumed
/// draws the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Of the training.
    pub seed: u64,
    /// Iterations that are over.
    pub iteration: u64,
}

impl At {
    /// The generator of this iteration.
    pub fn rng(self) -> ChaCha8Rng {
        stream_rng(self.seed, self.iteration)
    }
}

/// What an iteration ends with.
#[derive(Clone, Debug)]
pub struct Iterated {
    /// The new parameters, constants.
    pub params: Params,
    /// Of the optimiser.
    pub state: State,
    /// The mean return that was seen on the way: of trials, or after adaptation. The larger the better.
    pub score: f64,
    /// Environment steps that were played.
    pub steps: u64,
}

/// A learner that is trained iteration by iteration.
pub trait Learner {
    /// All settings that decide what an iteration does: a checkpoint of other ones is refused.
    fn fingerprint(&self) -> String;

    /// Fresh parameters.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params>;

    /// The optimiser's state before the first iteration.
    ///
    /// # Errors
    /// If a setting of the optimiser is out of its range.
    fn state(&self, params: &Params) -> Result<State>;

    /// Samples tasks, plays in them, and improves the parameters.
    ///
    /// # Errors
    /// Those of environments, policy and update; a reward or loss that is not a number among them.
    fn iterate(&self, at: At, params: &Params, state: &State) -> Result<Iterated>;
}
