//! `cargo xtask check`: everything that must hold before a change is merged, cheapest first, tests apart.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::process::{self, cargo_at_root};
use crate::steps::{self, Step};
use crate::usage::Usage;
use crate::workspace::{self, Member};
use crate::{layers, tidy};

/// Runs every check; the first that fails ends the run.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    if !args.is_empty() {
        return Err(Usage::error(format!("check takes no arguments, not `{}`", args.join(" "))));
    }
    let mut steps = vec![
        Step::new("format", format),
        Step::new("tidy", tidy::check),
        Step::new("layers", layers::check),
        cargo_step("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], None),
    ];
    steps.extend(workspace::members()?.iter().flat_map(alone));
    // Programs have no readers of their documentation but us, and a program may share its library's name.
    let doc = ["doc", "--workspace", "--no-deps", "--lib"];
    steps.push(cargo_step("documentation", &doc, Some(("RUSTDOCFLAGS", "-D warnings"))));
    steps::run(&steps)?;
    Ok(ExitCode::SUCCESS)
}

fn format() -> Result<()> {
    let mut command = cargo_at_root(["fmt", "--all", "--", "--check", "-l"]);
    process::run(&mut command).context("the files named above are not formatted; run cargo fmt --all")
}

/// A published library must compile by itself: in the workspace's build, another crate may turn on what it forgot.
fn alone(member: &Member) -> Vec<Step> {
    let mut steps = Vec::new();
    if member.published_library {
        let name = member.name.as_str();
        steps.push(cargo_step(&format!("{name} alone"), &["check", "--package", name], None));
        if member.has_default_features {
            let args = ["check", "--package", name, "--no-default-features"];
            steps.push(cargo_step(&format!("{name} alone, no default features"), &args, None));
        }
    }
    steps
}

fn cargo_step(name: &str, args: &[&str], variable: Option<(&'static str, &'static str)>) -> Step {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    Step::new(name, move || process::run(&mut command(&args, variable)))
}

fn command(args: &[String], variable: Option<(&str, &str)>) -> Command {
    let mut command = cargo_at_root(args.iter().map(String::as_str));
    if let Some((name, value)) = variable {
        command.env(name, value);
    }
    command
}
