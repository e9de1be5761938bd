//! What an experiment sees of a run, and where it records what it finds.

mod recording;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use candle_core::Device;

use crate::progress::{Bars, Progress};
use crate::record::{Block, Estimate, Metric, Published};
use crate::usage::{Meter, peak_memory_mib, reset_peak_memory};
use crate::{Mode, Skip, Usage};

/// What every experiment of a run has in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Quick or full.
    pub mode: Mode,
    /// Where tensors live.
    pub device: Device,
    /// Number of seeds, `>= 1`.
    pub seeds: u64,
    /// Threads of the CPU backend.
    pub threads: usize,
    /// Folder of real data sets, from `REKINDLE_DATA`.
    pub data: Option<PathBuf>,
    /// Folder for everything that a run writes.
    pub out: PathBuf,
}

/// The run as one experiment sees it.
#[derive(Debug)]
pub struct Context {
    id: String,
    settings: Settings,
    work_dir: PathBuf,
    bars: Bars,
    meter: Meter,
    /// Largest peak memory seen before the high-water mark was last reset.
    peak: Option<f64>,
    metrics: Vec<Metric>,
    seeded: Vec<Seeded>,
    published: Vec<(String, Published)>,
    blocks: Vec<Block>,
}

/// Values of one metric, a seed each, until they are put together.
#[derive(Debug)]
struct Seeded {
    name: String,
    unit: String,
    values: Vec<(u64, Estimate)>,
}

/// What an experiment recorded.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) metrics: Vec<Metric>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) usage: Usage,
}

/// The run: settings, folders, progress, cost.
impl Context {
    /// A context for the experiment `id`; makes its work folder and starts its clock.
    ///
    /// # Errors
    /// If the work folder cannot be made.
    pub fn new(id: &str, settings: &Settings) -> Result<Self> {
        let work_dir = settings.out.join(id);
        fs::create_dir_all(&work_dir).with_context(|| format!("making the folder {}", work_dir.display()))?;
        reset_peak_memory();
        Ok(Self {
            id: id.to_owned(),
            settings: settings.clone(),
            work_dir,
            bars: Bars::new(),
            meter: Meter::start(),
            peak: None,
            metrics: Vec::new(),
            seeded: Vec::new(),
            published: Vec::new(),
            blocks: Vec::new(),
        })
    }

    /// Quick, standard or full; `ctx.mode().pick(2_000, 60_000)` chooses by it.
    pub fn mode(&self) -> Mode {
        self.settings.mode
    }

    /// Where tensors live.
    pub fn device(&self) -> &Device {
        &self.settings.device
    }

    /// The seeds to run with: `0..N`.
    pub fn seeds(&self) -> Range<u64> {
        0..self.settings.seeds
    }

    /// Threads of the CPU backend.
    pub fn threads(&self) -> usize {
        self.settings.threads
    }

    /// The experiment's own folder, `OUT/<id>`, for checkpoints. It outlives the run, so that a later one can resume.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// The folder that holds real data sets.
    ///
    /// # Errors
    /// A [`Skip`] without one.
    pub fn data_dir(&self) -> Result<&Path> {
        let missing = || Skip("needs real data: set REKINDLE_DATA to the folder that holds the data sets".into());
        Ok(self.settings.data.as_deref().ok_or_else(missing)?)
    }

    /// The folder of one data set, such as `omniglot`.
    ///
    /// # Errors
    /// A [`Skip`] if it is not there.
    pub fn data_set(&self, name: &str) -> Result<PathBuf> {
        let folder = self.data_dir()?.join(name);
        if !folder.is_dir() {
            bail!(Skip(format!("no folder {}: `cargo xtask data {name}` makes it", folder.display())));
        }
        Ok(folder)
    }

    /// A progress bar over `total` units.
    pub fn progress(&self, label: &str, total: u64) -> Progress {
        self.bars.start(label, total)
    }

    /// Tells the user something now, on standard error; it does not stand in the report.
    pub fn say(&self, text: &str) {
        self.bars.aside(|| eprintln!("  {text}"));
    }

    /// Runs `work` and tells what it cost.
    ///
    /// # Errors
    /// Whatever `work` returns.
    pub fn metered<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, Usage)> {
        let outer = larger(self.peak.take(), peak_memory_mib());
        reset_peak_memory();
        let meter = Meter::start();
        let out = work(self);
        let usage = self.usage(&meter);
        self.peak = larger(outer, usage.peak_memory_mib);
        Ok((out?, usage))
    }

    fn usage(&self, meter: &Meter) -> Usage {
        Usage {
            wall_seconds: meter.wall_seconds(),
            cpu_seconds: meter.cpu_seconds(),
            peak_memory_mib: larger(self.peak, peak_memory_mib()),
        }
    }
}

/// The larger of two peaks, where either may be unknown.
fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}

#[cfg(test)]
mod tests;
