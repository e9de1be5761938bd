#![doc = include_str!("../README.md")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program: METRIC lines go to standard output, everything for people to standard error"
)]

mod context;
mod experiment; // read first
mod progress;
mod record;

mod cli;
mod runner;
mod select;
mod threads;

mod host;
mod measure;
mod results;
mod usage;

pub mod experiments;
mod report;

pub use cli::{Cli, DeviceKind, Mode};
pub use context::{Context, Settings};
pub use experiment::{Experiment, Skip};
pub use host::Host;
pub use measure::{Measure, Timing, Work};
pub use progress::Progress;
pub use record::{
    Axis, Bar, Bars, Block, Estimate, Image, ImageGrid, ImageRow, Mark, Matrix, Metric, Plot, Published, Series, Style,
    Table,
};
pub use report::render;
pub use results::{ExperimentResult, Results, Run, Status, Store};
pub use runner::run;
pub use threads::pin_threads;
pub use usage::Usage;
