//! Batched matrix products with what follows them.

use candle_core::{Layout, Tensor as Value};
use rekindle_kernels as kernels;
use rekindle_kernels::{Level, Matrix, Operand};
use smallvec::SmallVec;

use super::view::{Direct, direct, even_lead, from_start, raw, slice, task_stride, tensor, with_rows};
use super::{add, affine, mask_positive, relu, sum_keepdim};
use crate::Result;
use crate::ops::product::{After, Base, Epilogue};

/// `Σ after(base + α A B)` of `[lead…, i, k] @ [lead…, k, j]`, each side read transposed where its flag says so.
///
/// Both have the same leading axes; these may be views that repeat one matrix (stride 0). A bias asks for one leading
/// axis, the tasks.
pub(crate) fn product(a: &Value, ta: bool, b: &Value, tb: bool, epilogue: &Epilogue) -> Result<Value> {
    let base = match &epilogue.base {
        Base::Nothing => None,
        Base::Bias(base) | Base::Full(base) => Some(base.value()),
    };
    let mask = match &epilogue.after {
        After::Mask(mask) => Some(mask),
        _ => None,
    };
    let values: SmallVec<[&Value; 4]> = [Some(a), Some(b), base, mask].into_iter().flatten().collect();
    if matches!(direct(&values), Direct::F32) {
        return one_pass(a, ta, b, tb, (base, mask), epilogue);
    }
    let y = affine(&plain(a, ta, b, tb)?, epilogue.alpha, 0.0)?;
    let base = match &epilogue.base {
        Base::Bias(bias) => Some(bias.value().unsqueeze(1)?.broadcast_as(y.shape())?),
        _ => base.cloned(),
    };
    let y = base.map_or_else(|| Ok(y.clone()), |base| add(&base, &y))?;
    let y = match &epilogue.after {
        After::Keep => y,
        After::Relu => relu(&y)?,
        After::Mask(mask) => mask_positive(&y, mask)?,
    };
    if epilogue.sum { sum_keepdim(&y, &[0]) } else { Ok(y) }
}

fn one_pass(
    a: &Value,
    ta: bool,
    b: &Value,
    tb: bool,
    (base, mask): (Option<&Value>, Option<&Value>),
    epilogue: &Epilogue,
) -> Result<Value> {
    let is_bias = matches!(epilogue.base, Base::Bias(_));
    let (a, b) = (even_lead(a, 2)?, even_lead(b, 2)?);
    let base = base.map(|base| with_rows(base, if is_bias { 1 } else { 2 })).transpose()?;
    let mask = mask.map(Value::contiguous).transpose()?;
    let (a_guard, a_layout) = a.storage_and_layout();
    let (b_guard, b_layout) = b.storage_and_layout();
    let base_guard = base.as_ref().map(|base| base.storage_and_layout());
    let mask_guard = mask.as_ref().map(Value::storage_and_layout);
    let (left, [rows, inner]) = operand(raw(&a_guard)?, a_layout, ta);
    let (right, [_, cols]) = operand(raw(&b_guard)?, b_layout, tb);
    let base = match &base_guard {
        Some((guard, layout)) => {
            let (data, lead) = (from_start(raw(guard)?, layout), if is_bias { 1 } else { layout.dims().len() - 2 });
            let row = if is_bias { 0 } else { layout.stride()[lead] };
            Some(kernels::Base { data, task: task_stride(layout, lead), row })
        }
        None => None,
    };
    let after = match (&epilogue.after, &mask_guard) {
        (After::Relu, _) => kernels::After::Relu,
        (_, Some((guard, layout))) => kernels::After::Mask(super::view::elements(guard, layout)?),
        _ => kernels::After::Keep,
    };
    let lead = &a.dims()[..a.rank() - 2];
    let product = kernels::Product {
        tasks: lead.iter().product(),
        rows,
        inner,
        cols,
        a: left,
        b: right,
        base,
        alpha: epilogue.alpha as f32,
        after,
        sum: epilogue.sum,
    };
    let mut out = Vec::new();
    kernels::product(Level::current(), &product, &mut out)?;
    tensor(out, [if epilogue.sum { &[1] } else { lead }, &[rows, cols]].concat())
}

/// A layout's matrices, one for each place in the leading axes, and their size as they are read.
fn operand<'a>(data: &'a [f32], layout: &Layout, transposed: bool) -> (Operand<'a>, [usize; 2]) {
    let lead = layout.dims().len() - 2;
    let (data, task) = (from_start(data, layout), task_stride(layout, lead));
    let ([m, n], [row, col]) = ([0, 1].map(|i| layout.dims()[lead + i]), [0, 1].map(|i| layout.stride()[lead + i]));
    if transposed {
        (Operand { data, task, row: col, col: row }, [n, m])
    } else {
        (Operand { data, task, row, col }, [m, n])
    }
}

/// The product alone, in other types and on other devices.
fn plain(a: &Value, ta: bool, b: &Value, tb: bool) -> Result<Value> {
    let turn = |x: &Value, t: bool| -> Result<Value> {
        Ok(if t { x.transpose(x.rank() - 2, x.rank() - 1)? } else { x.clone() }.contiguous()?)
    };
    // Stock candle gives wrong values for a transposed left side with a repeated right one, so views are copied.
    let (a, b) = (turn(a, ta)?, turn(b, tb)?);
    let (lead, [i, k]) = a.dims().split_last_chunk::<2>().expect("an operand is a batch of matrices");
    let j = b.dims()[b.rank() - 1];
    let shape = [lead, &[*i, j]].concat();
    if a.elem_count() == 0 || b.elem_count() == 0 {
        return Ok(Value::zeros(shape, a.dtype(), a.device())?);
    }
    if !matches!(direct(&[&a, &b]), Direct::F64) {
        // Nor does it take three leading axes.
        let batch: usize = lead.iter().product();
        return Ok(a.reshape((batch, *i, *k))?.matmul(&b.reshape((batch, *k, j))?)?.reshape(shape)?);
    }
    slice!(left: f64 = a);
    slice!(right: f64 = b);
    let mut out = Vec::with_capacity(lead.iter().product::<usize>() * i * j);
    for (left, right) in left.chunks_exact(i * k).zip(right.chunks_exact(k * j)) {
        kernels::gemm_extend(Matrix::dense(left, *i, *k), Matrix::dense(right, *k, j), &mut out);
    }
    tensor(out, shape)
}
