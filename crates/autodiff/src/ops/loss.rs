//! Losses. Each answers one value a task, `[M]`: the mean over all of the task's other axes.

use candle_core::{DType, Tensor as Value};

use crate::{Error, Result, Tensor};

impl Tensor {
    /// Mean squared error `[M]` between predictions and targets `[M, …]` of one shape.
    ///
    /// # Errors
    /// If the shapes differ, or if there is no task axis.
    pub fn mse(&self, targets: &Self) -> Result<Self> {
        if self.shape() != targets.shape() {
            let message = format!("predictions {:?}, targets {:?}", self.shape(), targets.shape());
            return Err(Error::shape("mse", message));
        }
        self.sub(targets)?.sqr()?.mean_over_task()
    }

    /// Cross-entropy `[M]` of logits `[M, …, N]` against class indices `[M, …]` (integers below N):
    /// `mean(−log softmax(logits)[target])`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn cross_entropy(&self, targets: &Value) -> Result<Self> {
        let picked = self.log_softmax()?.mul(&Self::one_hot(targets, self)?)?;
        let n = self.dim(self.last_axis("cross_entropy")?)?;
        picked.mean_over_task()?.scale(-(n as f64))
    }

    /// Binary cross-entropy `[M]` of logits against targets in `[0, 1]`, both `[M, …]`:
    /// `mean(softplus(x) − x·y)`.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn binary_cross_entropy(&self, targets: &Self) -> Result<Self> {
        if self.shape() != targets.shape() {
            let message = format!("logits {:?}, targets {:?}", self.shape(), targets.shape());
            return Err(Error::shape("binary_cross_entropy", message));
        }
        self.softplus()?.sub(&self.mul(targets)?)?.mean_over_task()
    }

    /// Class indices `[…]` as rows of an identity matrix `[…, N]`, in the shape and type of `like`.
    ///
    /// # Errors
    /// If `like` does not have the shape of the indices and one axis more, if the indices are not integers, or if one of
    /// them is N or more (seen on the CPU only: elsewhere the look would wait for the device, and the row is zero).
    pub fn one_hot(targets: &Value, like: &Self) -> Result<Self> {
        let expected = like.dims().split_last().map(|(_, lead)| lead);
        if expected != Some(targets.dims()) {
            let message = format!("class indices {:?} for logits {:?}", targets.shape(), like.shape());
            return Err(Error::shape("one_hot", message));
        }
        if targets.dtype().is_float() {
            return Err(Error::argument("one_hot", format!("class indices are integers, not {:?}", targets.dtype())));
        }
        let n = like.dims()[like.rank() - 1];
        let top = u32::try_from(n).expect("there are fewer than 2³² classes");
        let classes = Value::arange(0u32, top, targets.device())?;
        check_classes(targets, top)?;
        let targets = targets.to_dtype(DType::U32)?.unsqueeze(targets.rank())?;
        Ok(Self::new(targets.broadcast_eq(&classes)?.to_dtype(like.dtype())?))
    }

    /// The mean over every axis but the first, `[M]`.
    ///
    /// # Errors
    /// If the tensor has no axis.
    pub fn mean_over_task(&self) -> Result<Self> {
        self.last_axis("mean_over_task")?;
        let m = self.dims()[0];
        let rest = self.elem_count() / m.max(1);
        self.reshape((m, rest))?.mean(&[1])
    }
}

fn check_classes(targets: &Value, n: u32) -> Result<()> {
    if !targets.device().is_cpu() {
        return Ok(());
    }
    let classes = targets.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?;
    match classes.into_iter().find(|&class| class < 0 || class >= i64::from(n)) {
        Some(class) => Err(Error::argument("one_hot", format!("class {class} of {n}; classes count from 0"))),
        None => Ok(()),
    }
}
