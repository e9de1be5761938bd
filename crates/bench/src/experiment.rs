//! What an experiment is: an id, a description and a function that records what it finds.

use std::fmt;

use anyhow::Result;

use crate::Context;

/// One published result or speed figure, reproduced.
///
/// An experiment holds no state: it reads its settings from the [`Context`] and records metrics, tables, plots and images
/// there. It saves checkpoints into [`Context::work_dir`] and resumes from them by itself.
pub trait Experiment: Sync {
    /// `group/name`, such as `maml/omniglot`: what the user types, and the prefix of every metric.
    fn id(&self) -> &'static str;

    /// A short heading for the report.
    fn title(&self) -> &'static str;

    /// What is measured, by which protocol, and where that comes from.
    ///
    /// Paragraphs are separated by blank lines; lines that begin with `- ` make a list; `` `code` `` and `*emphasis*` are known.
    fn about(&self) -> &'static str;

    /// Whether a run without ids includes it: quick, and without a data set.
    fn in_default_run(&self) -> bool {
        false
    }

    /// Whether it reads real data from the folder that `REKINDLE_DATA` names; without that folder it is skipped.
    fn needs_data(&self) -> bool {
        false
    }

    /// Runs it. What was recorded before an error is kept in the report, marked as failed.
    ///
    /// # Errors
    /// Whatever went wrong; a [`Skip`] says that the experiment cannot run here, which is no failure.
    fn run(&self, ctx: &mut Context) -> Result<()>;
}

/// The reason why an experiment cannot run on this machine: reported, but no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip(
    /// What is missing, and how to provide it.
    pub String,
);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skip {}
