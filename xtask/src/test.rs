//! `cargo xtask test`: every unit, integration and documentation test of the workspace; examples are built too.

use std::process::ExitCode;

use anyhow::Result;

use crate::process::{become_command, cargo_at_root};
use crate::usage::Usage;

/// The variable by which a test that takes minutes asks whether it should run.
const SLOW_TESTS: &str = "RUN_SLOW_TESTS";

/// Becomes `cargo test --workspace`.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let mut command = cargo_at_root(["test", "--workspace"]);
    if wants_slow(args)? {
        command.env(SLOW_TESTS, "1");
    }
    become_command(command)
}

fn wants_slow(args: &[String]) -> Result<bool> {
    match args {
        [] => Ok(false),
        [only] if only == "--slow" => Ok(true),
        other => Err(Usage::error(format!(
            "test takes only --slow, not `{}`; for a single test use cargo test -p <package> <name>",
            other.join(" ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slow_is_an_argument() {
        let parse = |args: &[&str]| wants_slow(&args.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(!parse(&[]).expect("no argument is fine"));
        assert!(parse(&["--slow"]).expect("--slow is known"));
        let error = parse(&["--slow", "maml"]).expect_err("a name is not an argument");
        assert!(error.is::<Usage>() && error.to_string().contains("--slow maml"), "{error}");
    }
}
