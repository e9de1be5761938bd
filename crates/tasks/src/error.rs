//! The crate's one error type.

use std::path::{Path, PathBuf};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while reading data sets and drawing tasks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An episode wants more classes than the data set, or its split, has.
    #[error(
        "{ways}-way episodes need {ways} classes, but the data set has {available}; lower `ways` or use a larger split"
    )]
    TooFewClasses {
        /// Classes per episode.
        ways: usize,
        /// Classes in the data set.
        available: usize,
    },
    /// A class has fewer examples than one episode takes from it.
    #[error(
        "class \"{class}\" has {available} examples, but {shots} support and {queries} query examples need {}; \
         lower `shots` or `queries`, or leave the class out", shots + queries
    )]
    TooFewExamples {
        /// Name of the class.
        class: String,
        /// Examples that the class has.
        available: usize,
        /// Support examples per class.
        shots: usize,
        /// Query examples per class.
        queries: usize,
    },
    /// A class or example number lies outside the data set.
    #[error("{what} {index} does not exist: there are {available}")]
    OutOfRange {
        /// What was numbered, such as "class".
        what: &'static str,
        /// The number asked for.
        index: usize,
        /// How many there are.
        available: usize,
    },
    /// A tensor or slice has the wrong shape.
    #[error("{what} has shape {found:?}, expected {expected}")]
    Shape {
        /// Which value.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The expected shape in axis letters.
        expected: &'static str,
    },
    /// A tensor has the wrong element type.
    #[error("{what} has dtype {found:?}, expected {expected}")]
    DType {
        /// Which value.
        what: &'static str,
        /// Its element type.
        found: candle_core::DType,
        /// The accepted types.
        expected: &'static str,
    },
    /// A configuration field has a value outside its range.
    #[error("`{field}` is {value}, but must be {expected}")]
    Config {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The accepted range.
        expected: &'static str,
    },
    /// Rotation by 90° needs square images.
    #[error("rotation by quarter turns needs square images, but these are {height}×{width}; resize them first")]
    NotSquare {
        /// Image height H.
        height: usize,
        /// Image width W.
        width: usize,
    },
    /// A split names a class that the data set does not have.
    #[error("the split names class \"{name}\", which the data set does not have (its first class is \"{first}\")")]
    UnknownClass {
        /// The name in the split.
        name: String,
        /// The first class of the data set, to compare spellings.
        first: String,
    },
    /// A description of a data set has classes whose images are not there.
    #[error("{what} lacks {} of the classes of {spec}: {}", names.len(), names.join(", "))]
    MissingClasses {
        /// Where they were looked for.
        what: String,
        /// Name of the description.
        spec: String,
        /// Names of the classes.
        names: Vec<String>,
    },
    /// A class stands in two parts of a split, so meta-test classes would be seen in training.
    #[error("class \"{name}\" stands in more than one part of the split; the parts must be disjoint")]
    SplitOverlap {
        /// Name of the class.
        name: String,
    },
    /// A split needs more classes than there are.
    #[error("the split takes {train} + {val} + {test} classes, but the data set has {available}")]
    SplitTooLarge {
        /// Classes for meta-training.
        train: usize,
        /// Classes for meta-validation.
        val: usize,
        /// Classes for meta-test.
        test: usize,
        /// Classes in the data set.
        available: usize,
    },
    /// A folder has no class sub-folders.
    #[error("{} holds no class: expected one sub-folder per class", path.display())]
    NoClasses {
        /// The folder.
        path: PathBuf,
    },
    /// A class folder has no images.
    #[error("class folder {} holds no image (PNG or JPEG); add some or remove the folder", path.display())]
    NoImages {
        /// The class folder.
        path: PathBuf,
    },
    /// An image is empty, cut off or not an image at all.
    #[error("cannot read image {}: {reason}; replace or remove the file", path.display())]
    Image {
        /// The image file, or its name within an archive.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// A data file is truncated or is not of the expected form.
    #[error("{} is damaged or of another format: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused a file operation.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The prefetching thread stopped: its sampler panicked.
    #[error("the task sampler panicked while drawing batch {iteration}: {message}")]
    SamplerPanicked {
        /// Number of the batch.
        iteration: u64,
        /// The panic's message.
        message: String,
    },
    /// The operating system refused to start the prefetching thread.
    #[error("cannot start the prefetching thread: {0}")]
    Thread(std::io::Error),
    /// The prefetching thread has ended after an earlier error.
    #[error("the prefetcher ended after the error that it reported earlier; start a new one")]
    PrefetchEnded,
    /// An error of the tensor library.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Turns an I/O error into one that names its path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }

    /// A damaged data file.
    pub(crate) fn format(path: &Path, reason: &dyn std::fmt::Display) -> Self {
        Self::Format { path: path.to_path_buf(), reason: reason.to_string() }
    }
}

/// Refuses counts of 0, by name.
pub(crate) fn at_least_one(counts: &[(&'static str, usize)]) -> Result<()> {
    match counts.iter().find(|(_, count)| *count == 0) {
        Some((field, count)) => Err(Error::Config { field, value: count.to_string(), expected: "at least 1" }),
        None => Ok(()),
    }
}
