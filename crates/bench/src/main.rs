//! `rekindle-bench`: runs experiments; `cargo xtask bench` builds it for the device and passes its arguments on.

#![allow(clippy::print_stderr, reason = "a program: errors go to standard error")]

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use rekindle_bench::{Cli, experiments, pin_threads, run};

/// Tensor programs allocate and free many middle-sized buffers, which mimalloc keeps at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bench().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn bench() -> Result<ExitCode> {
    let cli = Cli::parse();
    // A wrong name would otherwise be found in the figures.
    rekindle_kernels::Level::requested()?;
    let threads = pin_threads(cli.threads)?;
    run(&cli, threads, &experiments::all())
}
