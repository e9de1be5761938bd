//! A user's own images: a folder with one sub-folder per class.

use std::path::{Path, PathBuf};

use crate::resize::{Bytes, area_average};
use crate::{Error, InMemory, Result, decode};

/// How to read a folder of images: `root/class name/image.png` (or `.jpg`, `.jpeg`).
///
/// Other files, and names that begin with a dot, are passed over. Transparent parts are taken as white. Images are
/// resized by area average without regard to their aspect. Default: 84 × 84 in colour, the size of miniImageNet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFolder {
    /// Height H to resize to, `>= 1`.
    pub height: usize,
    /// Width W to resize to, `>= 1`.
    pub width: usize,
    /// Whether to keep three colour channels rather than one of grey.
    pub color: bool,
    /// Whether to invert, so that dark drawings on white become ink 1 on paper 0.
    pub invert: bool,
}

impl Default for ImageFolder {
    fn default() -> Self {
        Self { height: 84, width: 84, color: true, invert: false }
    }
}

impl ImageFolder {
    /// Reads every image below `root` into memory; classes and images in the order of their names.
    ///
    /// # Errors
    /// [`Error::NoClasses`] for a folder without sub-folders, [`Error::NoImages`] for a class without images,
    /// [`Error::Image`] for a file that does not decode, [`Error::Io`] for one that cannot be read, [`Error::Shape`]
    /// for a size of 0.
    pub fn read(&self, root: impl AsRef<Path>) -> Result<InMemory> {
        let root = root.as_ref();
        let classes: Vec<PathBuf> = entries(root)?.into_iter().filter(|path| path.is_dir()).collect();
        if classes.is_empty() {
            return Err(Error::NoClasses { path: root.to_path_buf() });
        }
        let shape = [self.height, self.width, if self.color { 3 } else { 1 }];
        let classes: Result<Vec<_>> =
            classes.iter().map(|class| Ok((file_name(class), self.read_class(class)?))).collect();
        InMemory::from_bytes(shape, classes?)
    }

    fn read_class(&self, class: &Path) -> Result<Vec<u8>> {
        let images: Vec<PathBuf> = entries(class)?.into_iter().filter(|path| is_image(path)).collect();
        if images.is_empty() {
            return Err(Error::NoImages { path: class.to_path_buf() });
        }
        let mut pixels = Vec::new();
        for path in &images {
            let bytes = std::fs::read(path).map_err(Error::io(path))?;
            let image: Bytes = if self.color { decode::rgb(&bytes, path)? } else { decode::grey(&bytes, path)? };
            pixels.extend(area_average(&image, self.height, self.width));
        }
        if self.invert {
            pixels.iter_mut().for_each(|v| *v = 255 - *v);
        }
        Ok(pixels)
    }
}

/// What a folder holds, sorted by name, without hidden names.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let paths: std::io::Result<Vec<PathBuf>> = listing.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(Error::io(folder))?;
    paths.retain(|path| !file_name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    path.is_file() && extension.is_some_and(|extension| extension == "png" || extension == "jpg" || extension == "jpeg")
}
