//! A store of transitions with their features, from which every policy can learn, whatever its task.

use rand::RngCore;
use rekindle_envs::random::below;

use crate::{Error, Result};

/// The last transitions, in a ring: the newest takes the place of the oldest.
#[derive(Clone, Debug)]
pub struct SuccessorBuffer {
    capacity: usize,
    /// Features of an observation D, and of a transition F.
    sizes: [usize; 2],
    rows: Vec<Row>,
    at: usize,
}

#[derive(Clone, Debug)]
struct Row {
    obs: Vec<f32>,
    action: u32,
    features: Vec<f32>,
    next_obs: Vec<f32>,
    terminated: bool,
}

/// Transitions to learn from, B of them.
#[derive(Clone, Debug, Default)]
pub(super) struct SuccessorBatch {
    /// `[B, D]`
    pub(super) obs: Vec<f32>,
    /// `[B]`
    pub(super) actions: Vec<u32>,
    /// `[B, F]`
    pub(super) features: Vec<f32>,
    /// `[B, D]`
    pub(super) next_obs: Vec<f32>,
    /// `[B]`
    pub(super) terminated: Vec<bool>,
}

impl SuccessorBuffer {
    /// Room for `capacity` transitions with D features of an observation and F of a transition.
    ///
    /// # Errors
    /// [`Error::Setting`] if one of these is zero.
    pub fn new(capacity: usize, [d, f]: [usize; 2]) -> Result<Self> {
        if capacity == 0 || d == 0 || f == 0 {
            let sizes = format!("{capacity} transitions of {d} and {f} features");
            return Err(Error::setting("sizes", sizes, "at least one of each"));
        }
        Ok(Self { capacity, sizes: [d, f], rows: Vec::new(), at: 0 })
    }

    /// Transitions that are stored.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Stores a transition: features `[D]` of both observations, the action, φ `[F]`, and whether nothing follows.
    ///
    /// # Errors
    /// [`Error::Width`] where a part has another length.
    pub fn push(
        &mut self,
        obs: &[f32],
        action: u32,
        features: &[f32],
        next_obs: &[f32],
        terminated: bool,
    ) -> Result<()> {
        let [d, f] = self.sizes;
        let parts = [("an observation", obs.len(), d), ("an observation", next_obs.len(), d)];
        let parts = parts.into_iter().chain([("the features of a transition", features.len(), f)]);
        for (what, found, expected) in parts {
            if found != expected {
                return Err(Error::Width { what, found, expected });
            }
        }
        let (obs, features, next_obs) = (obs.to_vec(), features.to_vec(), next_obs.to_vec());
        let row = Row { obs, action, features, next_obs, terminated };
        match self.rows.get_mut(self.at) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
        self.at = (self.at + 1) % self.capacity;
        Ok(())
    }

    /// Draws `n` transitions with replacement.
    pub(super) fn sample(&self, n: usize, rng: &mut dyn RngCore) -> Result<SuccessorBatch> {
        if self.rows.is_empty() {
            return Err(Error::setting("stored transitions", 0, "at least 1"));
        }
        let mut batch = SuccessorBatch::default();
        for _ in 0..n {
            let row = &self.rows[below(rng, self.rows.len())];
            batch.obs.extend_from_slice(&row.obs);
            batch.actions.push(row.action);
            batch.features.extend_from_slice(&row.features);
            batch.next_obs.extend_from_slice(&row.next_obs);
            batch.terminated.push(row.terminated);
        }
        Ok(batch)
    }
}
