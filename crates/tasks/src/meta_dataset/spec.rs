//! Official descriptions of data sets, `dataset_spec.json`.

mod dag;
mod raw;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::ClassPool;
use crate::sets::read_json;
use crate::{ClassDataset, Error, Result};

/// One data set of Meta-Dataset: classes with their sizes, the official class split, and the hierarchy where there is
/// one. It describes images and holds none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetSpec {
    /// Its name, such as `vgg_flower`.
    pub name: String,
    /// Its classes in the order of their official numbers.
    pub classes: Vec<SpecClass>,
    /// The name of the file with the images of class c, `{}` standing for the number.
    pub file_pattern: String,
    splits: [Range<usize>; 3],
    hierarchy: Hierarchy,
}

/// A class of a [`DatasetSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecClass {
    /// Its name; ImageNet's is a WordNet number.
    pub name: String,
    /// Number of its images.
    pub n_images: usize,
}

/// The parts of the official class split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecSplit {
    /// Classes for meta-training.
    Train,
    /// Classes for validation.
    Valid,
    /// Classes for meta-test.
    Test,
}

/// What stands above the classes; lists of class numbers for each split.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hierarchy {
    None,
    Groups([Vec<Vec<usize>>; 3]),
    Spans([Vec<Vec<usize>>; 3]),
}

impl DatasetSpec {
    /// Reads a description.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is not such a description or contradicts
    /// itself.
    pub fn read(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        raw::interpret(read_json(file)?).map_err(|reason| Error::format(file, &reason))
    }

    /// Numbers of the classes of a split.
    pub fn split(&self, split: SpecSplit) -> Range<usize> {
        self.splits[split as usize].clone()
    }

    /// Names of the classes of a split, in the order of their numbers.
    pub fn names(&self, split: SpecSplit) -> Vec<&str> {
        self.classes[self.split(split)].iter().map(|class| class.name.as_str()).collect()
    }

    /// Sizes |c| of all classes.
    pub fn sizes(&self) -> Vec<usize> {
        self.classes.iter().map(|class| class.n_images).collect()
    }

    /// The classes of a split with their hierarchy, numbered as in this description. (For episodes that ignore the
    /// hierarchy: `ClassPool::Any(spec.split(split).collect())`.)
    pub fn pool(&self, split: SpecSplit) -> ClassPool {
        match &self.hierarchy {
            Hierarchy::None => ClassPool::Any(self.split(split).collect()),
            Hierarchy::Groups(groups) => ClassPool::Groups(groups[split as usize].clone()),
            Hierarchy::Spans(spans) => ClassPool::Spans(spans[split as usize].clone()),
        }
    }

    /// The classes of a split with their hierarchy, numbered as in `data`, which knows them by their names.
    ///
    /// A name is looked for as it stands; then, for Omniglot, as `Alphabet/character01` instead of
    /// `Alphabet-character01`; then, for traffic signs, by the number before its first dot.
    ///
    /// # Errors
    /// [`Error::MissingClasses`] that lists what `data` lacks.
    pub fn pool_of(&self, split: SpecSplit, data: &dyn ClassDataset) -> Result<ClassPool> {
        let index: HashMap<String, usize> =
            (0..data.n_classes()).map(|class| (data.class_name(class), class)).collect();
        let find = |class: usize| {
            let name = self.classes[class].name.as_str();
            let slashed = || index.get(&name.replace("-character", "/character"));
            let number = || index.get(name.split_once('.')?.0);
            index.get(name).or_else(slashed).or_else(number).copied()
        };
        let missing = self.split(split).filter(|&class| find(class).is_none());
        let names: Vec<String> = missing.map(|class| self.classes[class].name.clone()).collect();
        if !names.is_empty() {
            return Err(Error::MissingClasses { what: "the data set".into(), spec: self.name.clone(), names });
        }
        self.pool(split).renumbered(|class| {
            find(class).ok_or(Error::OutOfRange { what: "class", index: class, available: data.n_classes() })
        })
    }
}
