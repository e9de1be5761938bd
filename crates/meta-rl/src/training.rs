//! Training: iterations one after the other, with checkpoints.

use std::path::PathBuf;

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_meta::{Best, Checkpoint};

use crate::{At, Error, Learner, Result};

/// How long to train, and where the state is kept.
#[derive(Clone, Debug)]
pub struct TrainConfig {
    /// Iterations in all.
    pub iterations: u64,
    /// Of everything that is drawn.
    pub seed: u64,
    /// The file to save to and to resume from, if any. It is written whole or not at all.
    pub checkpoint: Option<PathBuf>,
    /// Iterations between two checkpoints, `>= 1`. Default 20.
    pub checkpoint_every: u64,
    /// Where the parameters live.
    pub device: Device,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self { iterations: 100, seed: 0, checkpoint: None, checkpoint_every: 20, device: Device::Cpu }
    }
}

/// One iteration that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Iterations that are over, this one included.
    pub iteration: u64,
    /// Iterations there will be.
    pub total: u64,
    /// The iteration's score: a mean return.
    pub score: f64,
    /// Environment steps of this iteration.
    pub steps: u64,
}

/// What training ends with.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The parameters after the last iteration.
    pub last: Params,
    /// The parameters that had the best score, before that iteration's update.
    pub best: Params,
    /// The iteration that used them, and its score.
    pub best_at: Option<(u64, f64)>,
    /// Iterations that are over, those before a resumption included.
    pub iterations: u64,
}

/// Trains from fresh parameters, or from the checkpoint where there is one: a run that was killed and is started again
/// ends with the bits of one that was left alone. `observer` sees each iteration; `false` asks for an end, with a
/// checkpoint to go on from.
///
/// # Errors
/// [`Error::NotFinite`] when a score or a parameter is no longer a number: the checkpoint then holds the last good state.
/// Those of the learner and the observer; if the checkpoint cannot be written or belongs to another run.
pub fn train(
    learner: &dyn Learner,
    config: &TrainConfig,
    observer: &mut dyn FnMut(&Progress) -> Result<bool>,
) -> Result<Trained> {
    if config.checkpoint_every == 0 {
        return Err(Error::setting("checkpoint_every", 0, "at least 1"));
    }
    let fingerprint = format!("seed {}, {}", config.seed, learner.fingerprint());
    let mut now = begin(learner, config, &fingerprint)?;
    let save = |now: &Checkpoint| match &config.checkpoint {
        Some(path) => now.save(path, &fingerprint),
        None => Ok(()),
    };
    while now.iteration < config.iterations {
        let at = At { seed: config.seed, iteration: now.iteration };
        let next = learner.iterate(at, &now.params, &now.optimiser)?;
        check_finite(&next.params, next.score, now.iteration)?;
        if now.best.as_ref().is_none_or(|best| next.score > best.score) {
            now.best = Some(Best { iteration: now.iteration, score: next.score, params: now.params.clone() });
        }
        (now.params, now.optimiser, now.iteration) = (next.params, next.state, now.iteration + 1);
        let progress =
            Progress { iteration: now.iteration, total: config.iterations, score: next.score, steps: next.steps };
        let go_on = observer(&progress)?;
        if !go_on || now.iteration % config.checkpoint_every == 0 || now.iteration == config.iterations {
            save(&now)?;
        }
        if !go_on {
            break;
        }
    }
    let best_at = now.best.as_ref().map(|best| (best.iteration, best.score));
    let best = now.best.map_or_else(|| now.params.clone(), |best| best.params);
    Ok(Trained { last: now.params, best, best_at, iterations: now.iteration })
}

fn begin(learner: &dyn Learner, config: &TrainConfig, fingerprint: &str) -> Result<Checkpoint> {
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(config.seed), DType::F32, &config.device)?;
    let fresh = Checkpoint::new(params.clone(), learner.state(&params)?);
    match &config.checkpoint {
        Some(path) if path.exists() => Ok(Checkpoint::load(path, &fresh, fingerprint)?),
        _ => Ok(fresh),
    }
}

fn check_finite(params: &Params, score: f64, iteration: u64) -> Result<()> {
    let norm = params.dot(params)?.to_f64()?;
    for (what, value) in [("mean return", score), ("squared norm of the parameters", norm)] {
        if !value.is_finite() {
            return Err(Error::NotFinite { what, value, iteration });
        }
    }
    Ok(())
}
