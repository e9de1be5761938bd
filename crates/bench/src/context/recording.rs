//! The recording half of [`Context`]: metrics, published figures, and the pieces of the report.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};

use super::{Context, Recorded, Seeded};
use crate::record::{
    Bars, Block, Estimate, ImageGrid, Matrix, Metric, Plot, Published, Table, format_number, metric_line,
};

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
                ensure!(
                    seeded.unit == unit,
                    "metric {full_name} is in {unit} for seed {seed}, but was in {}",
                    seeded.unit
                );
                ensure!(
                    seeded.values.iter().all(|v| v.0 != seed),
                    "metric {full_name} was recorded twice for seed {seed}"
                );
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

    /// Adds bars to the report.
    ///
    /// # Errors
    /// If a value is not finite or below zero.
    pub fn bars(&mut self, bars: Bars) -> Result<()> {
        bars.validate()?;
        self.blocks.push(Block::Bars(bars));
        Ok(())
    }

    /// Adds a shaded matrix to the report.
    ///
    /// # Errors
    /// If a row is not as long as the column heads or a cell is not finite.
    pub fn matrix(&mut self, matrix: Matrix) -> Result<()> {
        matrix.validate()?;
        self.blocks.push(Block::Matrix(matrix));
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
}
