//! Losses. Each answers one value a task, `[M]`: the mean over all of the task's other axes.

use candle_core::{DType, Tensor as Value};
use smallvec::smallvec;

use crate::kernel;
use crate::tape::Upstream;
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
        self.last_axis("mse")?;
        let n = self.elem_count() / self.dims()[0].max(1);
        let y = kernel::mse(self.value(), targets.value())?;
        let (x, t) = (self.clone(), targets.clone());
        Ok(Self::custom(y, &[self, targets], move |up| {
            let g = residual(&x, Some(&t), up.grad(), 2.0 / n as f64)?;
            let by_targets = up.wants(1).then(|| g.neg()).transpose()?;
            Ok(smallvec![up.wants(0).then_some(g), by_targets])
        }))
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

/// `s u (x − t)`, where `u [M]` is the gradient of each task's loss; without `t`, `s u x`: the derivative by `x`.
fn residual(x: &Tensor, t: Option<&Tensor>, u: &Tensor, s: f64) -> Result<Tensor> {
    let y = kernel::residual(x.value(), t.map(Tensor::value), u.value(), s)?;
    let held = (x.clone(), t.cloned(), u.clone());
    let vjp = move |up: &Upstream<'_>| {
        let (x, t, u) = &held;
        let by_x = if up.wants(0) || up.wants(2) { Some(residual(up.grad(), None, u, s)?) } else { None };
        let by_t = if up.wants(2) { by_x.as_ref().map(Tensor::neg).transpose()? } else { None };
        let by_u = if up.wants(1) {
            let each = match t {
                Some(t) => up.grad().mul(&x.sub(t)?)?,
                None => up.grad().mul(x)?,
            };
            let m = u.elem_count();
            Some(each.reshape((m, each.elem_count() / m.max(1)))?.sum(&[1])?.scale(s)?)
        } else {
            None
        };
        Ok(smallvec![by_x.filter(|_| up.wants(0)), by_u, by_t])
    };
    Ok(match t {
        Some(t) => Tensor::custom(y, &[x, u, t], vjp),
        None => Tensor::custom(y, &[x, u], vjp),
    })
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
