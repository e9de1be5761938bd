//! What an experiment sees of a run, and where it records what it finds.

use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use candle_core::Device;

use crate::progress::{Bars, Progress};
use crate::record::{Block, Estimate, ImageGrid, Metric, Plot, Published, Table, format_number, metric_line};
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

/// The run.
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

    /// Quick or full; `ctx.mode().pick(2_000, 60_000)` chooses by it.
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
}

/// Recording. Names are relative to the experiment: in `maml/sinusoid`, `k5/mse-1` becomes `maml/sinusoid/k5/mse-1`.
impl Context {
    /// Records a metric and prints its `METRIC` line at once. `value` is a number or an [`Estimate`] with an interval.
    ///
    /// # Errors
    /// If the value is not finite, the unit or name is not one word, or the name was recorded before.
    pub fn metric(&mut self, name: &str, value: impl Into<Estimate>, unit: &str) -> Result<()> {
        self.refuse_again(name)?;
        self.push_metric(Metric::new(self.full_name(name), unit, &[value.into()], false)?)
    }

    /// Records a metric of one seed. When the section or the experiment ends, the seeds become one metric: their mean ± the
    /// 95 % interval of Student's t (with a single seed, the interval that came with the value).
    ///
    /// # Errors
    /// As [`Context::metric`], or if the seed was recorded before or has another unit than earlier ones.
    pub fn seed_metric(&mut self, seed: u64, name: &str, value: impl Into<Estimate>, unit: &str) -> Result<()> {
        let value = value.into();
        let full_name = Metric::new(self.full_name(name), unit, &[value], true)?.name;
        ensure!(self.metrics.iter().all(|m| m.name != full_name), "metric {full_name} was recorded twice");
        self.say(&format!("seed {seed}: {full_name} = {} {unit}", format_number(value.value, 6)));
        match self.seeded.iter_mut().find(|seeded| seeded.name == full_name) {
            None => self.seeded.push(Seeded { name: full_name, unit: unit.to_owned(), values: vec![(seed, value)] }),
            Some(seeded) => {
                ensure!(seeded.unit == unit, "metric {full_name} is in {unit} for seed {seed}, but was in {}", seeded.unit);
                ensure!(seeded.values.iter().all(|v| v.0 != seed), "metric {full_name} was recorded twice for seed {seed}");
                seeded.values.push((seed, value));
            }
        }
        Ok(())
    }

    /// Sets a published figure beside a metric of this experiment, recorded before or after.
    pub fn published(&mut self, name: &str, published: Published) {
        self.published.push((self.full_name(name), published));
    }

    /// Adds a table to the report.
    ///
    /// # Errors
    /// If a row is not as long as the column heads.
    pub fn table(&mut self, table: Table) -> Result<()> {
        table.validate()?;
        self.blocks.push(Block::Table(table));
        Ok(())
    }

    /// Adds a plot to the report. Plots that follow each other stand side by side.
    ///
    /// # Errors
    /// If a point is not finite or a band has another length than its line.
    pub fn plot(&mut self, plot: Plot) -> Result<()> {
        plot.validate()?;
        self.blocks.push(Block::Plot(plot));
        Ok(())
    }

    /// Adds rows of images to the report.
    pub fn images(&mut self, grid: ImageGrid) {
        self.blocks.push(Block::Images(grid));
    }

    /// Adds a paragraph to the report, in the markup of [`Experiment::about`](crate::Experiment::about).
    pub fn note(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Note { text: text.into() });
    }

    /// Runs a part of the experiment under a heading. Metrics recorded in it carry its own time and peak memory.
    ///
    /// A loop over seeds belongs inside the section, since the section's end puts the seeds together.
    ///
    /// # Errors
    /// Whatever `part` returns.
    pub fn section<T>(&mut self, heading: &str, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.gather_seeds()?;
        let first = self.metrics.len();
        self.blocks.push(Block::Heading { text: heading.to_owned() });
        let (out, usage) = self.metered(|ctx| {
            let out = part(ctx)?;
            ctx.gather_seeds()?;
            Ok(out)
        })?;
        for metric in &mut self.metrics[first..] {
            metric.usage.get_or_insert(usage);
        }
        Ok(out)
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

    /// Ends the experiment: puts seeds together, sets published figures beside the metrics, and stops the clock.
    /// The first error is handed on beside what was recorded until then.
    pub(crate) fn finish(mut self, outcome: Result<()>) -> (Result<()>, Recorded) {
        let outcome = outcome.and(self.gather_seeds());
        for (name, published) in std::mem::take(&mut self.published) {
            match self.metrics.iter_mut().find(|metric| metric.name == name) {
                Some(metric) => metric.published.push(published),
                None => self.note(format!(
                    "Not measured in this run: `{name}`, published as {} ({}).",
                    format_number(published.value, 6),
                    published.source
                )),
            }
        }
        let usage = self.usage(&self.meter);
        (outcome, Recorded { metrics: self.metrics, blocks: self.blocks, usage })
    }
}

impl Context {
    fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.id)
    }

    fn refuse_again(&self, name: &str) -> Result<()> {
        let name = self.full_name(name);
        let known = self.metrics.iter().map(|m| &m.name).chain(self.seeded.iter().map(|s| &s.name)).any(|n| *n == name);
        ensure!(!known, "metric {name} was recorded twice");
        Ok(())
    }

    fn push_metric(&mut self, metric: Metric) -> Result<()> {
        let line = metric_line(&metric);
        self.metrics.push(metric);
        self.bars.aside(|| writeln!(std::io::stdout(), "{line}")).context("writing to standard output")
    }

    fn gather_seeds(&mut self) -> Result<()> {
        for Seeded { name, unit, mut values } in std::mem::take(&mut self.seeded) {
            values.sort_by_key(|value| value.0);
            let values: Vec<_> = values.into_iter().map(|value| value.1).collect();
            self.push_metric(Metric::new(name, &unit, &values, true)?)?;
        }
        Ok(())
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
