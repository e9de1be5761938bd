//! `cargo xtask data omniglot`: fetches a data set from its authors, verifies it and packs it for the experiments.
//!
//! Nothing is downloaded unless this command is given.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

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
const PACKED: &str = "omniglot.safetensors";

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

/// Brings both archives in and packs them; `pack` reads the archives and writes the file named last.
fn omniglot(
    options: &Options,
    downloader: &Downloader,
    pack: impl Fn(&[PathBuf; 2], &Path) -> Result<()>,
) -> Result<PathBuf> {
    let folder = options.to.join("omniglot");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let [background, evaluation] = [0, 1].map(|i| archive(options, downloader, &folder, i));
    let archives = [background?, evaluation?];
    let packed = folder.join(PACKED);
    let partial = folder.join(format!("{PACKED}.part"));
    println!("packing {} and {}", ARCHIVES[0], ARCHIVES[1]);
    pack(&archives, &partial).context("the archives could not be packed")?;
    fs::rename(&partial, &packed).with_context(|| format!("cannot write {}", packed.display()))?;
    Ok(packed)
}

/// The place of a verified archive: in the source folder itself, or downloaded.
fn archive(options: &Options, downloader: &Downloader, folder: &Path, i: usize) -> Result<PathBuf> {
    let (name, md5) = (ARCHIVES[i], &options.md5[i]);
    if !options.from.contains("://") {
        let local = Path::new(&options.from).join(name);
        if !local.is_file() {
            bail!(
                "{} does not exist; --from takes an address or a folder that holds {}",
                local.display(),
                ARCHIVES.join(" and ")
            );
        }
        verify(&local, md5)?;
        return Ok(local);
    }
    println!("fetching {name}");
    let target = folder.join(name);
    downloader.fetch(&format!("{}/{name}", options.from.trim_end_matches('/')), &target, md5)?;
    Ok(target)
}

/// Packs with the program that belongs to the tasks crate: xtask itself builds no image decoder.
fn pack(archives: &[PathBuf; 2], target: &Path) -> Result<()> {
    let mut command = cargo(["run", "--release", "--package", "rekindle-tasks", "--example", "pack_omniglot"]);
    command.arg("--manifest-path").arg(root().join("Cargo.toml")).arg("--").args(archives).arg(target);
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
    fn join(archives: &[PathBuf; 2], target: &Path) -> Result<()> {
        let bytes = archives.iter().map(fs::read).collect::<std::io::Result<Vec<_>>>()?;
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
        let error = omniglot(&options, &Downloader::system(), join).expect_err("the second archive is missing");
        assert!(error.to_string().contains("images_evaluation.zip does not exist"), "{error}");
        fs::write(source.path().join(ARCHIVES[1]), "ab").expect("writable");
        let error = omniglot(&options, &Downloader::system(), join).expect_err("the second archive is damaged");
        assert!(error.to_string().contains("damaged"), "{error}");
        fs::write(source.path().join(ARCHIVES[1]), "abc").expect("writable");
        omniglot(&options, &Downloader::system(), join).expect("a good run");
        assert_eq!(files(&folder.path().join("omniglot")), [PACKED]);
    }

    #[test]
    fn a_failed_packer_leaves_no_packed_file() {
        let (server, folder) = (Server::start(REPLIES), tempfile::tempdir().expect("a temporary folder"));
        let options = options(folder.path(), format!("{}/python", server.url));
        let failing = |_: &[PathBuf; 2], target: &Path| {
            fs::write(target, "half")?;
            bail!("image 7 is not a PNG")
        };
        let error = omniglot(&options, &Downloader::system(), failing).expect_err("the packer fails");
        assert!(format!("{error:#}").contains("image 7 is not a PNG"), "{error:#}");
        assert!(!folder.path().join("omniglot").join(PACKED).exists());
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
