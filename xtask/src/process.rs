//! Starting other programs: cargo above all.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for the program it runs, so a checkout that was moved finds itself.
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().expect("xtask lies in a folder of the workspace").to_path_buf()
}

/// The cargo that runs us (or the one on the path), with these arguments, in the current folder.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// Like [`cargo`], in the workspace's root.
pub(crate) fn cargo_at_root<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = cargo(args);
    command.current_dir(root());
    command
}

/// Runs a command to its end; anything but success is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", describe(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", describe(command));
    }
    Ok(())
}

/// Becomes the command: signals then reach it directly and its exit status is ours. Returns only if it cannot start.
#[cfg(unix)]
pub(crate) fn become_command(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", describe(&command)))
}

/// Runs the command and passes its exit status on.
#[cfg(not(unix))]
pub(crate) fn become_command(mut command: Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("cannot start {}", describe(&command)))?;
    std::process::exit(status.code().unwrap_or(1))
}

/// Whether a program of this name lies in a folder of the `PATH` given; its place if so.
pub(crate) fn find_program(name: &str, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(path?).map(|folder| folder.join(&file)).find(|candidate| candidate.is_file())
}

/// The command line without quoting, for messages.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest at the root");
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_failing_command_is_named_with_its_arguments() {
        let error = run(&mut cargo(["no-such-subcommand"])).expect_err("cargo knows no such subcommand");
        assert!(error.to_string().contains("cargo no-such-subcommand failed"), "{error}");
    }

    #[test]
    fn programs_are_found_on_the_path_given_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join(format!("tool{}", env::consts::EXE_SUFFIX));
        std::fs::write(&program, "").expect("writable");
        assert_eq!(find_program("tool", Some(folder.path().as_os_str())), Some(program));
        assert_eq!(find_program("other", Some(folder.path().as_os_str())), None);
        assert_eq!(find_program("tool", None), None);
    }
}
