//! The help text, and the error that means "the command line was wrong" (exit code 2).

use std::error::Error;
use std::ffi::OsString;
use std::fmt;

/// What `cargo xtask help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask <command>

  bench [ID...] [--quick|--full] [--device cpu|cuda|metal] [--seeds N] [--out DIR] [--list]
        build the benchmark program in release and run it; it gets every argument as it stands
  test  [--slow]
        run every test of the workspace; --slow adds those that take minutes
  check formatting, own source rules, crate layers, clippy, every library alone, documentation
  data omniglot [--to DIR] [--from URL|FOLDER] [--md5 BACKGROUND,EVALUATION]
        fetch Omniglot from its authors, verify it, and pack it for the experiments
  help  print this";

/// A command line that asks for something that does not exist.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl Usage {
    /// The error as `anyhow` carries it, so that `main` can tell it from a failure.
    pub(crate) fn error(message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self(message.into()))
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

/// The arguments as text.
pub(crate) fn text(args: Vec<OsString>) -> anyhow::Result<Vec<String>> {
    args.into_iter()
        .map(|arg| arg.into_string().map_err(|arg| Usage::error(format!("argument {arg:?} is not valid UTF-8"))))
        .collect()
}
