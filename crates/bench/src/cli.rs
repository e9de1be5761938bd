//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use candle_core::Device;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// Runs rekindle's experiments and writes results.json and report.html.
#[derive(Clone, Debug, Parser)]
#[command(name = "rekindle-bench", version)]
pub struct Cli {
    /// Experiments to run: full ids (maml/omniglot) or groups (maml, speed). None: the default set.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,

    /// Short versions that show the effect (the default where no experiment is named).
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,

    /// The papers' full protocols; hours.
    #[arg(long)]
    pub full: bool,

    /// Where tensors live.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    pub device: DeviceKind,

    /// Number of seeds: each experiment runs with 0, 1, …, N − 1.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,

    /// Folder for the report, the results and the checkpoints.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub out: PathBuf,

    /// Prints the experiments and ends.
    #[arg(long)]
    pub list: bool,

    /// CPU threads [default: RAYON_NUM_THREADS where set, else every core].
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,

    /// Forgets earlier results and checkpoints of the chosen experiments.
    #[arg(long)]
    pub fresh: bool,
}

impl Cli {
    /// What is asked for; else [`Mode::Quick`] for the default set and [`Mode::Standard`] for experiments by name.
    pub fn mode(&self) -> Mode {
        match (self.full, self.quick || self.ids.is_empty()) {
            (true, _) => Mode::Full,
            (false, true) => Mode::Quick,
            (false, false) => Mode::Standard,
        }
    }
}

/// How much of the published protocol a run follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Seconds to minutes on two cores: shows the effect.
    Quick,
    /// Minutes to an hour: the figures that are promised.
    Standard,
    /// The paper's protocol.
    Full,
}

impl Mode {
    /// `full` in a full run, else `usual`: `let iterations = ctx.mode().pick(2_000, 60_000)`.
    pub fn pick<T>(self, usual: T, full: T) -> T {
        match self {
            Self::Quick | Self::Standard => usual,
            Self::Full => full,
        }
    }

    /// The element for this mode of `[quick, standard, full]`.
    pub fn of<T>(self, [quick, standard, full]: [T; 3]) -> T {
        match self {
            Self::Quick => quick,
            Self::Standard => standard,
            Self::Full => full,
        }
    }

    /// `quick`, `standard` or `full`.
    pub fn name(self) -> &'static str {
        self.of(["quick", "standard", "full"])
    }
}

/// The kind of device that `--device` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// The first Apple GPU.
    Metal,
}

impl DeviceKind {
    /// `cpu`, `cuda` or `metal`, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// Opens the first device of this kind.
    ///
    /// # Errors
    /// If this program was built without support for it, or the machine has none.
    pub fn open(self) -> Result<Device> {
        let compiled = match self {
            Self::Cpu => return Ok(Device::Cpu),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        };
        let name = self.name();
        if !compiled {
            bail!("this build has no {name} support; `cargo xtask bench --device {name}` builds with it and runs");
        }
        match self {
            Self::Metal => Device::new_metal(0),
            _ => Device::new_cuda(0),
        }
        .with_context(|| format!("no {name} device could be opened; run with `--device cpu`, or check the driver"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_run_is_quick_where_nothing_is_named() {
        assert_eq!(Cli::parse_from(["bench"]).mode(), Mode::Quick);
        assert_eq!(Cli::parse_from(["bench", "maml/omniglot"]).mode(), Mode::Standard);
        assert_eq!(Cli::parse_from(["bench", "maml/omniglot", "--quick"]).mode(), Mode::Quick);
        assert_eq!(Cli::parse_from(["bench", "--full"]).mode(), Mode::Full);
        assert!(Cli::try_parse_from(["bench", "--full", "--quick"]).is_err());
        assert!(Cli::try_parse_from(["bench", "--seeds", "0"]).is_err());
        assert!(Cli::try_parse_from(["bench", "--threads", "0"]).is_err());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_compiled_in_names_the_command_that_builds_it() {
        let error = DeviceKind::Cuda.open().unwrap_err().to_string();
        assert!(error.contains("cargo xtask bench --device cuda"), "{error}");
    }
}
