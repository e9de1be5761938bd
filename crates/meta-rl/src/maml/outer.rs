//! The meta-objective, and one improvement of the start.

use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_optim::{State, Transform, apply_updates};
use rekindle_rl::{Piece, PolicyPart, clipped_loss, policy_step};

use super::{Adapter, Batch, Outer};
use crate::Result;

/// The trajectories of some tasks.
pub(super) struct Chunk {
    /// Before each inner step, in pieces.
    inner: Vec<Vec<Piece>>,
    after: Vec<Piece>,
    n_tasks: usize,
    /// Of all tasks.
    share: f64,
}

impl Chunk {
    /// All of them, as many tasks at a time as are best for speed.
    pub(super) fn split(inner: &[Batch], after: &Batch) -> Result<Vec<Self>> {
        let m = after.experience.dims()[1];
        let chunk = |(start, len): (usize, usize)| {
            let inner: rekindle_rl::Result<_> = inner.iter().map(|batch| batch.pieces(start, len)).collect();
            let after = after.pieces(start, len)?;
            Ok(Self { inner: inner?, after, n_tasks: len, share: len as f64 / m as f64 })
        };
        after.chunks().into_iter().map(chunk).collect()
    }
}

impl Adapter {
    /// New meta-parameters from the trajectories before each inner step and those after the last.
    pub(super) fn improve(
        &self,
        meta: &Params,
        state: &State,
        inner: &[Batch],
        after: &Batch,
    ) -> Result<(Params, State)> {
        match &self.config.outer {
            Outer::Trpo(config) => {
                let chunks = Chunk::split(inner, after)?;
                let parts: Vec<PolicyPart<'_>> = chunks.iter().map(|chunk| self.part(chunk)).collect();
                Ok((policy_step(meta, config, &parts, self.threads)?.params, state.clone()))
            }
            Outer::Ppo { clip, epochs, optimiser } => {
                self.clipped(meta, state, (inner, after), (*clip, *epochs), &**optimiser)
            }
        }
    }

    /// TRPO's loss and divergence after adaptation, means over tasks, `[1]`, as far as a chunk contributes to them.
    pub(super) fn part<'a>(&'a self, chunk: &'a Chunk) -> PolicyPart<'a> {
        PolicyPart {
            policy: &self.policy,
            pieces: &chunk.after,
            adaptation: Some(Box::new(move |meta| self.adapted(meta, &chunk.inner, chunk.n_tasks))),
            share: chunk.share,
        }
    }

    fn clipped(
        &self,
        meta: &Params,
        state: &State,
        (inner, after): (&[Batch], &Batch),
        (clip, epochs): (f64, usize),
        optimiser: &dyn Transform,
    ) -> Result<(Params, State)> {
        let (mut meta, mut state) = (meta.detach(), state.clone());
        let whole = |batch: &Batch| Ok(vec![Piece::whole(&batch.experience, &batch.advantages)?]);
        let inner = &inner.iter().map(whole).collect::<Result<Vec<_>>>()?;
        for _ in 0..epochs {
            let point = meta.leaf();
            let grads = point.grad(&self.clipped_objective(&point, inner, after, clip)?, Order::First)?;
            let (updates, next) = optimiser.update(&grads, &state, &meta)?;
            (meta, state) = (apply_updates(&meta, &updates)?, next);
        }
        Ok((meta, state))
    }

    /// PPO's loss after adaptation, a scalar.
    fn clipped_objective(&self, meta: &Params, inner: &[Vec<Piece>], after: &Batch, clip: f64) -> Result<Tensor> {
        let experience = &after.experience;
        let theta = self.adapted(meta, inner, experience.dims()[1])?;
        let distribution = self.policy.distribution(&theta, experience.sequence(), &experience.memory)?;
        let log_probs = distribution.log_prob(&experience.actions)?;
        Ok(clipped_loss(&log_probs, experience, &after.advantages, clip)?.mean_all()?)
    }
}
