//! `cargo xtask data omniglot`: fetches a data set from its authors, verifies it and packs it for the experiments.
//!
//! Nothing is downloaded unless this command is given.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::download::{Downloader, verify};
use crate::process::{self, cargo, root};
use crate::usage::Usage;
use crate::workspace;

/// The two halves of Omniglot, by the names that its authors gave them.
const ARCHIVES: [&str; 2] = ["images_background.zip", "images_evaluation.zip"];

/// Where the authors publish them.
const SOURCE: &str = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python";

/// MD5 checksums of the archives as torchvision publishes them (`torchvision/datasets/omniglot.py`).
const MD5: [&str; 2] = ["68d2efa1b9178cc56df9314c21c6e718", "6b91aef0f799c5bb55b94e3f2daec811"];

/// The packed file that the experiments read.
const PACKED: &str = "omniglot28.safetensors.gz";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    /// Folder of data sets; Omniglot gets a folder of its own in it.
    to: PathBuf,
    /// Address or folder that holds the archives.
    from: String,
    /// Expected checksums, in the order of [`ARCHIVES`].
    md5: [String; 2],
}

/// Fetches, verifies and packs.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let [name, rest @ ..] = args else {
        return Err(Usage::error("data needs the name of a data set; there is one: omniglot"));
    };
    if name != "omniglot" {
        return Err(Usage::error(format!("there is no data set `{name}`; there is one: omniglot")));
    }
    let options = parse(rest, default_folder()?)?;
    let packed = omniglot(&options, &Downloader::system(), pack)?;
    println!("{} is ready; the experiments find it with REKINDLE_DATA={}", packed.display(), options.to.display());
    Ok(ExitCode::SUCCESS)
}

/// The folder that the experiments read already, or one that git ignores.
fn default_folder() -> Result<PathBuf> {
    env::var_os("REKINDLE_DATA")
        .map_or_else(|| Ok(workspace::target_folder()?.join("data")), |folder| Ok(folder.into()))
}

fn parse(args: &[String], to: PathBuf) -> Result<Options> {
    let mut options = Options { to, from: SOURCE.into(), md5: MD5.map(Into::into) };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| Usage::error(format!("{option} needs a value")));
        match option.as_str() {
            "--to" => options.to = value()?.into(),
            "--from" => options.from.clone_from(value()?),
            "--md5" => options.md5 = checksums(value()?)?,
            unknown => {
                return Err(Usage::error(format!("data omniglot takes --to, --from and --md5, not `{unknown}`")));
            }
        }
    }
    Ok(options)
}

fn checksums(text: &str) -> Result<[String; 2]> {
    let wrong =
        || Usage::error(format!("--md5 takes two checksums of 32 hexadecimal digits joined by a comma, not `{text}`"));
    let (first, second) = text.split_once(',').ok_or_else(wrong)?;
    let is_md5 = |sum: &str| sum.len() == 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !(is_md5(first) && is_md5(second)) {
        return Err(wrong());
    }
    Ok([first.into(), second.into()])
}

/// Brings both archives in and packs them; `pack` reads the archives of a folder and writes a file, whole or not at all.
fn omniglot(options: &Options, downloader: &Downloader, pack: impl Fn(&Path, &Path) -> Result<()>) -> Result<PathBuf> {
    let folder = options.to.join("omniglot");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let source = if options.from.contains("://") {
        fetch(options, downloader, &folder)?;
        folder.clone()
    } else {
        local(options)?
    };
    let packed = folder.join(PACKED);
    println!("packing {} and {}", ARCHIVES[0], ARCHIVES[1]);
    pack(&source, &packed).context("the archives could not be packed")?;
    Ok(packed)
}

/// Downloads the archives that are not in the folder yet.
fn fetch(options: &Options, downloader: &Downloader, folder: &Path) -> Result<()> {
    for (name, md5) in ARCHIVES.iter().zip(&options.md5) {
        println!("fetching {name}");
        downloader.fetch(&format!("{}/{name}", options.from.trim_end_matches('/')), &folder.join(name), md5)?;
    }
    Ok(())
}

/// The folder that the user named, once both archives in it are verified.
fn local(options: &Options) -> Result<PathBuf> {
    let folder = PathBuf::from(&options.from);
    for (name, md5) in ARCHIVES.iter().zip(&options.md5) {
        let context = || format!("--from {} should be an address, or a folder that holds both archives", options.from);
        verify(&folder.join(name), md5).with_context(context)?;
    }
    Ok(folder)
}

/// Packs with the program that belongs to the tasks crate: xtask itself builds no image decoder.
fn pack(source: &Path, target: &Path) -> Result<()> {
    let mut command = cargo(["run", "--release", "--package", "rekindle-tasks", "--example", "pack_omniglot"]);
    command.arg("--manifest-path").arg(root().join("Cargo.toml")).arg("--").args([source, target]);
    process::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::download::tests::{MD5_OF_ABC, Reply, Server};

    const REPLIES: &[(&str, Reply)] = &[
        ("/python/images_background.zip", Reply::Whole(b"abc")),
        ("/python/images_evaluation.zip", Reply::Whole(b"abc")),
    ];

    fn options(to: &Path, from: String) -> Options {
        Options { to: to.into(), from, md5: [MD5_OF_ABC, MD5_OF_ABC].map(Into::into) }
    }

    /// Stands in for the packer: joins the archives.
    fn join(source: &Path, target: &Path) -> Result<()> {
        let bytes = ARCHIVES.iter().map(|name| fs::read(source.join(name))).collect::<std::io::Result<Vec<_>>>()?;
        Ok(fs::write(target, bytes.concat())?)
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a readable folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn both_archives_are_fetched_and_packed() {
        let (server, folder) = (Server::start(REPLIES), tempfile::tempdir().expect("a temporary folder"));
        let options = options(folder.path(), format!("{}/python/", server.url));
        let packed = omniglot(&options, &Downloader::system(), join).expect("a good run");
        assert_eq!(fs::read(&packed).expect("the packed file"), b"abcabc");
        assert_eq!(files(&folder.path().join("omniglot")), [ARCHIVES[0], ARCHIVES[1], PACKED]);
    }

    #[test]
    fn a_folder_serves_as_the_source() {
        let (source, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let options = options(folder.path(), source.path().to_string_lossy().into_owned());
        fs::write(source.path().join(ARCHIVES[0]), "abc").expect("writable");
        let failure = || format!("{:#}", omniglot(&options, &Downloader::system(), join).expect_err("a bad archive"));
        let missing = failure();
        assert!(
            missing.contains("cannot read") && missing.contains(ARCHIVES[1]) && missing.contains("--from"),
            "{missing}"
        );
        fs::write(source.path().join(ARCHIVES[1]), "ab").expect("writable");
        assert!(failure().contains("damaged"), "{}", failure());
        fs::write(source.path().join(ARCHIVES[1]), "abc").expect("writable");
        omniglot(&options, &Downloader::system(), join).expect("a good run");
        assert_eq!(files(&folder.path().join("omniglot")), [PACKED]);
    }

    #[test]
    fn the_reason_of_a_failed_packer_reaches_the_user() {
        let (server, folder) = (Server::start(REPLIES), tempfile::tempdir().expect("a temporary folder"));
        let options = options(folder.path(), format!("{}/python", server.url));
        let failing = |_: &Path, _: &Path| anyhow::bail!("image 7 is not a PNG");
        let error = omniglot(&options, &Downloader::system(), failing).expect_err("the packer fails");
        assert!(format!("{error:#}").ends_with("could not be packed: image 7 is not a PNG"), "{error:#}");
    }

    #[test]
    fn options_are_read_and_defaults_are_the_official_ones() {
        let parse_line =
            |line: &str| parse(&line.split_whitespace().map(ToString::to_string).collect::<Vec<_>>(), "default".into());
        let official = parse_line("").expect("no option is needed");
        assert_eq!((official.from.as_str(), official.to.to_str()), (SOURCE, Some("default")));
        let given = parse_line(&format!("--to a --from b --md5 {MD5_OF_ABC},{MD5_OF_ABC}")).expect("known options");
        assert_eq!(given, options(Path::new("a"), "b".into()));
        for (line, expected) in [
            ("--to", "--to needs a value"),
            ("--md5 abc", "32 hexadecimal digits"),
            ("--md5 abc,def", "32 hexadecimal digits"),
            ("--verbose", "not `--verbose`"),
        ] {
            let error = parse_line(line).expect_err("a wrong command line");
            assert!(error.is::<Usage>() && error.to_string().contains(expected), "{error}");
        }
    }
}
