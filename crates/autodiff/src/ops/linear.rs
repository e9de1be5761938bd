//! The affine layer with a task axis.

use smallvec::smallvec;

use crate::kernel;
use crate::offer::Offer;
use crate::ops::Transpose::No;
use crate::ops::product::{After, Base, Epilogue, product_with};
use crate::tape::Upstream;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// `y = x W + b` for every task: `x [M, …, D]`, `w [M, D, O]`, `b [M, O]` to `[M, …, O]`.
    ///
    /// Weights that all tasks share (`M = 1`) fold the tasks into the rows of one product.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear(&self, w: &Self, b: Option<&Self>) -> Result<Self> {
        affine(self, w, b, After::Keep)
    }

    /// `max(0, x W + b)`, as [`linear`](Self::linear) with [`relu`](Self::relu) behind it, in one pass.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear_relu(&self, w: &Self, b: Option<&Self>) -> Result<Self> {
        affine(self, w, b, After::Relu)
    }

    /// The sum over the rows, `[M, B, O]` to `[M, O]`, or what it is to become.
    pub(crate) fn sum_rows(&self, to: Offer) -> Result<Self> {
        let Offer { base, alpha, mask, sum_tasks } = to;
        let sum_here = sum_tasks && mask.is_none();
        let y = kernel::sum_rows(self.value(), base.as_ref().map(Self::value), alpha, sum_here)?;
        let rows = self.dim(1)?;
        let vjp = move |up: &Upstream<'_>| {
            let by_rows = up.wants(0).then(|| up.grad().scale(alpha)?.repeat_rows(rows)).transpose()?;
            Ok(smallvec![by_rows, up.wants(1).then(|| up.grad().clone())])
        };
        let y = match &base {
            Some(base) => Self::custom(y, &[self, base], vjp),
            None => Self::custom(y, &[self], vjp),
        };
        let y = mask.map_or_else(|| Ok(y.clone()), |mask| y.mask_positive(&mask))?;
        if sum_tasks && !sum_here { y.sum_keepdim(&[0]) } else { Ok(y) }
    }

    /// Every row the same, `[M, O]` to `[M, B, O]`: a view, and the adjoint of [`sum_rows`](Self::sum_rows).
    fn repeat_rows(&self, rows: usize) -> Result<Self> {
        let (m, o) = self.value().dims2()?;
        let y = self.value().unsqueeze(1)?.broadcast_as((m, rows, o))?;
        Ok(Self::unary(y, self, |up| up.grad().sum_rows(up.accept(0))))
    }
}

fn affine(x: &Tensor, w: &Tensor, b: Option<&Tensor>, after: After) -> Result<Tensor> {
    let (&[m, ref mid @ .., d], &[mw, dw, o]) = (x.dims(), w.dims()) else {
        return Err(mismatch(x, w, b));
    };
    let bias_fits = b.is_none_or(|b| matches!(*b.dims(), [mb, ob] if ob == o && (mb == mw || mb == 1 || mw == 1)));
    if d != dw || !bias_fits {
        return Err(mismatch(x, w, b));
    }
    let rows: usize = mid.iter().product();
    let mb = b.map_or(1, |b| b.dims()[0]);
    let tasks = match (m, mw.max(mb)) {
        (_, 1) => 1,
        (x, p) if x == p || x == 1 => p,
        _ => return Err(mismatch(x, w, b)),
    };
    let out: Vec<usize> = [&[if tasks == 1 { m } else { tasks }], mid, &[o]].concat();
    // With shared weights the tasks are only more rows.
    let x = if tasks == 1 {
        x.reshape((1, m * rows, d))?
    } else {
        x.reshape((m, rows, d))?.broadcast_to((tasks, rows, d))?
    };
    let w = w.broadcast_to((tasks, d, o))?;
    let base = match b {
        Some(b) => Base::Bias(b.broadcast_to((tasks, o))?),
        None => Base::Nothing,
    };
    product_with((&x, No), (&w, No), &Epilogue { base, after, ..Epilogue::default() })?.reshape(out)
}

fn mismatch(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Error {
    let bias = b.map_or(String::new(), |b| format!(", bias {:?}", b.shape()));
    let message = format!(
        "x {:?}, weight {:?}{bias}; expected x [M, …, D], weight [M or 1, D, O], bias [M or 1, O]",
        x.shape(),
        w.shape()
    );
    Error::shape("linear", message)
}
