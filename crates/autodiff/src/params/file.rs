//! Parameters in safetensors files, written whole or not at all.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor as Value};
use safetensors::SafeTensors;

use super::Params;
use crate::{Error, Result, Tensor};

/// Safetensors sorts what it writes, so the order of the leaves travels in the metadata.
const ORDER: &str = "rekindle.order";
const SEPARATOR: char = '\n';

impl Params {
    /// Saves the leaves to a safetensors file, which appears whole or not at all: it is written under the name
    /// `<path>.partial`, brought to disk, and renamed.
    ///
    /// # Errors
    /// If the file cannot be written; what stood at `path` stays.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(path, HashMap::new())
    }

    /// As [`save`](Self::save), with texts of one's own in the same file: a checkpoint is one file, so that its parts
    /// cannot come from different moments.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with(&self, path: impl AsRef<Path>, mut metadata: HashMap<String, String>) -> Result<()> {
        metadata.insert(ORDER.to_owned(), self.names.list.join(&SEPARATOR.to_string()));
        let leaves: Vec<(&str, Value)> = self
            .iter()
            .map(|(name, leaf)| Ok((name, leaf.value().to_device(&Device::Cpu)?.contiguous()?)))
            .collect::<Result<_>>()?;
        let views = leaves.iter().map(|(name, value)| (*name, value));
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(candle_core::Error::from)?;
        write_whole(path.as_ref(), &bytes)
    }

    /// Loads parameters that [`save`](Self::save) wrote, in their order. Of another program's safetensors file the
    /// leaves come sorted by name.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a whole safetensors file.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Ok(Self::load_with(path, device)?.0)
    }

    /// As [`load`](Self::load), with the texts that [`save_with`](Self::save_with) added.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(path: impl AsRef<Path>, device: &Device) -> Result<(Self, HashMap<String, String>)> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| file_error("cannot read", path, source))?;
        let corrupt = |e: safetensors::SafeTensorError| Error::Corrupt { path: path.into(), message: e.to_string() };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(corrupt)?;
        let file = SafeTensors::deserialize(&bytes).map_err(corrupt)?;
        let mut metadata = header.metadata().clone().unwrap_or_default();
        let order = metadata.remove(ORDER);
        let mut names: Vec<String> = match &order {
            Some(order) if order.is_empty() => Vec::new(),
            Some(order) => order.split(SEPARATOR).map(str::to_owned).collect(),
            None => file.names().into_iter().map(str::to_owned).collect(),
        };
        if order.is_none() {
            names.sort_unstable();
        }
        let leaf = |name: String| {
            let view = file.tensor(&name).map_err(corrupt)?;
            let dtype = candle_core::DType::try_from(view.dtype())?;
            let value = Value::from_raw_buffer(view.data(), dtype, view.shape(), device)?;
            Ok((name, Tensor::new(value)))
        };
        Ok((Self::new(names.into_iter().map(leaf).collect::<Result<Vec<_>>>()?)?, metadata))
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(source) = written.and_then(|()| std::fs::rename(&partial, path)) {
        // The partial file is of no use; that it cannot be removed either adds nothing to the first error.
        let _ = std::fs::remove_file(&partial);
        return Err(file_error("cannot write", path, source));
    }
    Ok(())
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { action, path: path.into(), source }
}
