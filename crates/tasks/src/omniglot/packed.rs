//! Packed Omniglot files: safetensors, plain or gzipped.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use safetensors::{Dtype, tensor::TensorView};
use serde::Deserialize;

use super::{Character, Omniglot, Part};
use crate::{ClassDataset, Error, Packed, Result};

/// Names that [`Omniglot::open`] looks for, best first: grey levels before bits.
pub(super) const FILES: [&str; 4] = [
    "omniglot28.safetensors.gz",
    "omniglot28.safetensors",
    "omniglot28_gray.safetensors.gz",
    "omniglot28_bits.safetensors",
];

const CLASS_LIST: &str = "omniglot_classes.json";
const PIXELS: usize = Omniglot::SIZE * Omniglot::SIZE;

pub(super) fn read(file: &Path) -> Result<Omniglot> {
    let packed = Packed::open(file)?;
    let (n_classes, pixels) = decode(&packed)?;
    let embedded = packed.metadata("classes")?;
    let characters = match embedded {
        Some(json) => serde_json::from_str(&json).map_err(|e| Error::format(file, &e))?,
        None => read_class_list(&file.with_file_name(CLASS_LIST))?,
    };
    if characters.len() != n_classes {
        return Err(Error::format(
            file,
            &format!("it holds {n_classes} classes, but its class list {}", characters.len()),
        ));
    }
    if !characters.is_sorted_by_key(|character| character.split == Part::Evaluation) {
        return Err(Error::format(file, &"its class list mixes background and evaluation characters"));
    }
    let per_class = pixels.len().checked_div(n_classes).unwrap_or(0).max(1);
    Omniglot::assemble(characters.into_iter().zip(pixels.chunks(per_class).map(<[u8]>::to_vec)))
}

/// The number of classes, and their pixels one byte each.
fn decode(packed: &Packed) -> Result<(usize, Vec<u8>)> {
    let tensor = packed
        .view("images")
        .or_else(|_| packed.view("bits"))
        .map_err(|_| packed.format(&"it has neither a tensor `images` nor `bits`"))?;
    match (tensor.dtype(), tensor.shape()) {
        (Dtype::U8, &[n_classes, _, Omniglot::SIZE, Omniglot::SIZE]) => Ok((n_classes, tensor.data().to_vec())),
        (Dtype::U8, &[n_classes, _, bytes]) if bytes * 8 == PIXELS => {
            let bit = |byte: u8, i: u32| if byte >> (7 - i) & 1 == 1 { 255 } else { 0 };
            Ok((n_classes, tensor.data().iter().flat_map(|&byte| (0..8).map(move |i| bit(byte, i))).collect()))
        }
        (dtype, shape) => Err(packed.format(&format!(
            "its images are {dtype:?} {shape:?}, not U8 [classes, drawings, 28, 28] or [classes, drawings, 98]"
        ))),
    }
}

fn read_class_list(file: &Path) -> Result<Vec<Character>> {
    #[derive(Deserialize)]
    struct List {
        classes: Vec<Character>,
    }
    let text = std::fs::read(file).map_err(Error::io(file))?;
    serde_json::from_slice::<List>(&text).map(|list| list.classes).map_err(|e| Error::format(file, &e))
}

pub(super) fn write(data: &Omniglot, file: &Path) -> Result<()> {
    let n_drawings = data.n_examples(0);
    if let Some(class) = (0..data.n_classes()).find(|&class| data.n_examples(class) != n_drawings) {
        let (name, n) = (data.class_name(class), data.n_examples(class));
        return Err(Error::format(
            file,
            &format!("a packed file needs {n_drawings} drawings of each class, but \"{name}\" has {n}"),
        ));
    }
    let shape = vec![data.n_classes(), n_drawings, Omniglot::SIZE, Omniglot::SIZE];
    let pixels = data.images.all_bytes().expect("Omniglot::assemble stores bytes");
    let view = TensorView::new(Dtype::U8, shape, pixels).map_err(|e| Error::format(file, &e))?;
    let classes = serde_json::to_string(&data.characters()).map_err(|e| Error::format(file, &e))?;
    let metadata = HashMap::from([("classes".to_owned(), classes)]);
    let bytes = safetensors::serialize([("images", view)], Some(metadata)).map_err(|e| Error::format(file, &e))?;
    write_whole(file, &bytes).map_err(Error::io(file))
}

/// Writes beside `file` under a temporary name, flushes to disk, then renames.
fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Temporary files are for their owner alone by default; this one stays, so it gets what the user's umask allows.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut target = builder.tempfile_in(folder)?;
    if file.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = GzEncoder::new(&mut target, Compression::default());
        encoder.write_all(bytes)?;
        encoder.finish()?;
    } else {
        target.write_all(bytes)?;
    }
    target.as_file().sync_all()?;
    target.persist(file)?;
    Ok(())
}
