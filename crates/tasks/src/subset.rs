//! Some classes of a data set: the view that a split gives.

use crate::dataset::check_index;
use crate::{ClassDataset, Error, Result};

/// The listed classes of `D`, in the listed order, without a copy. Use `Arc<D>` to take several subsets of one data
/// set.
#[derive(Clone, Debug)]
pub struct Subset<D> {
    data: D,
    classes: Vec<usize>,
}

impl<D: ClassDataset> Subset<D> {
    /// The classes `classes` of `data`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a class that `data` does not have.
    pub fn new(data: D, classes: Vec<usize>) -> Result<Self> {
        classes.iter().try_for_each(|&class| check_index("class", class, data.n_classes()))?;
        Ok(Self { data, classes })
    }

    /// The classes with these names, in this order.
    ///
    /// # Errors
    /// [`Error::UnknownClass`] for a name that `data` does not have.
    pub fn by_names<S: AsRef<str>>(data: D, names: &[S]) -> Result<Self> {
        let classes = crate::split::find_classes(&data, names)?;
        Ok(Self { data, classes })
    }

    /// Indices, in the whole data set, of the subset's classes.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }
}

impl<D: ClassDataset> ClassDataset for Subset<D> {
    fn n_classes(&self) -> usize {
        self.classes.len()
    }

    fn n_examples(&self, class: usize) -> usize {
        self.classes.get(class).map_or(0, |&whole| self.data.n_examples(whole))
    }

    fn image_shape(&self) -> [usize; 3] {
        self.data.image_shape()
    }

    fn class_name(&self, class: usize) -> String {
        self.classes.get(class).map_or_else(String::new, |&whole| self.data.class_name(whole))
    }

    fn write_example(&self, class: usize, example: usize, out: &mut [f32]) -> Result<()> {
        let available = self.classes.len();
        let whole = *self.classes.get(class).ok_or(Error::OutOfRange { what: "class", index: class, available })?;
        self.data.write_example(whole, example, out)
    }
}
