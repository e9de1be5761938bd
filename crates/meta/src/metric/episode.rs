//! An episode as a head sees it: embedded examples, and the class of each.

use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{Tensor, Transpose};
use rekindle_tasks::UNLABELLED;

use crate::{Error, Result, Setting};

/// M tasks after the body, of B support examples and Q queries with F features each.
#[derive(Clone, Debug)]
pub struct Episode {
    /// Support examples `[M, B, F]`.
    pub support: Tensor,
    /// The class of each, as rows of an identity matrix `[M, B, N]`; rows of zeros where it is not known. A constant.
    pub one_hot: Tensor,
    /// Queries `[M, Q, F]`.
    pub queries: Tensor,
    /// Whether a head may look at all queries together, to normalise for example.
    pub setting: Setting,
}

/// The score of what is not in a class: no maximum picks it, and its exponential is zero.
const ABSENT: f64 = -1e9;

impl Episode {
    /// The number of classes N.
    ///
    /// # Errors
    /// If the classes are not `[M, B, N]`.
    pub fn ways(&self) -> Result<usize> {
        Ok(self.one_hot.dim(2)?)
    }

    /// The share `[M, B, N]` of every example in its class, `1/K` for each of K: what makes a sum a mean.
    ///
    /// # Errors
    /// If the device cannot hold it.
    pub fn shares(&self) -> Result<Tensor> {
        shares(&self.one_hot)
    }

    /// The mean `[M, N, F]` of each class of the support set.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn class_means(&self) -> Result<Tensor> {
        class_means(&self.one_hot, &self.support)
    }

    /// The sum `[M, N, F]` of each class of the support set.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn class_sums(&self) -> Result<Tensor> {
        Ok(self.one_hot.product(Transpose::Yes, &self.support, Transpose::No)?)
    }

    /// Scores `[M, Q, B]` of the support examples as `[M, Q, N, B]`, with -10⁹ where an example is not of the class: for
    /// sums of exponentials and maxima over the examples of each class.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn by_class(&self, scores: &Tensor) -> Result<Tensor> {
        let outside = self.one_hot.transpose(1, 2)?.affine(-ABSENT, ABSENT)?; // [M, N, B]
        Ok(scores.unsqueeze(2)?.add(&outside.unsqueeze(1)?)?)
    }
}

/// The share of every example in its class, for classes `one_hot [M, B, N]`.
fn shares(one_hot: &Tensor) -> Result<Tensor> {
    Ok(one_hot.div(&one_hot.sum_keepdim(&[1])?)?)
}

/// The mean `[M, N, F]` of each class of `one_hot [M, B, N]` over features `z [M, B, F]`.
pub(crate) fn class_means(one_hot: &Tensor, z: &Tensor) -> Result<Tensor> {
    Ok(shares(one_hot)?.product(Transpose::Yes, z, Transpose::No)?)
}

/// Labels `[M, B]` of a support set as `[M, B, N]`, with the type and on the device of `like`. Every class from 0 to N − 1
/// has an example in each task, where N is how many there are.
pub(crate) fn one_hot(labels: &Value, unlabelled: bool, like: &Value) -> Result<Tensor> {
    if labels.dtype() != DType::U32 {
        let message = format!("metric-based learners compare classes: labels are u32 [M, B], not {:?}", labels.dtype());
        return Err(Error::Batch { message });
    }
    let rows = labels.to_vec2::<u32>()?;
    if let Some(task) = rows.iter().position(|row| !unlabelled && row.contains(&UNLABELLED)) {
        let message = format!("task {task} has an unlabelled support example, which only soft k-means can use");
        return Err(Error::Batch { message });
    }
    let known = |row: &[u32]| row.iter().copied().filter(|&label| label != UNLABELLED).collect::<Vec<_>>();
    let ways = rows.iter().flat_map(|row| known(row)).collect::<BTreeSet<_>>().len();
    if ways == 0 {
        return Err(Error::Batch { message: "a support set needs a labelled example".to_owned() });
    }
    for (task, row) in rows.iter().enumerate() {
        let labels = known(row);
        check_range("support", task, &labels, ways)?;
        let empty = (0..ways).find(|&class| !labels.iter().any(|&label| label as usize == class));
        if let Some(class) = empty {
            return Err(Error::EmptyClass { task, class, ways });
        }
    }
    let entry = |label: u32| (0..ways).map(move |class| f64::from(u8::from(label as usize == class)));
    let data: Vec<f64> = rows.iter().flatten().flat_map(|&label| entry(label)).collect();
    let (m, b) = labels.dims2()?;
    let one_hot = Value::from_vec(data, (m, b, ways), &Device::Cpu)?.to_dtype(like.dtype())?;
    Ok(Tensor::new(one_hot.to_device(like.device())?))
}

/// Labels `[M, Q]` of queries are classes of the support set.
pub(super) fn check_queries(labels: &Value, ways: usize) -> Result<()> {
    let rows = labels.to_vec2::<u32>()?;
    rows.iter().enumerate().try_for_each(|(task, row)| check_range("query", task, row, ways))
}

fn check_range(set: &'static str, task: usize, labels: &[u32], ways: usize) -> Result<()> {
    match labels.iter().find(|&&label| label as usize >= ways) {
        Some(&label) => Err(Error::Label { set, task, label, ways }),
        None => Ok(()),
    }
}
