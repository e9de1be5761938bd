//! Meta-training one iteration at a time, for the clock.

use anyhow::Result;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Params};
use rekindle_meta::{MetaLearner, Runner};
use rekindle_optim::{Adam, State, Transform, apply_updates};
use rekindle_tasks::TaskBatch;

/// A learner in training with Adam, rate 1e-3: what a trainer does in each iteration, without its bookkeeping.
pub(super) struct MetaIterations {
    learner: Box<dyn MetaLearner>,
    runner: Runner,
    optimiser: Adam,
    device: Device,
    params: Params,
    state: State,
    done: u64,
}

impl MetaIterations {
    /// With fresh parameters, always the same ones.
    pub(super) fn new(learner: Box<dyn MetaLearner>, runner: Runner, device: &Device) -> Result<Self> {
        let params = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, device)?;
        let optimiser = Adam::new(1e-3);
        let state = optimiser.init(&params)?;
        Ok(Self { learner, runner, optimiser, device: device.clone(), params, state, done: 0 })
    }

    /// Iterations that are over.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// One update; the device has finished it on return.
    pub(super) fn step(&mut self, tasks: &TaskBatch) -> Result<()> {
        let tasks = tasks.to_device(&self.device)?;
        let (_losses, grads) = self.runner.meta_grad(&*self.learner, &self.params, &tasks, self.done)?;
        let _scope = NoRecord::new();
        let (updates, state) = self.optimiser.update(&grads, &self.state, &self.params)?;
        self.params = apply_updates(&self.params, &updates)?;
        self.state = state;
        self.done += 1;
        Ok(self.device.synchronize()?)
    }
}
