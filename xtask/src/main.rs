//! The workspace's chores, run as `cargo xtask <command>`: one file per command, and this one only dispatches.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks through its output")]

mod bench;
mod check;
mod cuda;
mod data;
mod download;
mod layers;
mod process;
mod source;
mod steps;
mod stub;
mod test;
mod tidy;
mod usage;
mod workspace;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::usage::{HELP, Usage};

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let command = args.next().unwrap_or_else(|| "help".into());
    match dispatch(&command.to_string_lossy(), args.collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn dispatch(command: &str, args: Vec<OsString>) -> Result<ExitCode> {
    match command {
        "bench" => bench::run(args),
        "test" => test::run(&usage::text(args)?),
        "check" => check::run(&usage::text(args)?),
        "data" => data::run(&usage::text(args)?),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(Usage::error(format!("there is no command `{unknown}`\n\n{HELP}"))),
    }
}
