//! The project's own rules for its sources, those that neither rustfmt nor clippy knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::source::{before_tests, calls_macro, code_only, has_word};

/// The longest file that a reader should be asked to take in.
const MAX_LINES: usize = 600;

/// Where folders of one machine begin; written in two halves, since this file is checked too.
const MACHINE_FOLDERS: [&str; 4] =
    [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/"), concat!("/", "Users/")];

/// A text file of the checkout.
struct File {
    /// Path from the root, with `/` between folders.
    path: String,
    text: String,
}

/// Fails with every broken rule of this checkout.
pub(crate) fn check() -> Result<()> {
    let broken = violations(&read(&process::root())?);
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    Ok(())
}

/// Every broken rule, as `path:line: what`.
fn violations(files: &[File]) -> Vec<String> {
    let crates: BTreeSet<&str> = files.iter().filter_map(|file| crate_of(&file.path)).collect();
    let mut broken = Vec::new();
    for file in files {
        machine_paths(file, &mut broken);
        if is_manual(&file.path) {
            named_crates(file, &crates, &mut broken);
        }
        if file.path.ends_with(".rs") {
            header(file, &mut broken);
            length(file, &mut broken);
            derivatives(file, &mut broken);
            unsafe_code(file, &mut broken);
            printing(file, &mut broken);
        }
    }
    broken
}

/// Paths of one machine help nobody else and tell where a program was written.
fn machine_paths(file: &File, broken: &mut Vec<String>) {
    for (i, line) in file.text.lines().enumerate() {
        for folder in MACHINE_FOLDERS {
            // After a name or a dot the same characters are a relative path or a part of an address.
            let absolute = |start: usize| {
                !line[..start]
                    .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '~'))
            };
            if line.match_indices(folder).any(|(start, _)| absolute(start)) {
                broken.push(format!("{}:{}: names a folder of one machine ({folder}…)", file.path, i + 1));
            }
        }
    }
}

/// The texts that explain the workspace; a changelog may name what is gone.
fn is_manual(path: &str) -> bool {
    path.ends_with(".md")
        && (path.starts_with("docs/") || path.starts_with("crates/") || !path.contains('/'))
        && path != "CHANGELOG.md"
}

/// Documentation that names a crate names one that exists.
fn named_crates(file: &File, crates: &BTreeSet<&str>, broken: &mut Vec<String>) {
    for (i, line) in file.text.lines().enumerate() {
        for (start, found) in line.match_indices("crates/") {
            let inside_longer_path =
                line[..start].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-'));
            let rest = &line[start + found.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(rest.len());
            let name = &rest[..end];
            if !inside_longer_path && !name.is_empty() && !crates.contains(name) {
                broken.push(format!("{}:{}: crates/{name} does not exist", file.path, i + 1));
            }
        }
    }
}

/// Every file opens by saying what it is; a crate may say it in its README.
fn header(file: &File, broken: &mut Vec<String>) {
    if !(file.text.starts_with("//!") || file.text.starts_with("#![doc")) {
        broken.push(format!("{}:1: does not open with `//!` documentation", file.path));
    }
}

fn length(file: &File, broken: &mut Vec<String>) {
    let n_lines = file.text.lines().count();
    if n_lines > MAX_LINES
        && crate_of(&file.path).is_some_and(|name| file.path.starts_with(&format!("crates/{name}/src/")))
    {
        broken.push(format!("{}: has {n_lines} lines, more than {MAX_LINES}: split it by idea", file.path));
    }
}

/// Only the tape knows how derivatives are made.
fn derivatives(file: &File, broken: &mut Vec<String>) {
    if file.path.starts_with("crates/autodiff/") {
        return;
    }
    let code = code_only(&file.text);
    for (start, _) in code.match_indices("candle").filter(|(start, _)| names_var(&code[*start..])) {
        let line = code[..start].lines().count().max(1);
        broken.push(format!("{}:{line}: names candle's `Var`; leaves come from the tape (crates/autodiff)", file.path));
    }
    for (i, _) in code.lines().enumerate().filter(|(_, line)| line.contains(".backward(")) {
        broken.push(format!(
            "{}:{}: calls `backward`; gradients come from the tape (crates/autodiff)",
            file.path,
            i + 1
        ));
    }
}

/// Whether a path that starts here, such as `candle_core::Var` or `candle_core::{Tensor, Var}`, names `Var`.
fn names_var(code: &str) -> bool {
    let Some((_, rest)) =
        code.split_once("::").filter(|(name, _)| matches!(*name, "candle" | "candle_core" | "candle_nn"))
    else {
        return false;
    };
    let end = if rest.starts_with('{') {
        rest.find(';')
    } else {
        rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')))
    };
    has_word(&rest[..end.unwrap_or(rest.len())], "Var")
}

/// Unsafe code stays where the kernels are.
fn unsafe_code(file: &File, broken: &mut Vec<String>) {
    if file.path.starts_with("crates/kernels/") || file.path.starts_with("crates/autodiff/src/kernel") {
        return;
    }
    for (i, _) in code_only(&file.text).lines().enumerate().filter(|(_, line)| has_word(line, "unsafe")) {
        broken.push(format!(
            "{}:{}: `unsafe` belongs in crates/kernels or crates/autodiff/src/kernel",
            file.path,
            i + 1
        ));
    }
}

/// A library never prints; programs, benchmarks, examples and tests may.
fn printing(file: &File, broken: &mut Vec<String>) {
    if !is_library_code(&file.path) {
        return;
    }
    let code = code_only(&file.text);
    for (i, line) in before_tests(&code).lines().enumerate() {
        if let Some(name) = ["println", "eprintln", "print", "eprint"].into_iter().find(|name| calls_macro(line, name))
        {
            broken.push(format!("{}:{}: `{name}!` in a library: return the value or an error", file.path, i + 1));
        }
    }
}

fn is_library_code(path: &str) -> bool {
    let is_program = path.ends_with("/src/main.rs") || path.contains("/src/bin/");
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    crate_of(path).is_some_and(|name| name != "bench" && path.starts_with(&format!("crates/{name}/src/")))
        && !is_program
        && !is_test
}

/// `nn` for `crates/nn/src/lib.rs`.
fn crate_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
}

/// The text files that git tracks or would track. Files that are not text are of no interest here.
fn read(root: &Path) -> Result<Vec<File>> {
    let paths = paths(root)?;
    let files = paths.into_iter().filter_map(|path| {
        let bytes = fs::read(root.join(&path)).ok()?;
        Some(File { path, text: String::from_utf8(bytes).ok()? })
    });
    Ok(files.collect())
}

fn paths(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().context("cannot start git, which lists the files to check")?;
    if !output.status.success() {
        bail!("git cannot list the files to check: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The broken rules of a made-up checkout.
    fn broken(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        violations(&files.iter().map(file).collect::<Vec<_>>())
    }

    /// Asserts that a file breaks one rule, with the place and the words given, and that another file does not.
    fn assert_one(path: &str, text: &str, expected: &str) {
        let found = broken(&[(path, text)]);
        assert!(found.len() == 1 && found[0].starts_with(path) && found[0].contains(expected), "{path}: {found:?}");
    }

    fn assert_clean(path: &str, text: &str) {
        assert_eq!(broken(&[(path, text)]), Vec::<String>::new(), "{path}");
    }

    #[test]
    fn files_open_with_documentation() {
        assert_one("xtask/src/a.rs", "fn a() {}\n", ":1: does not open");
        assert_clean("xtask/src/a.rs", "//! What it is.\n");
        assert_clean("crates/nn/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n");
        assert_clean("build.py", "pass\n");
    }

    #[test]
    fn long_files_are_reported_where_libraries_live() {
        let text = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        assert_one("crates/nn/src/a.rs", &text, "has 601 lines");
        assert_clean("crates/nn/src/a.rs", &text[..text.len() - 1]);
        assert_clean("crates/nn/tests/a.rs", &text);
    }

    #[test]
    fn only_the_tape_differentiates() {
        for code in [
            "use candle_core::Var;",
            "use candle_core::{\n    Tensor,\n    Var,\n};",
            "let x = candle_core::Var::new(1.0)?;",
            "let g = loss.backward()?;",
        ] {
            let text = format!("//! X.\n{code}\n");
            assert_one("crates/meta/src/a.rs", &text, ":2: ");
            assert_clean("crates/autodiff/src/a.rs", &text);
        }
        let text = "//! `candle_core::Var`.\nuse candle_nn::VarBuilder;\nuse candle_core::{D, Tensor};\nuse x::Var;\n";
        assert_clean("crates/meta/src/a.rs", text);
    }

    #[test]
    fn unsafe_code_has_its_places() {
        let text = "//! X.\nfn f() { unsafe { g() } }\n";
        assert_one("crates/autodiff/src/tape.rs", text, ":2: `unsafe`");
        assert_clean("crates/kernels/src/a.rs", text);
        assert_clean("crates/autodiff/src/kernel/a.rs", text);
        assert_clean("crates/nn/src/a.rs", "//! Not unsafe.\n#![deny(unsafe_code)]\n");
    }

    #[test]
    fn libraries_do_not_print() {
        let text = "//! X.\nfn f() { eprintln!(\"x\"); }\n";
        assert_one("crates/nn/src/a.rs", text, ":2: `eprintln!`");
        for path in ["crates/bench/src/a.rs", "crates/nn/examples/a.rs", "crates/nn/tests/a.rs", "xtask/src/a.rs"] {
            assert_clean(path, text);
        }
        assert_clean("crates/rekindle/src/main.rs", text);
        assert_clean("crates/nn/src/a.rs", "//! X.\n#[cfg(test)]\nmod tests { fn f() { println!(\"x\") } }\n");
    }

    #[test]
    fn folders_of_one_machine_are_reported() {
        for folder in MACHINE_FOLDERS {
            assert_one("docs/a.md", &format!("first\nsee `{folder}x`\n"), ":2: names a folder");
            assert_clean("docs/a.md", &format!("see https://example.org{folder} and target{folder}\n"));
        }
    }

    #[test]
    fn documentation_names_crates_that_exist() {
        let nn = ("crates/nn/src/lib.rs", "//! X.\n");
        let text = "`crates/nn`, crates/<name>, https://docs.rs/crates/other, and\ncrates/gone/src\n";
        assert_eq!(broken(&[nn, ("docs/a.md", text)]), ["docs/a.md:2: crates/gone does not exist"]);
        assert_eq!(broken(&[nn, ("README.md", text)]).len(), 1);
        assert_eq!(broken(&[nn, ("CHANGELOG.md", text)]).len(), 0);
    }

    #[test]
    fn the_checkout_is_read_as_git_sees_it() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        process::run(Command::new("git").arg("-C").arg(root).args(["init", "--quiet"]))?;
        fs::create_dir_all(root.join("target"))?;
        fs::write(root.join(".gitignore"), "/target\n")?;
        fs::write(root.join("target/a.rs"), "no header")?;
        fs::write(root.join("new.rs"), "//! Not tracked yet.\n")?;
        fs::write(root.join("image.png"), [0xff, 0xfe])?;
        let mut paths: Vec<_> = read(root)?.into_iter().map(|file| file.path).collect();
        paths.sort();
        assert_eq!(paths, [".gitignore", "new.rs"]);
        Ok(())
    }
}
