//! What can go wrong while learning to learn.

use std::path::{Path, PathBuf};

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that `rekindle-meta` refuses, with the values that it saw and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside of its range.
    #[error("{name} = {value}, but must be {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A batch that does not fit the learner.
    #[error("{message}")]
    Batch {
        /// What was expected and found.
        message: String,
    },
    /// A label that is none of an episode's classes.
    #[error(
        "task {task} has the label {label} in its {set} set, but the support sets have {ways} classes, which are to be \
         numbered from 0"
    )]
    Label {
        /// `support` or `query`.
        set: &'static str,
        /// The task.
        task: usize,
        /// The label.
        label: u32,
        /// The number of classes N; labels go from 0 to N − 1.
        ways: usize,
    },
    /// A class that a task has no support example of.
    #[error(
        "task {task} has no support example of class {class}, but other tasks of the batch have all {ways} classes; all \
         tasks of a batch have as many ways"
    )]
    EmptyClass {
        /// The task.
        task: usize,
        /// The class.
        class: usize,
        /// The number of classes N.
        ways: usize,
    },
    /// The loss, a parameter or a validation score became NaN or infinite.
    #[error(
        "the {what} became {value} at iteration {iteration}; training stopped, and {kept}. Try a lower learning rate, or \
         clip the gradients (rekindle_optim::ClipByGlobalNorm)"
    )]
    NotFinite {
        /// `loss`, `parameters` or `validation score`.
        what: &'static str,
        /// The value.
        value: f64,
        /// Iterations that were over when it happened.
        iteration: u64,
        /// Where the last good state is.
        kept: String,
    },
    /// A checkpoint that does not belong to this run.
    #[error("the checkpoint {path} does not fit this run: {message}; remove it to start anew")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// An observer, a log file for example, failed.
    #[error("{action} {path}: {source}")]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A learner that breaks a rule of [`MetaLearner`](crate::MetaLearner): see [`conformance`](crate::conformance).
    #[error("the learner breaks the rule \"{rule}\": {message}")]
    Conformance {
        /// The rule.
        rule: &'static str,
        /// What was seen.
        message: String,
    },
    /// A worker thread panicked.
    #[error("a worker thread panicked: {0}")]
    Panic(String),
    /// An error of the tape.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// An error of a model.
    #[error(transparent)]
    Nn(#[from] rekindle_nn::Error),
    /// An error of an optimiser.
    #[error(transparent)]
    Optim(#[from] rekindle_optim::Error),
    /// An error of a task sampler.
    #[error(transparent)]
    Tasks(#[from] rekindle_tasks::Error),
    /// An error of candle.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn setting(name: &'static str, value: &dyn std::fmt::Display, expected: &'static str) -> Self {
        Self::Setting { name, value: value.to_string(), expected }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::File { action, path: path.into(), source }
    }
}
