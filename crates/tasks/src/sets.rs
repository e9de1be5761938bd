//! Data sets by name, from the packed files that the project's data folder holds.
//!
//! Each function takes the folder of its set, such as `$REKINDLE_DATA/mnist`; nothing is downloaded. Packs are parts of
//! the published sets where it says so. For drawings 1 is ink and 0 paper.
//!
//! ```no_run
//! use rekindle_tasks::{ClassDataset, sets};
//!
//! let mnist = sets::mnist("data/mnist")?;
//! let usps = sets::usps("data/usps")?;
//! // USPS brought to the size of MNIST, as a target domain.
//! let target = usps.train.resized(28, 28)?;
//! assert_eq!(target.image_shape(), mnist.train.image_shape());
//! let x = target.all()?.x; // [1, 7291, 28, 28, 1]
//! # Ok::<(), rekindle_tasks::Error>(())
//! ```

mod cifar100;
mod flowers;
mod office_caltech;

use std::path::Path;

use serde::{Deserialize, de::DeserializeOwned};

pub use cifar100::{Cifar100, cifar100};
pub use flowers::{Flowers, flowers};
#[cfg(feature = "images")]
pub use office_caltech::office_caltech_images;
pub use office_caltech::{Domain, OFFICE_CALTECH_OBJECTS, office_caltech_googlenet, office_caltech_surf};

use crate::{Error, LabelledImages, Packed, Result, Splits};

/// Training and test images of one data set, with the same classes.
#[derive(Clone, Debug)]
pub struct TrainTest {
    /// Images to learn from.
    pub train: LabelledImages,
    /// Images to be judged on.
    pub test: LabelledImages,
}

impl TrainTest {
    /// Both parts as one data set, training images first: episodes take classes apart, not images.
    ///
    /// # Errors
    /// [`Error::Shape`] when the parts do not go together.
    pub fn merged(&self) -> Result<LabelledImages> {
        self.train.concat(&self.test)
    }

    /// The same change made to both parts.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn map(&self, change: impl Fn(&LabelledImages) -> Result<LabelledImages>) -> Result<Self> {
        Ok(Self { train: change(&self.train)?, test: change(&self.test)? })
    }

    fn read(file: &Path) -> Result<Self> {
        let packed = Packed::open(file)?;
        Ok(Self {
            train: packed.labelled("train_images", "train_labels")?,
            test: packed.labelled("test_images", "test_labels")?,
        })
    }
}

/// MNIST digits, `[28, 28, 1]`: the first 10,000 of the training images, and all 10,000 test images.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged.
pub fn mnist(folder: impl AsRef<Path>) -> Result<TrainTest> {
    TrainTest::read(&folder.as_ref().join("mnist_10k_10k.safetensors.gz"))
}

/// USPS digits, `[16, 16, 1]`: all 7,291 training and 2,007 test images.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged.
pub fn usps(folder: impl AsRef<Path>) -> Result<TrainTest> {
    TrainTest::read(&folder.as_ref().join("usps.safetensors.gz"))
}

/// MNIST-M, digits blended with photographs (Ganin et al. 2016), `[32, 32, 3]`: 3,000 training and 1,000 test images.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged.
pub fn mnist_m(folder: impl AsRef<Path>) -> Result<TrainTest> {
    TrainTest::read(&folder.as_ref().join("mnist_m_3000_1000.safetensors.gz"))
}

/// Kuzushiji-MNIST, `[28, 28, 1]`: the whole test set, 1,000 images of each of 10 characters.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged.
pub fn kmnist(folder: impl AsRef<Path>) -> Result<LabelledImages> {
    Packed::open(folder.as_ref().join("kmnist_test.safetensors.gz"))?.labelled("test_images", "test_labels")
}

/// Fashion-MNIST, `[28, 28, 1]`: 600 images of each of the 10 classes.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged.
pub fn fashion_mnist(folder: impl AsRef<Path>) -> Result<LabelledImages> {
    Packed::open(folder.as_ref().join("fashion_600.safetensors.gz"))?.by_class("images")
}

/// EMNIST by class, `[28, 28, 1]`: 150 test images of each of `0` … `9`, `A` … `Z`, `a` … `z`.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged or has not 62 classes.
pub fn emnist(folder: impl AsRef<Path>) -> Result<LabelledImages> {
    let names = ('0'..='9').chain('A'..='Z').chain('a'..='z');
    by_class(&folder.as_ref().join("emnist_byclass_test_62x150.safetensors.gz"), names.map(String::from).collect())
}

/// German traffic signs, `[32, 32, 3]`: 50 training images of each of 43 signs, classes `00` … `42`.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged or has not 43 classes.
pub fn gtsrb(folder: impl AsRef<Path>) -> Result<LabelledImages> {
    by_class(&folder.as_ref().join(GTSRB), (0..43).map(|class| format!("{class:02}")).collect())
}

/// The physical sign that each image of [`gtsrb`] shows, numbered within its class. Frames of one sign are nearly alike,
/// so a split into training and test images keeps them together.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is damaged.
pub fn gtsrb_tracks(folder: impl AsRef<Path>) -> Result<Vec<u32>> {
    Packed::open(folder.as_ref().join(GTSRB))?.labels("track")
}

/// Quick, Draw!, `[28, 28, 1]`: 100 drawings of each of 345 things, and the class split of Meta-Dataset (241 / 52 / 52).
///
/// # Errors
/// [`Error::Io`] when a file cannot be read, [`Error::Format`] when one is damaged or they do not go together.
pub fn quickdraw(folder: impl AsRef<Path>) -> Result<(LabelledImages, Splits)> {
    #[derive(Deserialize)]
    struct Category {
        name: String,
        meta_dataset_split: Part,
    }
    let categories: Vec<Category> = read_json(&folder.as_ref().join("quickdraw_categories.json"))?;
    let splits = splits(categories.iter().map(|category| category.meta_dataset_split));
    let names = categories.into_iter().map(|category| category.name).collect();
    Ok((by_class(&folder.as_ref().join("quickdraw_345x100.safetensors.gz"), names)?, splits))
}

const GTSRB: &str = "gtsrb_43x50.safetensors.gz";

/// A tensor `images` with a class for each name.
fn by_class(file: &Path, names: Vec<String>) -> Result<LabelledImages> {
    named(&Packed::open(file)?, "images", names)
}

/// Images by class, once there is a class for each name.
fn named(packed: &Packed, images: &str, names: Vec<String>) -> Result<LabelledImages> {
    let n_classes = packed.view(images)?.shape().first().copied().unwrap_or(0);
    if n_classes != names.len() {
        return Err(packed.format(&format!("it has {n_classes} classes, but {} are known", names.len())));
    }
    packed.by_class(images)?.with_names(names)
}

/// One part of a class split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Train,
    #[serde(alias = "valid")]
    Val,
    Test,
}

/// Class indices by the part of each class.
fn splits(parts: impl Iterator<Item = Part>) -> Splits {
    let mut splits = Splits::default();
    for (class, part) in parts.enumerate() {
        match part {
            Part::Train => splits.train.push(class),
            Part::Val => splits.val.push(class),
            Part::Test => splits.test.push(class),
        }
    }
    splits
}

pub(crate) fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text = std::fs::read(file).map_err(Error::io(file))?;
    serde_json::from_slice(&text).map_err(|e| Error::format(file, &e))
}
