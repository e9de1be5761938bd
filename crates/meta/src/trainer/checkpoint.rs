//! The state of training in one file.

use std::collections::HashMap;
use std::path::Path;

use candle_core::Device;
use rekindle_autodiff::Params;
use rekindle_optim::State;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// All that training needs to go on as if it had not been interrupted.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Iterations that are over.
    pub iteration: u64,
    /// The parameters after them.
    pub params: Params,
    /// The optimiser's state after them.
    pub optimiser: State,
    /// The best parameters so far.
    pub best: Option<Best>,
    /// Validations since the best one.
    pub failures: u64,
}

/// The best parameters so far.
#[derive(Clone, Debug)]
pub struct Best {
    /// Iterations that were over.
    pub iteration: u64,
    /// Their score.
    pub score: f64,
    /// The parameters.
    pub params: Params,
}

/// The numbers that stand beside the tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    iteration: u64,
    failures: u64,
    /// Iteration and score; the score's bits, since a decimal number may not come back the same.
    best: Option<(u64, u64)>,
    fingerprint: String,
}

const HEADER: &str = "rekindle.training";
const META: &str = "meta";
const OPTIMISER: &str = "optimiser";
const BEST: &str = "best";

impl Checkpoint {
    /// Before the first iteration.
    #[must_use]
    pub fn new(params: Params, optimiser: State) -> Self {
        Self { iteration: 0, params, optimiser, best: None, failures: 0 }
    }

    /// Writes the file, whole or not at all. `fingerprint` tells one run's settings from another's.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path, fingerprint: &str) -> Result<()> {
        let mut all = self.params.prefixed(META)?.merge(&self.optimiser.to_params()?.prefixed(OPTIMISER)?)?;
        if let Some(best) = &self.best {
            all = all.merge(&best.params.prefixed(BEST)?)?;
        }
        let header = Header {
            iteration: self.iteration,
            failures: self.failures,
            best: self.best.as_ref().map(|best| (best.iteration, best.score.to_bits())),
            fingerprint: fingerprint.to_owned(),
        };
        let header = serde_json::to_string(&header).expect("numbers and a text have a JSON form");
        Ok(all.save_with(path, HashMap::from([(HEADER.to_owned(), header)]))?)
    }

    /// Reads a checkpoint that fits `fresh`, the state at the beginning of the same run.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it was written by a run of other settings, and if the file cannot be read or does not hold
    /// what `fresh` does.
    pub fn load(path: &Path, fresh: &Self, fingerprint: &str) -> Result<Self> {
        let device = fresh.params.leaves().first().map_or(Device::Cpu, |leaf| leaf.device().clone());
        let (all, texts) = Params::load_with(path, &device)?;
        let unfit = |message: String| Error::Checkpoint { path: path.into(), message };
        let header = texts.get(HEADER).ok_or_else(|| unfit("it holds no state of training".into()))?;
        let header: Header = serde_json::from_str(header).map_err(|e| unfit(e.to_string()))?;
        if header.fingerprint != fingerprint {
            return Err(unfit(format!(
                "it was written by a run with {}, this is one with {fingerprint}",
                header.fingerprint
            )));
        }
        let part = |prefix| -> Result<Params> {
            let params = all.sub_params(prefix)?.ordered_like(&fresh.params)?;
            params.check_like(&fresh.params)?;
            for ((name, found), expected) in params.iter().zip(fresh.params.leaves()) {
                if found.dtype() != expected.dtype() {
                    let (found, expected) = (found.dtype(), expected.dtype());
                    return Err(unfit(format!("`{name}` is {found:?} in it and {expected:?} here")));
                }
            }
            Ok(params)
        };
        let best = match header.best {
            None => None,
            Some((iteration, bits)) => Some(Best { iteration, score: f64::from_bits(bits), params: part(BEST)? }),
        };
        let optimiser = State::from_params(&all.sub_params(OPTIMISER)?)?;
        Ok(Self { iteration: header.iteration, params: part(META)?, optimiser, best, failures: header.failures })
    }
}
