//! The files of a run: one result an experiment, and what is put together from them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::record::{Block, Metric};
use crate::{DeviceKind, Experiment, Host, Mode, Usage, host, report};

/// How a run was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The machine.
    pub host: Host,
    /// Where tensors lived.
    pub device: DeviceKind,
    /// Threads of the CPU backend.
    pub threads: usize,
    /// Quick or full.
    pub mode: Mode,
    /// Number of seeds.
    pub seeds: u64,
    /// Version of rekindle.
    pub version: String,
    /// Git revision of the sources, with a `+` if they were changed since.
    pub revision: Option<String>,
    /// The command line.
    pub command: String,
    /// Start of the run, UTC.
    pub started: String,
}

impl Run {
    /// A run that begins now, on this machine.
    pub fn now(device: DeviceKind, threads: usize, mode: Mode, seeds: u64) -> Self {
        Self {
            host: Host::detect(),
            device,
            threads,
            mode,
            seeds,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: host::revision(),
            command: host::command_line(),
            started: host::now_utc(),
        }
    }
}

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Status {
    /// It ran to its end.
    Done,
    /// It ran into an error.
    Failed {
        /// The error with its causes.
        reason: String,
    },
    /// It cannot run here.
    Skipped {
        /// What is missing.
        reason: String,
    },
}

/// One experiment's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentResult {
    /// The experiment's id.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Its description.
    pub about: String,
    /// How it ended.
    pub status: Status,
    /// The run that it belongs to; results of several runs stand in one report.
    pub run: Run,
    /// What it took.
    pub usage: Usage,
    /// What it measured.
    pub metrics: Vec<Metric>,
    /// Tables, plots and images, in the order of recording.
    pub blocks: Vec<Block>,
}

/// Everything that a folder of results holds: `results.json` without plots and images, `report.html` with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The latest run.
    pub run: Run,
    /// The latest result of each experiment, in the registry's order.
    pub experiments: Vec<ExperimentResult>,
}

/// The folder that keeps results: `<id>/result.json` an experiment, and `results.json` and `report.html` over all.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in `folder`, which the first save makes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the report is.
    pub fn report(&self) -> PathBuf {
        self.folder.join("report.html")
    }

    /// Writes one result in place of an earlier one of the same experiment.
    ///
    /// # Errors
    /// If it cannot be written; the earlier file is then whole.
    pub fn save(&self, result: &ExperimentResult) -> Result<()> {
        write_whole(&self.result_file(&result.id), &serde_json::to_vec(result)?)
    }

    /// The latest result of an experiment, if it ever ran here.
    ///
    /// # Errors
    /// If there is a file, but not a result in it.
    pub fn load(&self, id: &str) -> Result<Option<ExperimentResult>> {
        let path = self.result_file(id);
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            bytes => bytes
                .map_err(anyhow::Error::from)
                .and_then(|bytes| Ok(Some(serde_json::from_slice(&bytes)?)))
                .with_context(|| format!("reading {}; a run with --fresh makes it anew", path.display())),
        }
    }

    /// Forgets result and checkpoints of an experiment.
    ///
    /// # Errors
    /// If its folder cannot be removed.
    pub fn forget(&self, id: &str) -> Result<()> {
        let folder = self.folder.join(id);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// Writes `results.json` and `report.html` over the latest results of all experiments of the registry.
    ///
    /// # Errors
    /// If they cannot be written; the earlier files are then whole.
    pub fn publish(&self, run: &Run, registry: &[Box<dyn Experiment>]) -> Result<Results> {
        let mut experiments = Vec::new();
        for experiment in registry {
            match self.load(experiment.id()) {
                Ok(result) => experiments.extend(result),
                Err(error) => eprintln!("warning: left out of the report: {error:#}"),
            }
        }
        let results = Results { run: run.clone(), experiments };
        write_whole(&self.report(), report::render(&results).as_bytes())?;
        write_whole(&self.folder.join("results.json"), &serde_json::to_vec_pretty(&without_pictures(&results))?)?;
        Ok(results)
    }

    fn result_file(&self, id: &str) -> PathBuf {
        self.folder.join(id).join("result.json")
    }
}

fn without_pictures(results: &Results) -> Results {
    let mut results = results.clone();
    for experiment in &mut results.experiments {
        experiment.blocks.retain(|block| !matches!(block, Block::Plot(_) | Block::Images(_) | Block::Bars(_)));
    }
    results
}

/// Writes a file whole or not at all: beside it first, then renamed over it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write()
        .inspect_err(|_| {
            let _absent = fs::remove_file(&part);
        })
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests;
