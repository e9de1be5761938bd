//! One file from an address or a folder, whole and verified, or not at all.

use std::fs;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use md5::{Digest, Md5};

/// Downloads files with the system's `curl`.
#[derive(Debug)]
pub(crate) struct Downloader {
    /// The program to start; a test gives one that does not exist.
    pub(crate) curl: PathBuf,
}

impl Downloader {
    /// The `curl` on the path.
    pub(crate) fn system() -> Self {
        Self { curl: "curl".into() }
    }

    /// Fetches `url` to `target` unless a file with the right checksum is there already.
    ///
    /// The bytes arrive under another name, and only a complete file with the right checksum takes the final one.
    pub(crate) fn fetch(&self, url: &str, target: &Path, md5: &str) -> Result<()> {
        if target.is_file() && verify(target, md5).is_ok() {
            return Ok(());
        }
        let folder = target.parent().context("a download needs a file name in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mut name = target.file_name().context("a download needs a file name")?.to_owned();
        name.push(".part");
        let partial = target.with_file_name(name);
        let result = self.transfer(url, &partial).and_then(|()| verify(&partial, md5));
        match result {
            Ok(()) => fs::rename(&partial, target).with_context(|| format!("cannot write {}", target.display())),
            Err(error) => {
                // Nothing of a failed download is of use; if even this fails, the next attempt overwrites it.
                let _ = fs::remove_file(&partial);
                Err(error.context(format!("{url} was not downloaded")))
            }
        }
    }

    fn transfer(&self, url: &str, target: &Path) -> Result<()> {
        let progress = if std::io::stderr().is_terminal() { "--progress-bar" } else { "--no-progress-meter" };
        let mut command = Command::new(&self.curl);
        command.args(["--fail", "--location", "--show-error", progress, "--connect-timeout", "30", "--output"]);
        command.arg(target).arg("--").arg(url);
        let status = match command.status() {
            Ok(status) => status,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!(
                    "curl is not installed; install it (for instance apt install curl), or fetch the file by hand and name its folder with --from"
                )
            }
            Err(error) => return Err(error).context("cannot start curl"),
        };
        if !status.success() {
            bail!("curl could not complete the transfer ({status})");
        }
        Ok(())
    }
}

/// Fails unless the file's MD5 checksum is the one expected.
pub(crate) fn verify(path: &Path, expected: &str) -> Result<()> {
    let found = md5_of(path)?;
    if !found.eq_ignore_ascii_case(expected) {
        bail!("{} has MD5 checksum {found} instead of {expected}: it is damaged or another version", path.display());
    }
    Ok(())
}

fn md5_of(path: &Path) -> Result<String> {
    let context = || format!("cannot read {}", path.display());
    let mut file = fs::File::open(path).with_context(context)?;
    let mut digest = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).with_context(context)?;
        if n == 0 {
            break;
        }
        digest.update(&buffer[..n]);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// What the local server sends for a path.
    #[derive(Clone, Copy)]
    pub(crate) enum Reply {
        /// The whole body.
        Whole(&'static [u8]),
        /// A header that promises more bytes than follow.
        Truncated(&'static [u8]),
    }

    /// A web server on this machine that answers until the test program ends.
    pub(crate) struct Server {
        /// Address without a slash at the end.
        pub(crate) url: String,
        n_requests: Arc<AtomicUsize>,
    }

    impl Server {
        pub(crate) fn start(replies: &'static [(&'static str, Reply)]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let url = format!("http://{}", listener.local_addr().expect("a bound address"));
            let n_requests = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&n_requests);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    counter.fetch_add(1, Ordering::SeqCst);
                    // A client that hangs up is its own test's business.
                    let _ = answer(stream, replies);
                }
            });
            Self { url, n_requests }
        }

        pub(crate) fn n_requests(&self) -> usize {
            self.n_requests.load(Ordering::SeqCst)
        }
    }

    fn answer(stream: TcpStream, replies: &[(&str, Reply)]) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let path = request.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let (status, n_promised, body): (_, _, &[u8]) = match replies.iter().find(|(known, _)| *known == path) {
            Some((_, Reply::Whole(body))) => ("200 OK", body.len(), body),
            Some((_, Reply::Truncated(body))) => ("200 OK", body.len() + 100, body),
            None => ("404 Not Found", 0, b""),
        };
        let mut stream = reader.into_inner();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {n_promised}\r\nConnection: close\r\n\r\n")?;
        stream.write_all(body)
    }

    /// `md5sum` of `abc` and of the empty text: RFC 1321, section A.5.
    pub(crate) const MD5_OF_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";
    const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

    const REPLIES: &[(&str, Reply)] = &[("/abc", Reply::Whole(b"abc")), ("/cut", Reply::Truncated(b"abc"))];

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a readable folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        for (text, md5) in [("abc", MD5_OF_ABC), ("", MD5_OF_NOTHING)] {
            fs::write(&path, text).expect("writable");
            assert_eq!(md5_of(&path).expect("readable"), md5);
        }
    }

    #[test]
    fn a_verified_download_is_there_and_is_not_repeated() {
        let (server, folder) = (Server::start(REPLIES), tempfile::tempdir().expect("a temporary folder"));
        let target = folder.path().join("new").join("abc.zip");
        for _ in 0..2 {
            Downloader::system().fetch(&format!("{}/abc", server.url), &target, MD5_OF_ABC).expect("a good download");
            assert_eq!(fs::read(&target).expect("the file"), b"abc");
        }
        assert_eq!(files(target.parent().expect("a folder")), ["abc.zip"]);
        assert_eq!(server.n_requests(), 1);
    }

    #[test]
    fn a_damaged_file_is_fetched_again() {
        let (server, folder) = (Server::start(REPLIES), tempfile::tempdir().expect("a temporary folder"));
        let target = folder.path().join("abc.zip");
        fs::write(&target, "ab").expect("writable");
        Downloader::system().fetch(&format!("{}/abc", server.url), &target, MD5_OF_ABC).expect("a good download");
        assert_eq!(fs::read(&target).expect("the file"), b"abc");
    }

    #[test]
    fn a_failed_download_leaves_no_file_and_says_why() {
        let (server, folder) = (Server::start(REPLIES), tempfile::tempdir().expect("a temporary folder"));
        for (path, md5, expected) in [
            ("abc", MD5_OF_NOTHING, "instead of d41d8cd98f00b204e9800998ecf8427e"),
            ("cut", MD5_OF_ABC, "could not complete the transfer"),
            ("none", MD5_OF_ABC, "could not complete the transfer"),
        ] {
            let url = format!("{}/{path}", server.url);
            let error = Downloader::system()
                .fetch(&url, &folder.path().join(path), md5)
                .expect_err("the checksum or the transfer is wrong");
            let message = format!("{error:#}");
            assert!(message.contains(expected) && message.contains(&url), "{message}");
            assert_eq!(files(folder.path()), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn a_missing_curl_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let downloader = Downloader { curl: folder.path().join("no-such-curl") };
        let error = downloader
            .fetch("http://127.0.0.1:1/x", &folder.path().join("x"), MD5_OF_ABC)
            .expect_err("the program does not exist");
        let message = format!("{error:#}");
        assert!(message.contains("curl is not installed") && message.contains("--from"), "{message}");
    }
}
