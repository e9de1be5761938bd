//! Labelled images by class: the one interface that every data set of this crate has.

use std::fmt::Debug;
use std::sync::Arc;

use crate::{Error, Result};

/// Images of one shape `[H, W, C]`, grouped in classes.
///
/// Pixels are f32 in `[0, 1]`, row-major NHWC; for drawings 1 is ink and 0 paper. An implementation answers equal
/// calls with equal pixels, so that episodes are reproducible from a seed. [`FewShotSampler`](crate::FewShotSampler)
/// draws episodes from any of them.
pub trait ClassDataset: Debug + Send + Sync {
    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// Number of examples of `class`; 0 for a class that does not exist.
    fn n_examples(&self, class: usize) -> usize;

    /// A class with the fewest examples, or 0 without classes. The default looks at all classes; a data set with
    /// equal ones can answer at once.
    fn smallest_class(&self) -> usize {
        (0..self.n_classes()).min_by_key(|&class| self.n_examples(class)).unwrap_or(0)
    }

    /// Shape `[H, W, C]` of every image.
    fn image_shape(&self) -> [usize; 3];

    /// Name of `class`, unique within the data set; splits refer to it.
    fn class_name(&self, class: usize) -> String;

    /// Writes one example, H·W·C values, into `out`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a class or example that does not exist, [`Error::Shape`] when `out` has another
    /// length.
    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()>;
}

impl<D: ClassDataset + ?Sized> ClassDataset for Arc<D> {
    fn n_classes(&self) -> usize {
        (**self).n_classes()
    }

    fn n_examples(&self, class: usize) -> usize {
        (**self).n_examples(class)
    }

    fn smallest_class(&self) -> usize {
        (**self).smallest_class()
    }

    fn image_shape(&self) -> [usize; 3] {
        (**self).image_shape()
    }

    fn class_name(&self, class: usize) -> String {
        (**self).class_name(class)
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        (**self).write_example(class, example, out)
    }
}

/// Checks the arguments of [`ClassDataset::write_example`].
pub(crate) fn check_example(data: &dyn ClassDataset, class: usize, example: usize, out: &[f32]) -> Result<()> {
    check_index("class", class, data.n_classes())?;
    check_index("example", example, data.n_examples(class))?;
    if out.len() != data.image_shape().iter().product::<usize>() {
        return Err(Error::Shape { what: "out", found: vec![out.len()], expected: "H·W·C values" });
    }
    Ok(())
}

/// Refuses an index at or past `available`.
pub(crate) fn check_index(what: &'static str, index: usize, available: usize) -> Result<()> {
    if index < available { Ok(()) } else { Err(Error::OutOfRange { what, index, available }) }
}
