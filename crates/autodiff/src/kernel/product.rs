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
        each(left, a_layout, right, b_layout, batch, |a, b| gemm_extend(a, b, &mut out));
    }
    // An empty inner axis sums nothing.
    out.resize(batch * i * j, T::ZERO);
    tensor(out, shape)
}

/// Calls `multiply` for the products of a batch, in order; for all of them at once where the right side repeats one
/// matrix, so that they are only more rows.
///
/// The bits of a task's product must not depend on how many tasks run at once, and the `gemm` crate chooses its way of
/// summing by the sizes. Folded or not, a product takes the same way if it is a proper matrix product, its right side
/// is read along its rows, and its inner axis fits into one of gemm's blocks; so only those are folded, and right sides
/// that are read transposed are copied first, which is faster as well.
fn each<T: Real>(
    left: Matrix<'_, T>,
    a: &Layout,
    right: Matrix<'_, T>,
    b: &Layout,
    batch: usize,
    mut multiply: impl FnMut(Matrix<'_, T>, Matrix<'_, T>),
) {
    let (inner, cols) = (left.cols, right.cols);
    let proper = left.rows > 1 && cols > 1 && inner > 2;
    let turned = proper && right.row_stride == 1 && right.col_stride > 1;
    let mut scratch = Vec::new();
    let mut multiply = |a: Matrix<'_, T>, b: Matrix<'_, T>| {
        if turned {
            copy_rows(&b, &mut scratch);
            multiply(a, Matrix::dense(&scratch, inner, cols));
        } else {
            multiply(a, b);
        }
    };
    let repeats = b.dims().iter().zip(b.stride()).rev().skip(2).all(|(&d, &s)| d == 1 || s == 0);
    let by_rows = left.col_stride == 1 && a.is_contiguous();
    if batch > 1 && repeats && by_rows && proper && inner <= GEMM_BLOCK {
        return multiply(Matrix { rows: left.rows * batch, ..left }, right);
    }
    for (a_start, b_start) in starts(a).zip(starts(b)) {
        multiply(Matrix { start: a_start, ..left }, Matrix { start: b_start, ..right });
    }
}

/// Up to this inner size gemm sums in one go.
const GEMM_BLOCK: usize = 512;

/// Copies a matrix that lies along its columns so that it lies along its rows, in blocks that stay in the cache.
fn copy_rows<T: Real>(m: &Matrix<'_, T>, out: &mut Vec<T>) {
    const SIDE: usize = 8;
    out.clear();
    out.resize(m.rows * m.cols, T::ZERO);
    for (top, left) in (0..m.rows).step_by(SIDE).flat_map(|r| (0..m.cols).step_by(SIDE).map(move |c| (r, c))) {
        for row in top..(top + SIDE).min(m.rows) {
            for col in left..(left + SIDE).min(m.cols) {
                out[row * m.cols + col] = m.data[m.start + row * m.row_stride + col * m.col_stride];
            }
        }
    }
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
    let mut rest = out.as_mut_slice();
    each(left, x_layout, right, w_layout, m, |x, w| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(x.rows * o);
        gemm(x, w, head, true);
        rest = tail;
    });
    tensor(out, (m, rows, o))
}
