//! Which classes are for meta-training, meta-validation and meta-test.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rand::{RngCore, seq::SliceRandom};

use crate::{ClassDataset, Error, Result, Subset};

/// Class indices of the three parts, which share no class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Splits {
    /// Classes for meta-training.
    pub train: Vec<usize>,
    /// Classes for meta-validation: early stopping, choice of settings.
    pub val: Vec<usize>,
    /// Classes for meta-test, looked at once.
    pub test: Vec<usize>,
}

impl Splits {
    /// The sizes (train, val, test) that MAML's code takes from a random order of Omniglot's 1623 characters.
    pub const MAML_OMNIGLOT: [usize; 3] = [1100, 100, 423];

    /// Parts of the given sizes from a random order of `n_classes` classes; classes beyond their sum are left out.
    ///
    /// # Errors
    /// [`Error::SplitTooLarge`] when the sizes sum to more than `n_classes`.
    pub fn random(rng: &mut dyn RngCore, n_classes: usize, [train, val, test]: [usize; 3]) -> Result<Self> {
        if train.saturating_add(val).saturating_add(test) > n_classes {
            return Err(Error::SplitTooLarge { train, val, test, available: n_classes });
        }
        let mut order: Vec<usize> = (0..n_classes).collect();
        order.shuffle(rng);
        let part = |start: usize, len: usize| order[start..start + len].to_vec();
        Ok(Self { train: part(0, train), val: part(train, val), test: part(train + val, test) })
    }

    /// Parts given by class names.
    ///
    /// A name `character/rot090` is looked for as it stands, as [`Rotated`](crate::Rotated) names its classes, and
    /// then without the rotation, so that a published split of rotated classes serves the unrotated data set too.
    ///
    /// # Errors
    /// [`Error::UnknownClass`] for a name that `data` lacks, [`Error::SplitOverlap`] for a class in two parts.
    pub fn by_names<S: AsRef<str>>(data: &dyn ClassDataset, train: &[S], val: &[S], test: &[S]) -> Result<Self> {
        let splits =
            Self { train: find_classes(data, train)?, val: find_classes(data, val)?, test: find_classes(data, test)? };
        let mut seen = HashSet::new();
        match splits.train.iter().chain(&splits.val).chain(&splits.test).find(|&&class| !seen.insert(class)) {
            Some(&class) => Err(Error::SplitOverlap { name: data.class_name(class) }),
            None => Ok(splits),
        }
    }

    /// Parts listed in the files `train`, `val` and `test` of a folder, each `.txt` or `.json` as [`read_names`]
    /// reads them. The Omniglot split of Vinyals et al. 2016, 1028 / 172 / 423 characters times four rotations, is
    /// published in this form.
    ///
    /// # Errors
    /// Those of [`read_names`] and [`by_names`](Self::by_names).
    pub fn from_folder(data: &dyn ClassDataset, folder: impl AsRef<Path>) -> Result<Self> {
        let names = |part: &str| {
            let json = folder.as_ref().join(format!("{part}.json"));
            read_names(if json.exists() { json } else { json.with_extension("txt") })
        };
        Self::by_names(data, &names("train")?, &names("val")?, &names("test")?)
    }

    /// The three parts as views of one data set: train, val, test.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a class that `data` does not have.
    pub fn subsets<D: ClassDataset + ?Sized>(&self, data: &Arc<D>) -> Result<[Subset<Arc<D>>; 3]> {
        let subset = |classes: &[usize]| Subset::new(data.clone(), classes.to_vec());
        Ok([subset(&self.train)?, subset(&self.val)?, subset(&self.test)?])
    }
}

/// Class names from a file: a JSON list of strings, or text with one name a line (blank lines are skipped).
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it starts like a JSON list but is none.
pub fn read_names(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).map_err(|e| Error::format(path, &e));
    }
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Indices of named classes, each once, in the order of the names.
pub(crate) fn find_classes<S: AsRef<str>>(data: &dyn ClassDataset, names: &[S]) -> Result<Vec<usize>> {
    let index: HashMap<String, usize> = (0..data.n_classes()).map(|class| (data.class_name(class), class)).collect();
    let find = |name: &str| {
        let unrotated = name.rsplit_once("/rot").map(|(stem, _)| stem);
        index.get(name).or_else(|| index.get(unrotated?)).copied()
    };
    let mut seen = HashSet::new();
    let mut classes = Vec::new();
    for name in names.iter().map(AsRef::as_ref) {
        let class =
            find(name).ok_or_else(|| Error::UnknownClass { name: name.to_owned(), first: data.class_name(0) })?;
        if seen.insert(class) {
            classes.push(class);
        }
    }
    Ok(classes)
}
