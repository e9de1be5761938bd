//! Batched matrix products.

use candle_core::{Layout, Tensor as Value};

use super::gemm::{Matrix, gemm, gemm_extend};
use super::view::{Real, dispatch, raw, slice, tensor};
use crate::Result;

/// `[lead…, i, k] @ [lead…, k, j] → [lead…, i, j]`, each side read transposed where its flag says so.
///
/// Both have the same leading axes; these may be views that repeat one matrix (stride 0).
pub(crate) fn product(a: &Value, ta: bool, b: &Value, tb: bool) -> Result<Value> {
    dispatch!([a, b], T => batched::<T>(a, ta, b, tb), {
        // Stock candle gives wrong values for a transposed left side with a repeated right one, so views are copied.
        if a.elem_count() == 0 || b.elem_count() == 0 {
            let (i, j) = (a.dims()[a.rank() - if ta { 1 } else { 2 }], b.dims()[b.rank() - if tb { 2 } else { 1 }]);
            return Ok(Value::zeros([&a.dims()[..a.rank() - 2], &[i, j]].concat(), a.dtype(), a.device())?);
        }
        let turn = |x: &Value, t: bool| if t { x.transpose(x.rank() - 2, x.rank() - 1)?.contiguous() } else { x.contiguous() };
        Ok(turn(a, ta)?.matmul(&turn(b, tb)?)?)
    })
}

fn batched<T: Real>(a: &Value, ta: bool, b: &Value, tb: bool) -> Result<Value> {
    let lead = &a.dims()[..a.rank() - 2];
    let batch: usize = lead.iter().product();
    let (a_guard, a_layout) = a.storage_and_layout();
    let (b_guard, b_layout) = b.storage_and_layout();
    let (a_data, b_data) = (raw::<T>(&a_guard)?, raw::<T>(&b_guard)?);
    let left = matrix(a_data, a_layout, ta);
    let right = matrix(b_data, b_layout, tb);
    let (i, j) = (left.rows, right.cols);
    let shape = [lead, &[i, j]].concat();
    let mut out = Vec::with_capacity(batch * i * j);
    if i > 0 && j > 0 && left.cols > 0 {
        if let Some(folded) = fold_rows(&left, a_layout, b_layout, batch, ta) {
            gemm_extend(folded, right, &mut out);
        } else {
            for (a_start, b_start) in starts(a_layout).zip(starts(b_layout)) {
                gemm_extend(Matrix { start: a_start, ..left }, Matrix { start: b_start, ..right }, &mut out);
            }
        }
    }
    // An empty inner axis sums nothing.
    out.resize(batch * i * j, T::ZERO);
    tensor(out, shape)
}

/// One tall matrix, where the right side repeats one matrix and the rows of the left side follow each other.
fn fold_rows<'a, T>(left: &Matrix<'a, T>, a: &Layout, b: &Layout, batch: usize, ta: bool) -> Option<Matrix<'a, T>> {
    let repeats = b.dims().iter().zip(b.stride()).rev().skip(2).all(|(&d, &s)| d == 1 || s == 0);
    (repeats && !ta && a.is_contiguous()).then(|| Matrix { rows: left.rows * batch, ..*left })
}

/// The last two axes of a layout as a matrix, at the layout's first element.
fn matrix<'a, T>(data: &'a [T], layout: &Layout, transposed: bool) -> Matrix<'a, T> {
    let rank = layout.dims().len();
    let m = Matrix {
        data,
        start: layout.start_offset(),
        rows: layout.dims()[rank - 2],
        cols: layout.dims()[rank - 1],
        row_stride: layout.stride()[rank - 2],
        col_stride: layout.stride()[rank - 1],
    };
    if transposed { m.transposed() } else { m }
}

/// The first element of each matrix of a batch, in row-major order of the leading axes.
fn starts(layout: &Layout) -> impl Iterator<Item = usize> + use<> {
    let rank = layout.dims().len() - 2;
    let dims: Vec<usize> = layout.dims()[..rank].to_vec();
    let strides: Vec<usize> = layout.stride()[..rank].to_vec();
    let offset = layout.start_offset();
    (0..dims.iter().product()).map(move |mut flat: usize| {
        let mut start = offset;
        for (&dim, &stride) in dims.iter().zip(&strides).rev() {
            start += flat % dim * stride;
            flat /= dim;
        }
        start
    })
}

/// `x [M, B, D] @ w [M, D, O] + b [M, O] → [M, B, O]`.
pub(crate) fn linear(x: &Value, w: &Value, b: &Value) -> Result<Value> {
    dispatch!([x, w, b], T => affine::<T>(x, w, b), {
        Ok(product(x, false, w, false)?.broadcast_add(&b.unsqueeze(1)?)?)
    })
}

fn affine<T: Real>(x: &Value, w: &Value, b: &Value) -> Result<Value> {
    let (m, rows, d) = x.dims3()?;
    let o = w.dim(2)?;
    let b = b.contiguous()?;
    slice!(bias: T = b);
    let (x_guard, x_layout) = x.storage_and_layout();
    let (w_guard, w_layout) = w.storage_and_layout();
    let left = matrix(raw::<T>(&x_guard)?, x_layout, false);
    let right = matrix(raw::<T>(&w_guard)?, w_layout, false);
    // The bias starts the sums, so that it costs no pass of its own.
    let mut out = Vec::with_capacity(m * rows * o);
    for row in bias.chunks_exact(o.max(1)) {
        for _ in 0..rows {
            out.extend_from_slice(row);
        }
    }
    if out.is_empty() || d == 0 {
        return tensor(out, (m, rows, o));
    }
    if let Some(folded) = fold_rows(&left, x_layout, w_layout, m, false) {
        gemm(folded, right, &mut out, true);
    } else {
        for ((x_start, w_start), out) in starts(x_layout).zip(starts(w_layout)).zip(out.chunks_exact_mut(rows * o)) {
            gemm(Matrix { start: x_start, ..left }, Matrix { start: w_start, ..right }, out, true);
        }
    }
    tensor(out, (m, rows, o))
}
