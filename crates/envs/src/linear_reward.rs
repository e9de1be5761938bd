//! Rewards that are linear in features of a transition: what successor features ask of an environment.
//!
//! ```text
//! r(s, a, s') = φ(s, a, s')ᵀ w        φ belongs to the world, w to the task
//! ```
//! Barreto et al., *Successor Features for Transfer in Reinforcement Learning*, NIPS 2017, eq. 2.

use crate::{Env, TimeLimit};

/// An environment that shows the features φ of what happened, and the weights w of its task.
pub trait LinearReward: Env {
    /// Weights w of the reward, `[F]`.
    fn weights(&self) -> &[f32];

    /// Features φ of the last step, `[F]`. A reset leaves them as they are, so that they can be read from a batch that
    /// has gone on to the next episode already; zeros before the first step.
    fn features(&self) -> &[f32];
}

impl<E: LinearReward + ?Sized> LinearReward for Box<E> {
    fn weights(&self) -> &[f32] {
        (**self).weights()
    }

    fn features(&self) -> &[f32] {
        (**self).features()
    }
}

impl<E: LinearReward> LinearReward for TimeLimit<E> {
    fn weights(&self) -> &[f32] {
        self.inner().weights()
    }

    fn features(&self) -> &[f32] {
        self.inner().features()
    }
}
