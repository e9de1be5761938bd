//! `cargo xtask bench`: builds `rekindle-bench` for the device asked for and becomes it.
//!
//! The benchmark program owns its command line: it gets every argument as it stands. Only `--device` is looked at
//! here, since it decides which features of candle are compiled in.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::process::{become_command, cargo, root, run as run_command};
use crate::{cuda, workspace};

const PACKAGE: &str = "rekindle-bench";

/// Milliseconds that the program's allocator keeps what was freed. With its default of 10 the large buffers of a step have gone
/// back to the system when the next step asks for them: RL² on tabular MDPs takes twice the processor time.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "1000");

/// Builds and becomes the benchmark program.
pub(crate) fn run(args: Vec<OsString>) -> Result<ExitCode> {
    match device(&args).as_deref() {
        Some("cuda") => run_on_cuda(args),
        Some("metal") if !cfg!(target_os = "macos") => {
            bail!("--device metal needs macOS: Metal is Apple's interface to its GPUs; here use --device cpu or cuda")
        }
        Some("metal") => become_command(program("run", &["--features", "metal"], args)),
        _ => become_command(program("run", &[], args)),
    }
}

/// The CUDA build has a target folder of its own, so that it does not evict the CPU build and its kernels stay cached.
fn run_on_cuda(args: Vec<OsString>) -> Result<ExitCode> {
    let folder = workspace::target_folder()?.join("cuda");
    let setup = cuda::prepare(&folder)?;
    let folder = folder.to_string_lossy();
    let options = ["--features", "cuda", "--target-dir", &folder];
    if !setup.driver_present {
        run_command(program("build", &options, vec![]).envs(setup.variables))?;
        bail!(
            "{PACKAGE} is built ({folder}/release/{PACKAGE}), but cannot run here: this machine has no NVIDIA driver \
             (libcuda.so.1). Install the driver, or start the program on a machine that has one"
        );
    }
    let mut command = program("run", &options, args);
    command.envs(setup.variables);
    become_command(command)
}

/// `cargo run` or `cargo build` for the benchmark program, in the folder where the user stands.
fn program(verb: &str, options: &[&str], args: Vec<OsString>) -> Command {
    let mut command = cargo([verb, "--release", "--package", PACKAGE, "--bin", PACKAGE, "--manifest-path"]);
    command.arg(root().join("Cargo.toml")).args(options);
    if !args.is_empty() {
        command.arg("--").args(args);
    }
    if std::env::var_os(PURGE_DELAY.0).is_none() {
        command.env(PURGE_DELAY.0, PURGE_DELAY.1);
    }
    command
}

/// The kind of device that `--device` names: `cuda` for `--device cuda`, `--device=cuda` and `--device cuda:1`.
fn device(args: &[OsString]) -> Option<String> {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let value = args.iter().enumerate().find_map(|(i, arg)| match arg.strip_prefix("--device")? {
        "" => args.get(i + 1).map(ToString::to_string),
        attached => attached.strip_prefix('=').map(ToString::to_string),
    })?;
    Some(value.split(':').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device_of(line: &str) -> Option<String> {
        device(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_device_is_read_in_every_spelling() {
        assert_eq!(device_of("maml/sinusoid --quick"), None);
        assert_eq!(device_of("--device cuda maml/sinusoid").as_deref(), Some("cuda"));
        assert_eq!(device_of("--seeds 3 --device=metal").as_deref(), Some("metal"));
        assert_eq!(device_of("--device cuda:1").as_deref(), Some("cuda"));
        assert_eq!(device_of("--device"), None, "the program itself reports the missing value");
        assert_eq!(device_of("--devices cuda"), None);
    }

    #[test]
    fn arguments_reach_the_program_as_they_stand() {
        let args = ["maml/sinusoid", "--out", "a b", "--seeds=3"].map(OsString::from).to_vec();
        let command = program("run", &["--features", "metal"], args.clone());
        let words: Vec<_> = command.get_args().map(OsString::from).collect();
        let split = words.iter().position(|word| word == "--").expect("a separator before the program's arguments");
        assert_eq!(words[split + 1..], args);
        assert!(words[..split].ends_with(&["--features".into(), "metal".into()]));
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn metal_is_refused_away_from_macos() {
        let error = run(vec!["--device".into(), "metal".into()]).expect_err("no Metal here");
        assert!(error.to_string().contains("macOS"), "{error}");
    }
}
