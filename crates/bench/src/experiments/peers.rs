//! The peers: other libraries' programs of the same workloads, and what they say of themselves.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::turns::{Rival, Turn};
use crate::{Skip, Work};

/// The folder of the peers' programs, the virtual environment that they run in, and that of those that need gymnasium.
const PROGRAMS: &str = "REKINDLE_PEERS";
const ENVIRONMENT: &str = "REKINDLE_PEERS_VENV";
const GYMNASIUM: &str = "REKINDLE_PEERS_GYM_VENV";

/// What was measured before, in the programs' folder.
const RECORDED: &str = "results.json";

/// A figure that a program prints, in a line of its own.
#[derive(Clone, Copy)]
pub(super) struct Figure {
    /// How the line's workload begins.
    pub(super) workload: &'static str,
    /// The field with units a processor second.
    pub(super) field: &'static str,
}

/// What a program says of one workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Said {
    /// Units a processor second in the median repeat.
    pub(super) rate: f64,
    /// Seconds by the clock of a repeat: fewer for a program whose calls do several units, which it does not tell.
    pub(super) repeat: f64,
}

impl Figure {
    /// Reads a line, if it is of this workload and peer.
    fn of(&self, line: &Value, peer: &str) -> Option<Said> {
        let ours = line["workload"].as_str()?.starts_with(self.workload) && line["peer"].as_str()? == peer;
        let number = |name| line[name].as_f64().filter(|_| ours);
        // The field is that of the cheapest repeat.
        let rate = number(self.field)? * number("cpu_best")? / number("cpu_med")?;
        Some(Said { rate, repeat: number("n").unwrap_or(1.0) * number("wall_med")? })
    }
}

/// Where the programs are, and what runs them.
pub(super) struct Peers {
    programs: PathBuf,
    python: PathBuf,
    gymnasium: PathBuf,
}

impl Peers {
    pub(super) fn find() -> Result<Self> {
        let Some(programs) = std::env::var_os(PROGRAMS).map(PathBuf::from) else {
            bail!(Skip(format!("needs the peers' programs: set {PROGRAMS} to their folder")));
        };
        let environment = std::env::var_os(ENVIRONMENT).map_or_else(|| programs.join("venv"), PathBuf::from);
        let gymnasium = std::env::var_os(GYMNASIUM).map_or_else(|| environment.clone(), PathBuf::from);
        let python = |environment: PathBuf, name: &str| {
            let python = environment.join("bin/python");
            if !python.exists() {
                let way_out = format!("set {name} to the peers' virtual environment");
                bail!(Skip(format!("no Python at {}: {way_out}", python.display())));
            }
            // A relative path would be taken from the programs' folder.
            Ok(std::path::absolute(python)?)
        };
        Ok(Self {
            programs: std::path::absolute(programs)?,
            python: python(environment, ENVIRONMENT)?,
            gymnasium: python(gymnasium, GYMNASIUM)?,
        })
    }

    /// A peer's figure, and what we did in turn with its program until it had it.
    pub(super) fn in_turns(
        &self,
        arguments: &[&str],
        (figure, peer): (Figure, &str),
        work: &mut Work,
    ) -> Result<(Said, Vec<Turn>)> {
        let gymnasium = arguments.first().is_some_and(|&program| program == "f_envs.py");
        let mut command = Command::new(if gymnasium { &self.gymnasium } else { &self.python });
        command.current_dir(&self.programs).args(arguments);
        let said = |line: &str| figure.of(&serde_json::from_str(line).ok()?, peer);
        Rival::start(command)?
            .in_turns(work, said)
            .with_context(|| format!("{} of {} from {arguments:?}", figure.field, figure.workload))
    }

    /// A peer's figure as it was measured before.
    pub(super) fn recorded(&self, figure: Figure, peer: &str) -> Result<Said> {
        let path = self.programs.join(RECORDED);
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let all: Value = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        let found = all["rows"].as_array().and_then(|rows| rows.iter().find_map(|row| figure.of(row, peer)));
        found.with_context(|| format!("{} has no {} of {peer}", path.display(), figure.workload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_that_of_the_median_repeat() {
        let figure = Figure { workload: "maml", field: "tasks_per_cpu_s" };
        let line = serde_json::json!({
            "workload": "maml_conv4_1step", "peer": "jax", "n": 3, "wall_med": 5.0, "cpu_best": 2.0, "cpu_med": 2.5,
            "tasks_per_cpu_s": 16.0
        });
        assert_eq!(figure.of(&line, "jax"), Some(Said { rate: 12.8, repeat: 15.0 }));
        assert_eq!(figure.of(&line, "torch"), None);
        assert_eq!(Figure { workload: "proto", ..figure }.of(&line, "jax"), None);
        assert_eq!(Figure { field: "images_per_cpu_s", ..figure }.of(&line, "jax"), None);
    }
}
