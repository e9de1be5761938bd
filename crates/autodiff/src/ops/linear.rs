//! The affine layer with a task axis.

use smallvec::smallvec;

use crate::kernel;
use crate::ops::Transpose::{No, Yes};
use crate::{Error, Result, Tensor};

impl Tensor {
    /// `y = x W + b` for every task: `x [M, …, D]`, `w [M, D, O]`, `b [M, O]` to `[M, …, O]`.
    ///
    /// Weights that all tasks share (`M = 1`) fold the tasks into the rows of one product.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear(&self, w: &Self, b: Option<&Self>) -> Result<Self> {
        let (&[m, ref mid @ .., d], &[mw, dw, o]) = (self.dims(), w.dims()) else {
            return Err(mismatch(self, w, b));
        };
        let bias_fits = b.is_none_or(|b| matches!(*b.dims(), [mb, ob] if ob == o && (mb == mw || mb == 1 || mw == 1)));
        if d != dw || !bias_fits {
            return Err(mismatch(self, w, b));
        }
        let rows: usize = mid.iter().product();
        let mb = b.map_or(1, |b| b.dims()[0]);
        let tasks = match (m, mw.max(mb)) {
            (_, 1) => 1,
            (x, p) if x == p || x == 1 => p,
            _ => return Err(mismatch(self, w, b)),
        };
        // With shared weights the tasks are only more rows.
        let x = if tasks == 1 {
            self.reshape((1, m * rows, d))?
        } else {
            self.reshape((m, rows, d))?.broadcast_to((tasks, rows, d))?
        };
        let w = w.broadcast_to((tasks, d, o))?;
        let b = b.map(|b| b.broadcast_to((tasks, o))).transpose()?;
        let out: Vec<usize> = [&[if tasks == 1 { m } else { tasks }], mid, &[o]].concat();
        affine(&x, &w, b.as_ref())?.reshape(out)
    }
}

/// `[M, B, D], [M, D, O], [M, O] → [M, B, O]`.
fn affine(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    let Some(b) = b else { return x.matmul(w) };
    let y = kernel::linear(x.value(), w.value(), b.value())?;
    let held_x = w.is_tracked().then(|| x.clone());
    let held_w = x.is_tracked().then(|| w.clone());
    Ok(Tensor::custom(y, &[x, w, b], move |up| {
        let u = up.grad();
        let gx = match &held_w {
            Some(w) if up.wants(0) => Some(u.product(No, w, Yes)?),
            _ => None,
        };
        let gw = match &held_x {
            Some(x) if up.wants(1) => Some(x.product(Yes, u, No)?),
            _ => None,
        };
        let gb = up.wants(2).then(|| u.sum(&[1])).transpose()?;
        Ok(smallvec![gx, gw, gb])
    }))
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
