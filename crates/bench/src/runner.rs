//! Running the chosen experiments, one after the other, and keeping what each leaves.

use std::any::Any;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, io};

use anyhow::{Result, anyhow};

use crate::context::{Context, Recorded, Settings};
use crate::results::{ExperimentResult, Run, Status, Store};
use crate::select::{Registry, list, select};
use crate::{Cli, Experiment, Skip};

/// Exit code of a command line that asks for what there is not.
const USAGE: u8 = 2;

/// Does what the command line says with a registry of experiments.
///
/// The exit code is 0 if every experiment ran or was skipped, 1 if one failed, 2 for an unknown id.
///
/// # Errors
/// If the device cannot be opened or results cannot be written.
pub fn run(cli: &Cli, threads: usize, registry: &Registry) -> Result<ExitCode> {
    if cli.list {
        io::stdout().write_all(list(registry).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = match select(registry, &cli.ids) {
        Ok(chosen) => chosen,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let settings = settings(cli, threads)?;
    let run = Run::now(cli.device, threads, settings.mode, cli.seeds);
    let store = Store::new(&cli.out);
    let mut failures = 0;
    for (i, experiment) in chosen.iter().enumerate() {
        eprintln!("[{}/{}] {}: {}", i + 1, chosen.len(), experiment.id(), experiment.title());
        if cli.fresh {
            store.forget(experiment.id())?;
        }
        let result = run_one(*experiment, &settings, &run);
        failures += usize::from(matches!(result.status, Status::Failed { .. }));
        keep(&store, &result)?;
        store.publish(&run, registry)?;
    }
    eprintln!("report: {}", store.report().display());
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn settings(cli: &Cli, threads: usize) -> Result<Settings> {
    Ok(Settings {
        mode: cli.mode(),
        device: cli.device.open()?,
        seeds: cli.seeds,
        threads,
        data: env::var_os("REKINDLE_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from),
        out: cli.out.clone(),
    })
}

/// Runs an experiment to its end, whatever that is; what it recorded before an error or a panic is kept.
fn run_one(experiment: &dyn Experiment, settings: &Settings, run: &Run) -> ExperimentResult {
    let (outcome, Recorded { metrics, blocks, usage }) = match Context::new(experiment.id(), settings) {
        Err(error) => (Err(error), Recorded::default()),
        Ok(mut ctx) => {
            let outcome = attempt(experiment, &mut ctx);
            ctx.finish(outcome)
        }
    };
    ExperimentResult {
        id: experiment.id().to_owned(),
        title: experiment.title().to_owned(),
        about: experiment.about().to_owned(),
        status: status(outcome),
        run: run.clone(),
        usage,
        metrics,
        blocks,
    }
}

/// A panic is a failure of its experiment, not the end of the others.
fn attempt(experiment: &dyn Experiment, ctx: &mut Context) -> Result<()> {
    if experiment.needs_data() {
        ctx.data_dir()?;
    }
    catch_unwind(AssertUnwindSafe(|| experiment.run(ctx)))
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", text_of(&*panic))))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let string = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(string).unwrap_or("no message")
}

fn status(outcome: Result<()>) -> Status {
    match outcome {
        Ok(()) => Status::Done,
        Err(error) => match error.downcast_ref::<Skip>() {
            Some(Skip(reason)) => Status::Skipped { reason: reason.clone() },
            None => Status::Failed { reason: format!("{error:#}") },
        },
    }
}

/// Says how it ended and saves it. A skip measured nothing, so it does not replace what an earlier run measured.
fn keep(store: &Store, result: &ExperimentResult) -> Result<()> {
    match &result.status {
        Status::Done => eprintln!("  done in {:.1} s", result.usage.wall_seconds),
        Status::Failed { reason } => eprintln!("  failed: {reason}"),
        Status::Skipped { reason } => {
            eprintln!("  skipped: {reason}");
            if let Ok(Some(ExperimentResult { status: Status::Done, run, .. })) = store.load(&result.id) {
                eprintln!("  the report keeps the result of {}", run.started);
                return Ok(());
            }
        }
    }
    store.save(result)
}

#[cfg(test)]
mod tests;
