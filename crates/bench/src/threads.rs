//! The thread counts of candle and gemm, fixed before any tensor work.

use std::env;
use std::num::NonZeroUsize;
use std::process::Command;

use anyhow::{Context as _, Result};

const RAYON: &str = "RAYON_NUM_THREADS";
const CANDLE: &str = "CANDLE_NUM_THREADS";

/// Settles on a number of threads and makes sure that the environment says so, then returns it.
///
/// candle looks the count up in /proc/cpuinfo at every matrix product while `RAYON_NUM_THREADS` is unset, which is dearer than
/// a small product, and its elementwise pool (`CANDLE_NUM_THREADS`) spins. A process cannot soundly change its own
/// environment once threads may run, so where the variables differ from what is wanted, the program starts itself
/// again with them set: in place on Unix, as a child elsewhere.
///
/// # Errors
/// If the program cannot be started again.
pub fn pin_threads(asked: Option<NonZeroUsize>) -> Result<usize> {
    let rayon = env::var(RAYON).ok();
    let candle = env::var(CANDLE).ok();
    let threads = wanted(asked, rayon.as_deref());
    if rayon.as_deref() == Some(threads.to_string().as_str()) && candle.is_some() {
        return Ok(threads);
    }
    let mut again =
        Command::new(env::current_exe().context("finding this program, to start it with its thread count set")?);
    again.args(env::args_os().skip(1)).env(RAYON, threads.to_string()).env(CANDLE, candle.as_deref().unwrap_or("1"));
    Err(restart(again)).context("starting this program again with its thread count set")
}

/// The command line, else the environment, else every core.
fn wanted(asked: Option<NonZeroUsize>, rayon: Option<&str>) -> usize {
    let set = || rayon?.parse().ok();
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    asked.or_else(set).unwrap_or_else(cores).get()
}

#[cfg(unix)]
fn restart(mut again: Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(&mut again)
}

#[cfg(not(unix))]
fn restart(mut again: Command) -> std::io::Error {
    match again.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_environment_over_the_cores() {
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(wanted(NonZeroUsize::new(3), Some("5")), 3);
        assert_eq!(wanted(None, Some("5")), 5);
        assert_eq!(wanted(None, None), cores);
        assert_eq!(wanted(None, Some("0")), cores);
        assert_eq!(wanted(None, Some("many")), cores);
    }
}
