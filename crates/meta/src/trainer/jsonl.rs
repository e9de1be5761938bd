//! Metrics as text: one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Iteration, Observer, Validation};
use crate::{Error, Result};

/// Writes each iteration and validation as one line of a text file (JSON Lines):
///
/// ```text
/// {"iteration":1,"loss":4.31,"seconds":0.0009}
/// {"iteration":500,"mean":0.61,"ci95":0.02,"best":true}
/// ```
///
/// The file tells one run's story. When a run goes on from its checkpoint, lines that lie after the checkpoint are cut
/// off first, so that but for the `seconds` the file is that of a run left alone; a run that begins anew begins the
/// file anew. Each line is handed to the system at once: a killed process loses none, a power failure may.
///
/// For long runs, see [`EveryN`](crate::EveryN).
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: File,
    /// Whether old lines have been cut off: at the first thing that is seen, since that tells where the run begins.
    begun: bool,
}

#[derive(Serialize)]
struct IterationLine {
    iteration: u64,
    loss: f64,
    seconds: f64,
}

#[derive(Serialize)]
struct ValidationLine {
    iteration: u64,
    mean: f64,
    ci95: f64,
    best: bool,
}

/// What both kinds have.
#[derive(Deserialize)]
struct AnyLine {
    iteration: u64,
}

impl JsonLines {
    /// A log at this path, an old one of the same run or a new one. Nothing is written or cut off before training
    /// begins.
    ///
    /// # Errors
    /// If the file cannot be opened or made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|source| Error::file("cannot open the log", &path, source))?;
        Ok(Self { path, file, begun: false })
    }

    /// Where the lines go.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, iteration: u64, line: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).expect("numbers have a JSON form");
        bytes.push(b'\n');
        if !self.begun {
            self.cut_from(iteration).map_err(|source| Error::file("cannot continue the log", &self.path, source))?;
            self.begun = true;
        }
        self.file.write_all(&bytes).map_err(|source| Error::file("cannot write the log", &self.path, source))
    }

    /// Cuts off the lines from `iteration` on, and a last line that is not whole, and goes to the end.
    fn cut_from(&mut self, iteration: u64) -> std::io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        let (mut kept, mut line) = (0, Vec::new());
        for number in 1.. {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            let AnyLine { iteration: seen } = serde_json::from_slice(&line).map_err(|e| {
                let message = format!("line {number} is not one of a training log ({e}); choose another path");
                std::io::Error::new(std::io::ErrorKind::InvalidData, message)
            })?;
            if seen >= iteration {
                break;
            }
            kept += length as u64;
        }
        self.file.set_len(kept)?;
        self.file.seek(SeekFrom::Start(kept)).map(|_| ())
    }
}

impl Observer for JsonLines {
    fn iteration(&mut self, &Iteration { iteration, loss, seconds, .. }: &Iteration) -> Result<bool> {
        self.write(iteration, &IterationLine { iteration, loss, seconds })?;
        Ok(true)
    }

    fn validation(&mut self, validation: &Validation<'_>) -> Result<()> {
        let &Validation { iteration, evaluation, is_best: best } = validation;
        self.write(iteration, &ValidationLine { iteration, mean: evaluation.mean, ci95: evaluation.ci95, best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Evaluation, EveryN};

    /// Iterations `from ..= to` with a validation after every second one; losses are those of the iteration.
    fn train(observer: &mut dyn Observer, from: u64, to: u64) -> Result<()> {
        let evaluation = Evaluation::new(vec![0.5, 0.5])?;
        for iteration in from..=to {
            let loss = 1.0 / iteration as f64;
            observer.iteration(&Iteration { iteration, total: 100, loss, seconds: 0.5 })?;
            if iteration % 2 == 0 {
                observer.validation(&Validation { iteration, evaluation: &evaluation, is_best: iteration == 2 })?;
            }
        }
        Ok(())
    }

    #[test]
    fn lines_have_the_documented_form() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log.jsonl");
        train(&mut JsonLines::open(&path)?, 1, 2)?;
        let expected = "{\"iteration\":1,\"loss\":1.0,\"seconds\":0.5}\n\
                        {\"iteration\":2,\"loss\":0.5,\"seconds\":0.5}\n\
                        {\"iteration\":2,\"mean\":0.5,\"ci95\":0.0,\"best\":true}\n";
        assert_eq!(std::fs::read_to_string(path)?, expected);
        Ok(())
    }

    #[test]
    fn a_resumed_log_is_that_of_a_run_left_alone() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        for every in [1, 3] {
            let log = |name: &str| EveryN::new(every, JsonLines::open(folder.path().join(name))?);
            train(&mut log("whole")?, 1, 12)?;
            // Killed in the middle of a line, after the checkpoint of iteration 5.
            train(&mut log("resumed")?, 1, 9)?;
            let path = folder.path().join("resumed");
            OpenOptions::new().append(true).open(&path)?.write_all(b"{\"iteration\":1")?;
            train(&mut log("resumed")?, 6, 12)?;
            assert_eq!(std::fs::read_to_string(path)?, std::fs::read_to_string(folder.path().join("whole"))?);
        }
        Ok(())
    }

    #[test]
    fn a_new_run_begins_the_file_anew_but_only_once_it_runs() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log.jsonl");
        train(&mut JsonLines::open(&path)?, 1, 9)?;
        let old = std::fs::read_to_string(&path)?;
        let mut again = JsonLines::open(&path)?;
        assert_eq!(std::fs::read_to_string(&path)?, old);
        train(&mut again, 1, 1)?;
        assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 1);
        Ok(())
    }

    #[test]
    fn files_that_are_no_logs_are_left_alone() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("thesis.txt");
        std::fs::write(&path, "Chapter one\n")?;
        let message = train(&mut JsonLines::open(&path)?, 1, 1).unwrap_err().to_string();
        assert!(message.starts_with("cannot continue the log") && message.contains("thesis.txt"), "{message}");
        assert!(message.contains("line 1 is not one of a training log"), "{message}");
        assert_eq!(std::fs::read_to_string(&path)?, "Chapter one\n");
        Ok(())
    }

    #[test]
    fn what_cannot_be_opened_or_written_is_an_error_with_the_path() {
        let message = JsonLines::open("/no/such/folder/log.jsonl").unwrap_err().to_string();
        assert!(message.starts_with("cannot open the log /no/such/folder/log.jsonl: "), "{message}");
        #[cfg(target_os = "linux")]
        {
            // As if it had begun: reading that device for old lines would never end.
            let mut full = JsonLines { begun: true, ..JsonLines::open("/dev/full").unwrap() };
            let message = train(&mut full, 1, 1).unwrap_err().to_string();
            assert!(message.starts_with("cannot write the log /dev/full: No space left"), "{message}");
        }
    }
}
