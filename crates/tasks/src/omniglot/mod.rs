//! Omniglot: 1623 handwritten characters of 50 alphabets, 20 drawings of each.
//!
//! Lake, Salakhutdinov & Tenenbaum, *Human-level concept learning through probabilistic program induction*, 2015.

#[cfg(feature = "images")]
mod images;
mod packed;

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{ClassDataset, Error, InMemory, Result};

/// Omniglot in memory, `[28, 28, 1]` an image, ink 1 on paper 0.
///
/// Classes are called `Alphabet/character01`. The background set comes first, then the evaluation set; within them
/// alphabets, characters and drawings are in the order of their names, whatever the source. The 105 × 105 originals
/// are brought to 28 × 28 by exact area average. (MAML resized with a Lanczos filter, which differs a little at the
/// edges of strokes.)
#[derive(Clone, Debug)]
pub struct Omniglot {
    images: InMemory,
    n_background: usize,
}

impl Omniglot {
    /// Height and width of the images.
    pub const SIZE: usize = 28;

    /// Reads Omniglot from a packed file or from a folder: one that holds a packed file, or the official
    /// `images_background` and `images_evaluation`, unpacked or as zip files (those need the feature `images`).
    ///
    /// # Errors
    /// [`Error::NoClasses`] when `path` holds none of these, [`Error::Format`] for a damaged file, [`Error::Image`]
    /// for a damaged drawing, [`Error::Io`] when reading fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        std::fs::metadata(path).map_err(Error::io(path))?;
        if path.is_file() && path.extension().is_none_or(|extension| extension != "zip") {
            return Self::from_packed(path);
        }
        match packed::FILES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
            Some(file) => Self::from_packed(file),
            #[cfg(feature = "images")]
            None => Self::from_images(path),
            #[cfg(not(feature = "images"))]
            None => Err(Error::NoClasses { path: path.to_path_buf() }),
        }
    }

    /// Reads a packed file: safetensors, plain or gzipped (`.gz`), with `images` u8 `[classes, drawings, 28, 28]` or
    /// `bits` u8 `[classes, drawings, 98]` (one bit a pixel, most significant first). The class list stands in the
    /// header's metadata under `classes`, or beside the file in `omniglot_classes.json`.
    ///
    /// # Errors
    /// [`Error::Format`] for a truncated file, wrong shapes or a class list of another length; [`Error::Io`] when
    /// reading fails.
    pub fn from_packed(file: impl AsRef<Path>) -> Result<Self> {
        packed::read(file.as_ref())
    }

    /// Writes a packed file, gzipped if its name ends in `.gz`, for [`from_packed`](Self::from_packed) to read in a
    /// moment.
    ///
    /// The file appears whole or not at all: it is written under another name and then renamed.
    ///
    /// # Errors
    /// [`Error::Format`] when classes differ in their number of drawings, [`Error::Io`] when writing fails.
    pub fn pack(&self, file: impl AsRef<Path>) -> Result<()> {
        packed::write(self, file.as_ref())
    }

    /// Reads the official drawings: a folder that holds `images_background` and `images_evaluation` (either may be
    /// absent), each as a folder or as a `.zip`; or one such zip file.
    ///
    /// # Errors
    /// [`Error::NoClasses`] when neither is there, [`Error::Image`] for a drawing that does not decode,
    /// [`Error::Format`] for a damaged archive, [`Error::Io`] when reading fails.
    #[cfg(feature = "images")]
    pub fn from_images(path: impl AsRef<Path>) -> Result<Self> {
        images::read(path.as_ref())
    }

    /// Classes of the background set (964 in the full data).
    pub fn background(&self) -> Range<usize> {
        0..self.n_background
    }

    /// Classes of the evaluation set (659 in the full data).
    pub fn evaluation(&self) -> Range<usize> {
        self.n_background..self.n_classes()
    }

    /// Joins a class list with the u8 images of each class.
    fn assemble(classes: impl IntoIterator<Item = (Character, Vec<u8>)>) -> Result<Self> {
        let mut n_background = 0;
        let named = classes.into_iter().map(|(character, pixels)| {
            n_background += usize::from(character.split == Part::Background);
            (character.name(), pixels)
        });
        let images = InMemory::from_bytes([Self::SIZE, Self::SIZE, 1], named)?;
        Ok(Self { images, n_background })
    }

    /// The class list, as packed files store it.
    fn characters(&self) -> Vec<Character> {
        let character = |class| {
            let split = if class < self.n_background { Part::Background } else { Part::Evaluation };
            let name = self.class_name(class);
            let (alphabet, character) = name.split_once('/').expect("class names are made by Character::name");
            Character { split, alphabet: alphabet.into(), character: character.into() }
        };
        (0..self.n_classes()).map(character).collect()
    }
}

/// Which of the two official sets a character belongs to; the order is that of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Background,
    Evaluation,
}

/// One entry of the class list; the order is that of the classes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Character {
    split: Part,
    alphabet: String,
    character: String,
}

impl Character {
    fn name(&self) -> String {
        format!("{}/{}", self.alphabet, self.character)
    }
}

impl ClassDataset for Omniglot {
    fn n_classes(&self) -> usize {
        self.images.n_classes()
    }

    fn n_examples(&self, class: usize) -> usize {
        self.images.n_examples(class)
    }

    fn image_shape(&self) -> [usize; 3] {
        self.images.image_shape()
    }

    fn class_name(&self, class: usize) -> String {
        self.images.class_name(class)
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        self.images.write_example(class, example, out)
    }
}
