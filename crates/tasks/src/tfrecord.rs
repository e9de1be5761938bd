//! TensorFlow's record files, and the examples that Meta-Dataset keeps in them.
//!
//! ```text
//! record = length u64 · mask(crc(length)) u32 · message · mask(crc(message)) u32       all little-endian
//! mask(c) = rotate_right(c, 15) + 0xa282ead8                                           crc is CRC-32C
//! ```
//! After TensorFlow's `record_writer.cc` and `example.proto`.
//!
//! ```
//! use rekindle_tasks::tfrecord::{Records, frame};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let file = folder.path().join("two.tfrecords");
//! std::fs::write(&file, [frame(b"first"), frame(b"second")].concat()).unwrap();
//! let records = Records::open(&file)?;
//! assert_eq!((records.len(), records.read(1)?), (2, b"second".to_vec()));
//! # Ok::<(), rekindle_tasks::Error>(())
//! ```

mod example;
mod protobuf;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub use example::{Example, Feature};

use crate::dataset::check_index;
use crate::{Error, Result};

/// A message as one record of a file.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(message.len() + HEADER + FOOTER);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked_crc(message).to_le_bytes());
    record
}

/// A file of records: where each of them is. Messages stay on disk until they are read.
#[derive(Clone, Debug)]
pub struct Records {
    path: PathBuf,
    /// Start and length of each message.
    messages: Vec<(u64, usize)>,
}

impl Records {
    /// Walks through a file from length to length, without reading the messages.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Format`] with the number of the record (from 0) whose
    /// length does not match its checksum, or that the end of the file cuts off.
    pub fn open(file: impl AsRef<Path>) -> Result<Self> {
        let path = file.as_ref().to_path_buf();
        let io = || Error::io(&path);
        let file = File::open(&path).map_err(io())?;
        let end = file.metadata().map_err(io())?.len();
        let (mut reader, mut messages, mut at) = (BufReader::new(file), Vec::new(), 0);
        while at < end {
            let cut =
                |len: u64| record_error(&path, messages.len(), &format!("the file ends {len} bytes after its start"));
            let mut header = [0; HEADER];
            if end - at < HEADER as u64 {
                return Err(cut(end - at));
            }
            reader.read_exact(&mut header).map_err(io())?;
            let (length, crc) = header.split_at(8);
            if crc != masked_crc(length).to_le_bytes() {
                return Err(record_error(&path, messages.len(), &"the checksum of its length is wrong"));
            }
            let length = length.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            let next = at.saturating_add(length).saturating_add((HEADER + FOOTER) as u64);
            if next > end {
                return Err(cut(end - at));
            }
            messages.push((at + HEADER as u64, length as usize));
            // The message is within the file, so its length is no more than an i64 holds.
            reader.seek_relative(length as i64 + FOOTER as i64).map_err(io())?;
            at = next;
        }
        Ok(Self { path, messages })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether the file holds no record.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The message of a record.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a record that does not exist, [`Error::Io`] when it cannot be read, [`Error::Format`]
    /// with the record's number when it does not match its checksum.
    pub fn read(&self, record: usize) -> Result<Vec<u8>> {
        check_index("record", record, self.len())?;
        let (start, length) = self.messages[record];
        let io = || Error::io(&self.path);
        let mut file = File::open(&self.path).map_err(io())?;
        file.seek(SeekFrom::Start(start)).map_err(io())?;
        let mut message = vec![0; length + FOOTER];
        file.read_exact(&mut message).map_err(io())?;
        let crc = message.split_off(length);
        if crc != masked_crc(&message).to_le_bytes() {
            return Err(self.error(record, &"its checksum is wrong"));
        }
        Ok(message)
    }

    /// The message of a record, as an example.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); [`Error::Format`] with the record's number when the message is no example.
    pub fn example(&self, record: usize) -> Result<Example> {
        Example::parse(&self.read(record)?).map_err(|reason| self.error(record, &reason))
    }

    /// An error that names this file and a record.
    pub(crate) fn error(&self, record: usize, reason: &dyn std::fmt::Display) -> Error {
        record_error(&self.path, record, reason)
    }
}

/// Bytes before a message and after it.
const HEADER: usize = 12;
const FOOTER: usize = 4;

/// A CRC of bytes that hold a CRC themselves is weak; hence the mask.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn record_error(path: &Path, record: usize, reason: &dyn std::fmt::Display) -> Error {
    Error::format(path, &format!("record {record}: {reason}"))
}
