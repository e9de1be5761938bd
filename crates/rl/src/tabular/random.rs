//! Any action, each as likely.

use rand::RngCore;
use rekindle_envs::random;

use super::{Experience, Sizes, TabularAgent};
use crate::Result;

/// Acts at random and learns nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RandomAction {
    actions: usize,
}

impl TabularAgent for RandomAction {
    fn begin(&mut self, sizes: Sizes) -> Result<()> {
        sizes.validate()?;
        self.actions = sizes.actions;
        Ok(())
    }

    fn plan(&mut self, _rng: &mut dyn RngCore) {}

    fn act(&mut self, _t: usize, _state: usize, rng: &mut dyn RngCore) -> usize {
        random::below(rng, self.actions)
    }

    fn observe(&mut self, _step: Experience) {}
}
