//! What is known of every class.

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::Tensor;

use crate::{Error, Result};

/// A description of A numbers for each of N classes.
///
/// ```
/// use rekindle_transfer::zero_shot::Descriptions;
///
/// //                                    stripes, hooves, fur
/// let animals = Descriptions::new(vec![vec![1., 1., 0.], vec![0., 1., 1.], vec![1., 0., 1.]])?; // zebra, goat, tiger
/// assert_eq!((animals.n_classes(), animals.n_attributes()), (3, 3));
/// assert_eq!(animals.of(2)?, [1., 0., 1.]);
/// assert!(animals.of(3).is_err());
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptions {
    rows: Vec<Vec<f64>>,
}

impl Descriptions {
    /// One row a class.
    ///
    /// # Errors
    /// [`Error::DescriptionLength`] for a row of another length than the first; [`Error::Undescribed`] for an empty row, or
    /// without any class; [`Error::Setting`] for a number that is not finite.
    pub fn new(rows: Vec<Vec<f64>>) -> Result<Self> {
        let expected = rows.first().map_or(0, Vec::len);
        if expected == 0 {
            return Err(Error::Undescribed { class: 0, described: 0 });
        }
        for (class, row) in rows.iter().enumerate() {
            if row.is_empty() {
                return Err(Error::Undescribed { class, described: class });
            }
            if row.len() != expected {
                return Err(Error::DescriptionLength { class, found: row.len(), expected });
            }
            if let Some(x) = row.iter().find(|x| !x.is_finite()) {
                return Err(Error::setting("description", format!("{x} in class {class}"), "finite numbers"));
            }
        }
        Ok(Self { rows })
    }

    /// The number of classes N.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.rows.len()
    }

    /// The numbers of a description, A.
    #[must_use]
    pub fn n_attributes(&self) -> usize {
        self.rows[0].len()
    }

    /// The description of a class, A numbers.
    ///
    /// # Errors
    /// [`Error::Undescribed`] for a class without one.
    pub fn of(&self, class: usize) -> Result<&[f64]> {
        let undescribed = || Error::Undescribed { class, described: self.n_classes() };
        self.rows.get(class).map(Vec::as_slice).ok_or_else(undescribed)
    }

    /// The descriptions of some classes, in this order.
    ///
    /// # Errors
    /// [`Error::Undescribed`] for a class without one, or if `classes` is empty.
    pub fn select(&self, classes: &[usize]) -> Result<Self> {
        Self::new(classes.iter().map(|&class| self.of(class).map(<[f64]>::to_vec)).collect::<Result<_>>()?)
    }

    /// Every description about the mean of those of `seen`: a bilinear form has no constant, and would spend its weights on
    /// what all descriptions have in common.
    ///
    /// # Errors
    /// [`Error::Attributes`] if the descriptions of `seen` have another length.
    pub fn centred(&self, seen: &Self) -> Result<Self> {
        seen.check_attributes(self.n_attributes())?;
        let n = seen.n_classes() as f64;
        let mean = |a: usize| seen.rows.iter().map(|row| row[a]).sum::<f64>() / n;
        let mean: Vec<f64> = (0..self.n_attributes()).map(mean).collect();
        let about = |row: &Vec<f64>| row.iter().zip(&mean).map(|(x, m)| x - m).collect();
        Ok(Self { rows: self.rows.iter().map(about).collect() })
    }

    /// Every description divided by its length √Σx²; one of zeros stays.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let unit = |row: &Vec<f64>| {
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter().map(|x| if norm > 0.0 { x / norm } else { 0.0 }).collect()
        };
        Self { rows: self.rows.iter().map(unit).collect() }
    }

    /// `[1, N, A]`, shared by all tasks.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn tensor(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        let shape = (1, self.n_classes(), self.n_attributes());
        Ok(Tensor::new(Value::from_vec(self.rows.concat(), shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?))
    }

    /// Like another tensor.
    pub(super) fn like(&self, x: &Tensor) -> Result<Tensor> {
        self.tensor(x.dtype(), x.device())
    }

    /// The description of each example's class, `[M, B, A]`, for labels `[M, B]`.
    pub(super) fn of_labels(&self, labels: &Value, like: &Tensor) -> Result<Tensor> {
        let (m, b) = labels.dims2()?;
        let classes = self.check_labels(labels)?;
        let rows = classes.iter().map(|&class| self.rows[class].as_slice()).collect::<Vec<_>>().concat();
        let value = Value::from_vec(rows, (m, b, self.n_attributes()), &Device::Cpu)?;
        Ok(Tensor::new(value.to_dtype(like.dtype())?.to_device(like.device())?))
    }

    /// The labels, row-major, each of a class with a description.
    pub(super) fn check_labels(&self, labels: &Value) -> Result<Vec<usize>> {
        let labels = labels.flatten_all()?.to_dtype(DType::U32)?.to_vec1::<u32>()?;
        let classes: Vec<usize> = labels.into_iter().map(|class| class as usize).collect();
        match classes.iter().find(|&&class| class >= self.n_classes()) {
            Some(&class) => Err(Error::Undescribed { class, described: self.n_classes() }),
            None => Ok(classes),
        }
    }

    /// Refuses descriptions of another length than a model was made for.
    pub(super) fn check_attributes(&self, expected: usize) -> Result<()> {
        let found = self.n_attributes();
        if found == expected { Ok(()) } else { Err(Error::Attributes { found, expected }) }
    }
}
