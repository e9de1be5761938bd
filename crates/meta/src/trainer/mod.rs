//! Meta-training: iterations, validation, early stopping, checkpoints.

mod checkpoint;
mod every;
mod jsonl;
mod observer;
mod tensorboard;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rekindle_autodiff::{NoRecord, Params};
use rekindle_optim::{Transform, apply_updates};
use rekindle_tasks::{Prefetch, TaskSampler};

use crate::learner::beside;
use crate::{Error, EvalConfig, MetaLearner, Result, Runner, evaluate};

pub use checkpoint::{Best, Checkpoint};
pub use every::EveryN;
pub use jsonl::JsonLines;
pub use observer::{Iteration, Observer, Validation};
pub use tensorboard::TensorBoard;

/// How long, on what and how to train.
#[derive(Clone, Debug)]
pub struct TrainConfig {
    /// Meta-iterations: updates of φ.
    pub iterations: u64,
    /// Tasks in a meta-batch, M `≥ 1`.
    pub meta_batch: usize,
    /// Seed of the training tasks: batch i depends on this seed and on i alone.
    pub seed: u64,
    /// Iterations between two validations; 0: none but the last one.
    pub validate_every: u64,
    /// Tasks of a validation.
    pub validation: EvalConfig,
    /// Validations without a new best score after which training stops; `None`: never early.
    pub patience: Option<u64>,
    /// Where the state of training is kept; a run that finds its checkpoint there continues it. `None`: nowhere.
    pub checkpoint: Option<PathBuf>,
    /// Iterations between two checkpoints; there is one at every validation and at the end, too.
    pub checkpoint_every: u64,
    /// Chunks and threads.
    pub runner: Runner,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            iterations: 60_000,
            meta_batch: 32,
            seed: 0,
            validate_every: 0,
            validation: EvalConfig::default(),
            patience: None,
            checkpoint: None,
            checkpoint_every: 1000,
            runner: Runner::default(),
        }
    }
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All iterations were run.
    Finished,
    /// Validation did not improve for [`TrainConfig::patience`] times.
    Early,
    /// The observer asked for it; the state is in the checkpoint.
    Interrupted,
}

/// What training ends with.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The parameters of the best validation, or the last ones where there was none.
    pub params: Params,
    /// The parameters after the last iteration.
    pub last: Params,
    /// Iterations run in all, those before a resumption included.
    pub iterations: u64,
    /// Iteration and score of the best validation.
    pub best: Option<(u64, f64)>,
    /// Why it ended.
    pub stop: Stop,
}

/// Trains a learner with an optimiser for the meta-parameters.
///
/// A run that was killed and is started again with the same arguments continues from its checkpoint, and ends with the
/// same bits as one that was left alone.
#[derive(Clone, Copy, Debug)]
pub struct Trainer<'a> {
    /// The meta-learner.
    pub learner: &'a dyn MetaLearner,
    /// The optimiser of the meta-parameters.
    pub optimiser: &'a dyn Transform,
    /// How long, on what and how.
    pub config: &'a TrainConfig,
}

/// Batches drawn ahead of the learner.
const PREFETCH: usize = 4;

impl Trainer<'_> {
    /// Trains from `initial`, or from the checkpoint where there is one.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the loss or a parameter is no longer a number: the checkpoint then holds the last
    /// good state. Those of the sampler, the learner, the optimiser and the observer; if the checkpoint cannot be
    /// written or belongs to another run.
    pub fn run(
        &self,
        initial: &Params,
        train: Arc<dyn TaskSampler>,
        validation: Option<&dyn TaskSampler>,
        observer: &mut dyn Observer,
    ) -> Result<Trained> {
        let config = self.config;
        if config.meta_batch == 0 {
            return Err(Error::setting("meta_batch", &0, "at least 1"));
        }
        let mut state = self.resume(initial)?;
        let prefetch = Prefetch::new(train, config.seed, config.meta_batch, state.iteration, PREFETCH)?;
        let mut stop = Stop::Finished;
        while state.iteration < config.iterations {
            // Before the step, so that a run that ended early does not go on when it is started again.
            if config.patience.is_some_and(|patience| state.failures >= patience) {
                stop = Stop::Early;
                break;
            }
            let begun = Instant::now();
            let loss = self.step(&mut state, &prefetch)?;
            state.iteration += 1;
            let (iteration, seconds) = (state.iteration, begun.elapsed().as_secs_f64());
            let go_on = observer.iteration(&Iteration { iteration, total: config.iterations, loss, seconds })?;
            let is_last = iteration == config.iterations;
            let due = |every: u64| is_last || (every > 0 && iteration % every == 0);
            let validated = match validation.filter(|_| due(config.validate_every)) {
                Some(sampler) => Some(self.validate(&mut state, sampler, observer)?),
                None => None,
            };
            if validated.is_some() || due(config.checkpoint_every) || !go_on {
                self.save(&state)?;
            }
            if !go_on {
                stop = Stop::Interrupted;
                break;
            }
        }
        let Checkpoint { iteration, params, best, .. } = state;
        let best_params = best.as_ref().map_or(&params, |best| &best.params).clone();
        let best = best.map(|best| (best.iteration, best.score));
        Ok(Trained { params: best_params, last: params, iterations: iteration, best, stop })
    }

    fn resume(&self, initial: &Params) -> Result<Checkpoint> {
        let fresh = Checkpoint::new(initial.detach(), self.optimiser.init(initial)?);
        match &self.config.checkpoint {
            Some(path) if path.exists() => Checkpoint::load(path, &fresh, &self.fingerprint()),
            // Saved at once, so that a folder that cannot be written to is found out before hours have passed.
            _ => self.save(&fresh).map(|()| fresh),
        }
    }

    /// One update; the loss before it.
    fn step(&self, state: &mut Checkpoint, prefetch: &Prefetch) -> Result<f64> {
        let tasks = beside(&state.params, prefetch.next()?)?;
        let (losses, grads) = self.config.runner.meta_grad(self.learner, &state.params, &tasks, state.iteration)?;
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        if !loss.is_finite() {
            return Err(self.not_finite("loss", loss, state.iteration));
        }
        let _scope = NoRecord::new();
        let (updates, optimiser) = self.optimiser.update(&grads, &state.optimiser, &state.params)?;
        state.params = apply_updates(&state.params, &updates)?;
        state.optimiser = optimiser;
        Ok(loss)
    }

    fn validate(&self, state: &mut Checkpoint, sampler: &dyn TaskSampler, observer: &mut dyn Observer) -> Result<()> {
        let evaluation = evaluate(self.learner, &state.params, sampler, &self.config.validation)?;
        if !evaluation.mean.is_finite() {
            return Err(self.not_finite("validation score", evaluation.mean, state.iteration));
        }
        let higher = self.learner.loss().higher_is_better();
        let better = state
            .best
            .as_ref()
            .is_none_or(|best| if higher { evaluation.mean > best.score } else { evaluation.mean < best.score });
        if better {
            let (iteration, score, params) = (state.iteration, evaluation.mean, state.params.clone());
            state.best = Some(Best { iteration, score, params });
            state.failures = 0;
        } else {
            state.failures += 1;
        }
        observer.validation(&Validation { iteration: state.iteration, evaluation: &evaluation, is_best: better })
    }

    fn save(&self, state: &Checkpoint) -> Result<()> {
        let sums = state.params.leaves().iter().map(|leaf| leaf.sum_all()?.to_f64());
        let sum: f64 = sums.sum::<rekindle_autodiff::Result<f64>>()?;
        if !sum.is_finite() {
            return Err(self.not_finite("parameters", sum, state.iteration));
        }
        match &self.config.checkpoint {
            Some(path) => state.save(path, &self.fingerprint()),
            None => Ok(()),
        }
    }

    fn not_finite(&self, what: &'static str, value: f64, iteration: u64) -> Error {
        let kept = match &self.config.checkpoint {
            Some(path) if path.exists() => format!("the last good state is in {}", path.display()),
            Some(path) => format!("no good state had been saved to {} yet", path.display()),
            None => "no checkpoint was asked for".to_owned(),
        };
        Error::NotFinite { what, value, iteration, kept }
    }

    /// What must be equal for a checkpoint to be continued. Threads, chunks and intervals may change.
    fn fingerprint(&self) -> String {
        let TrainConfig { meta_batch, seed, .. } = self.config;
        format!("meta-batch {meta_batch}, seed {seed}, learner {:?}, optimiser {:?}", self.learner, self.optimiser)
    }
}
