//! Packed data sets: tensors of images and labels in one file, safetensors, plain or gzipped.

#[cfg(feature = "images")]
mod jpeg;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use flate2::read::GzDecoder;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{Error, LabelledImages, Result};

/// A packed file: named tensors, read into memory and checked when it is opened.
///
/// | images | labels | read by |
/// | --- | --- | --- |
/// | u8 `[B, H, W]` or `[B, H, W, 3]` | a tensor of B integers | [`labelled`](Self::labelled) |
/// | u8 `[classes, per class, H, W]` or `[classes, per class, H, W, 3]` | the first axis | [`by_class`](Self::by_class) |
/// | JPEG files in `jpeg`, their bounds in `offset` | a tensor `class` | `jpegs`, with the feature `images` |
///
/// ```no_run
/// use rekindle_tasks::Packed;
///
/// let file = Packed::open("mnist.safetensors.gz")?;
/// let train = file.labelled("train_images", "train_labels")?;
/// let batch = train.batch(&[0, 1, 2])?; // x [1, 3, 28, 28, 1] in [0, 1], y [1, 3]
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone)]
pub struct Packed {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Packed {
    /// Reads a file; one whose name ends in `.gz` is decompressed.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Format`] when it is truncated or of another format.
    pub fn open(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        let mut bytes = Vec::new();
        let mut source = File::open(file).map_err(Error::io(file))?;
        if file.extension().is_some_and(|extension| extension == "gz") {
            GzDecoder::new(source).read_to_end(&mut bytes).map_err(|e| Error::format(file, &e))?;
        } else {
            source.read_to_end(&mut bytes).map_err(Error::io(file))?;
        }
        let packed = Self { path: file.to_path_buf(), bytes };
        packed.tensors()?;
        Ok(packed)
    }

    /// The names of its tensors, sorted.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged header, which [`open`](Self::open) has ruled out.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.tensors()?.names().into_iter().map(ToString::to_string).collect();
        names.sort();
        Ok(names)
    }

    /// Text that the file's header holds under `key`.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged header, which [`open`](Self::open) has ruled out.
    pub fn metadata(&self, key: &str) -> Result<Option<String>> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).map_err(|e| self.format(&e))?;
        Ok(header.metadata().as_ref().and_then(|metadata| metadata.get(key)).cloned())
    }

    /// A tensor as it stands, on the CPU: f32, u8 or u32; the other integers become i64.
    ///
    /// # Errors
    /// [`Error::Format`] when there is none of this name or it has another type.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let view = self.view(name)?;
        let (shape, data) = (view.shape(), view.data());
        Ok(match view.dtype() {
            Dtype::U8 => Tensor::from_slice(data, shape, &Device::Cpu)?,
            Dtype::F32 => Tensor::from_vec(little_endian(data, f32::from_le_bytes), shape, &Device::Cpu)?,
            Dtype::U32 => Tensor::from_vec(little_endian(data, u32::from_le_bytes), shape, &Device::Cpu)?,
            _ => Tensor::from_vec(self.integers(name)?, shape, &Device::Cpu)?,
        })
    }

    /// An integer tensor of any rank as its elements, row-major.
    ///
    /// # Errors
    /// [`Error::Format`] when there is none of this name, or it is not u8, u16, u32, i32 or i64.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let view = self.view(name)?;
        let data = view.data();
        Ok(match view.dtype() {
            Dtype::U8 => data.iter().copied().map(i64::from).collect(),
            Dtype::U16 => little_endian(data, |v| i64::from(u16::from_le_bytes(v))),
            Dtype::U32 => little_endian(data, |v| i64::from(u32::from_le_bytes(v))),
            Dtype::I32 => little_endian(data, |v| i64::from(i32::from_le_bytes(v))),
            Dtype::I64 => little_endian(data, i64::from_le_bytes),
            dtype => return Err(self.format(&format!("its tensor `{name}` is {dtype:?}, not of whole numbers"))),
        })
    }

    /// Class labels: an integer tensor as its elements.
    ///
    /// # Errors
    /// Those of [`integers`](Self::integers); [`Error::Format`] for a label below 0 or at or above 65,536, the most
    /// classes that any of these data sets could have.
    pub fn labels(&self, name: &str) -> Result<Vec<u32>> {
        let label = |v: i64| {
            u16::try_from(v).map(u32::from).map_err(|_| self.format(&format!("its tensor `{name}` has the label {v}")))
        };
        self.integers(name)?.into_iter().map(label).collect()
    }

    /// Images `[B, H, W]` or `[B, H, W, C]` with the labels of another tensor.
    ///
    /// # Errors
    /// [`Error::Format`] when either is missing, of another type or shape, or their numbers differ.
    pub fn labelled(&self, images: &str, labels: &str) -> Result<LabelledImages> {
        let view = self.view(images)?;
        let (n, shape) = match (view.dtype(), view.shape()) {
            (Dtype::U8, &[n, h, w]) => (n, [h, w, 1]),
            (Dtype::U8, &[n, h, w, c @ (1 | 3)]) => (n, [h, w, c]),
            (dtype, shape) => {
                let reason = format!("its tensor `{images}` is {dtype:?} {shape:?}, not U8 [B, H, W] or [B, H, W, 3]");
                return Err(self.format(&reason));
            }
        };
        let classes = self.labels(labels)?;
        if classes.len() != n {
            let reason = format!("it has {n} images in `{images}`, but {} labels in `{labels}`", classes.len());
            return Err(self.format(&reason));
        }
        self.assemble(shape, view.data().to_vec(), classes)
    }

    /// Images `[classes, per class, H, W]` or `[classes, per class, H, W, C]`, labelled by the first axis.
    ///
    /// # Errors
    /// [`Error::Format`] when there is none of this name or it has another type or shape.
    pub fn by_class(&self, images: &str) -> Result<LabelledImages> {
        let view = self.view(images)?;
        let (n_classes, per_class, shape) = match (view.dtype(), view.shape()) {
            (Dtype::U8, &[n, k, h, w]) => (n, k, [h, w, 1]),
            (Dtype::U8, &[n, k, h, w, c @ (1 | 3)]) => (n, k, [h, w, c]),
            (dtype, shape) => {
                let reason = format!(
                    "its tensor `{images}` is {dtype:?} {shape:?}, not U8 [classes, per class, H, W] or [classes, per class, H, W, 3]"
                );
                return Err(self.format(&reason));
            }
        };
        let labels = (0..n_classes * per_class).map(|image| (image / per_class) as u32).collect();
        self.assemble(shape, view.data().to_vec(), labels)
    }

    /// One tensor, its bytes still in the file.
    pub(crate) fn view(&self, name: &str) -> Result<TensorView<'_>> {
        self.tensors()?.tensor(name).map_err(|_| {
            let names = self.names().unwrap_or_default().join("`, `");
            self.format(&format!("it has no tensor `{name}`; it has `{names}`"))
        })
    }

    /// An error that names this file.
    pub(crate) fn format(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::format(&self.path, reason)
    }

    fn assemble(&self, shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u32>) -> Result<LabelledImages> {
        LabelledImages::new(shape, pixels, labels).map_err(|e| self.format(&e))
    }

    fn tensors(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| self.format(&e))
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("path", &self.path).field("bytes", &self.bytes.len()).finish()
    }
}

fn little_endian<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|&chunk| read(chunk)).collect()
}
