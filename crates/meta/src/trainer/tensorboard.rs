//! Metrics for TensorBoard.

mod event;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Iteration, Observer, Validation};
use crate::{Error, Result};
use event::{Event, What};

/// Writes `train/loss` and `validation/score` as event files, which `tensorboard --logdir FOLDER` shows.
///
/// Each start of training adds one file to the folder. Of a run that was killed and resumed, the new file begins with a
/// mark that tells TensorBoard to forget what the old one had to say about later iterations. Each event is handed to
/// the system at once: a killed process loses none.
///
/// For long runs, see [`EveryN`](crate::EveryN).
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    /// Made with the first event, so that a run that has nothing left to do leaves no empty file.
    file: Option<(PathBuf, File)>,
}

const PREFIX: &str = "events.out.tfevents.";

impl TensorBoard {
    /// A log in this folder, which is made if there is none.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).map_err(|e| Error::file("cannot make the folder", &folder, e))?;
        Ok(Self { folder, file: None })
    }

    /// Where the files go.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn scalar(&mut self, iteration: u64, tag: &str, value: f64) -> Result<()> {
        let seconds = now();
        let (path, file) = match &mut self.file {
            Some(file) => file,
            none => {
                let (path, mut file) = new_file(&self.folder, seconds as u64)
                    .map_err(|e| Error::file("cannot make an event file in", &self.folder, e))?;
                for what in [What::Version, What::Start] {
                    write(&path, &mut file, &Event { seconds, iteration, what })?;
                }
                none.insert((path, file))
            }
        };
        write(path, file, &Event { seconds, iteration, what: What::Scalar { tag, value: value as f32 } })
    }
}

fn write(path: &Path, file: &mut File, event: &Event<'_>) -> Result<()> {
    file.write_all(&event.record()).map_err(|e| Error::file("cannot write the event file", path, e))
}

/// TensorBoard reads a folder's files in the order of their names, which tell the second that they were made in. So a
/// new one gets a later second than all others, even where two starts share a second or the clock was put back.
fn new_file(folder: &Path, seconds: u64) -> std::io::Result<(PathBuf, File)> {
    let mut second = seconds;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('.').next());
        if let Some(other) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
            second = second.max(other.saturating_add(1));
        }
    }
    let path = folder.join(format!("{PREFIX}{second:010}.rekindle"));
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    Ok((path, file))
}

/// Seconds since 1970; 0 on a machine whose clock stands before that.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Observer for TensorBoard {
    fn iteration(&mut self, iteration: &Iteration) -> Result<bool> {
        self.scalar(iteration.iteration, "train/loss", iteration.loss)?;
        Ok(true)
    }

    fn validation(&mut self, validation: &Validation<'_>) -> Result<()> {
        self.scalar(validation.iteration, "validation/score", validation.evaluation.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::event::tests::{Parsed, parse_file};
    use super::*;
    use crate::Evaluation;

    fn train(board: &mut TensorBoard, from: u64, to: u64) -> Result<()> {
        let evaluation = Evaluation::new(vec![0.25, 0.75])?;
        for iteration in from..=to {
            board.iteration(&Iteration { iteration, total: 9, loss: 1.0 / iteration as f64, seconds: 0.1 })?;
        }
        board.validation(&Validation { iteration: to, evaluation: &evaluation, is_best: true })
    }

    fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    #[test]
    fn each_start_adds_a_file_that_names_its_first_iteration() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let runs = folder.path().join("runs/one");
        train(&mut TensorBoard::new(&runs)?, 1, 3)?;
        // Two more starts within the same second, the last of which never gets to an iteration.
        train(&mut TensorBoard::new(&runs)?, 3, 4)?;
        TensorBoard::new(&runs)?;
        let files = files(&runs)?;
        assert_eq!(files.len(), 2);
        let scalar = |step, tag: &str, value| Parsed::Scalar { step, tag: tag.to_owned(), value };
        let first = [
            Parsed::Version("brain.Event:2".to_owned()),
            Parsed::Start { step: 1 },
            scalar(1, "train/loss", 1.0),
            scalar(2, "train/loss", 0.5),
            scalar(3, "train/loss", 1.0 / 3.0),
            scalar(3, "validation/score", 0.5),
        ];
        assert_eq!(parse_file(&std::fs::read(&files[0])?), first);
        assert_eq!(parse_file(&std::fs::read(&files[1])?)[1], Parsed::Start { step: 3 });
        Ok(())
    }

    #[test]
    fn a_clock_that_was_put_back_keeps_the_order() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("events.out.tfevents.9999999998.elsewhere.v2"), "")?;
        std::fs::write(folder.path().join("notes.txt"), "")?;
        let mut board = TensorBoard::new(folder.path())?;
        train(&mut board, 1, 1)?;
        let names = files(folder.path())?;
        assert!(names[1].ends_with("events.out.tfevents.9999999999.rekindle"), "{names:?}");
        assert_eq!(board.folder(), folder.path());
        Ok(())
    }

    #[test]
    fn what_cannot_be_made_or_written_is_an_error_with_the_path() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("file");
        std::fs::write(&file, "")?;
        let message = TensorBoard::new(file.join("runs")).unwrap_err().to_string();
        assert!(message.starts_with("cannot make the folder ") && message.contains("file/runs"), "{message}");

        let gone = folder.path().join("gone");
        let mut board = TensorBoard::new(&gone)?;
        std::fs::remove_dir(&gone)?;
        let message = train(&mut board, 1, 1).unwrap_err().to_string();
        assert!(message.starts_with("cannot make an event file in ") && message.contains("gone"), "{message}");

        #[cfg(target_os = "linux")]
        {
            board.file = Some(("/dev/full".into(), OpenOptions::new().write(true).open("/dev/full")?));
            let message = train(&mut board, 1, 1).unwrap_err().to_string();
            assert!(message.starts_with("cannot write the event file /dev/full: No space left"), "{message}");
        }
        Ok(())
    }
}
