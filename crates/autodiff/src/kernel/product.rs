//! Batched matrix products with what follows them.

use candle_core::{Layout, Tensor as Value};
use rekindle_kernels as kernels;
use rekindle_kernels::{Level, Matrix, Operand};

use super::view::{Direct, direct, raw, slice, tensor};
use super::{add, affine, mask_positive, relu, sum_keepdim};
use crate::Result;
use crate::ops::product::{After, Base, Epilogue};

/// `Σ after(base + α A B)` of `[lead…, i, k] @ [lead…, k, j]`, each side read transposed where its flag says so.
///
/// Both have the same leading axes; these may be views that repeat one matrix (stride 0). A base asks for one leading
/// axis, the tasks.
pub(crate) fn product(a: &Value, ta: bool, b: &Value, tb: bool, epilogue: &Epilogue) -> Result<Value> {
    let lead = &a.dims()[..a.rank() - 2];
    let rows = a.dims()[a.rank() - if ta { 1 } else { 2 }];
    let cols = b.dims()[b.rank() - if tb { 2 } else { 1 }];
    let base = match &epilogue.base {
        Base::Nothing => None,
        Base::Bias(bias) => Some(bias.value().unsqueeze(1)?.broadcast_as((bias.dim(0)?, rows, cols))?),
        Base::Full(base) => Some(base.value().clone()),
    };
    let mask = match &epilogue.after {
        After::Mask(mask) => Some(mask),
        _ => None,
    };
    let values: Vec<&Value> = [Some(a), Some(b), base.as_ref(), mask].into_iter().flatten().collect();
    if matches!(direct(&values), Direct::F32) {
        let shape = [if epilogue.sum { &[1] } else { lead }, &[rows, cols]].concat();
        return one_pass(a, ta, b, tb, base, epilogue, shape);
    }
    let y = affine(&plain(a, ta, b, tb)?, epilogue.alpha, 0.0)?;
    let y = match (&epilogue.after, base) {
        (After::Mask(mask), Some(base)) => add(&base, &mask_positive(&y, mask)?)?,
        (After::Mask(mask), None) => mask_positive(&y, mask)?,
        (_, Some(base)) => add(&base, &y)?,
        (_, None) => y,
    };
    let y = if matches!(epilogue.after, After::Relu) { relu(&y)? } else { y };
    if epilogue.sum { sum_keepdim(&y, &[0]) } else { Ok(y) }
}

fn one_pass(
    a: &Value,
    ta: bool,
    b: &Value,
    tb: bool,
    base: Option<Value>,
    epilogue: &Epilogue,
    shape: Vec<usize>,
) -> Result<Value> {
    let (a, b) = (even_lead(a)?, even_lead(b)?);
    let base =
        base.map(|base| if base.stride().last() == Some(&1) { Ok(base) } else { base.contiguous() }).transpose()?;
    let mask = match &epilogue.after {
        After::Mask(mask) => Some(mask.contiguous()?),
        _ => None,
    };
    let (a_guard, a_layout) = a.storage_and_layout();
    let (b_guard, b_layout) = b.storage_and_layout();
    let base_guard = base.as_ref().map(Value::storage_and_layout);
    let mask_guard = mask.as_ref().map(Value::storage_and_layout);
    let (left, [rows, inner]) = operand(raw(&a_guard)?, a_layout, ta);
    let (right, [_, cols]) = operand(raw(&b_guard)?, b_layout, tb);
    let base = match &base_guard {
        Some((guard, layout)) => {
            let (o, _) = operand(raw(guard)?, layout, false);
            Some(kernels::Base { data: o.data, task: o.task, row: o.row })
        }
        None => None,
    };
    let after = match (&epilogue.after, &mask_guard) {
        (After::Relu, _) => kernels::After::Relu,
        (_, Some((guard, layout))) => kernels::After::Mask(super::view::elements(guard, layout)?),
        _ => kernels::After::Keep,
    };
    let product = kernels::Product {
        tasks: a.dims()[..a.rank() - 2].iter().product(),
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
    tensor(out, shape)
}

/// The tensor itself where its leading axes can be walked with one stride, a copy otherwise.
fn even_lead(x: &Value) -> Result<Value> {
    let lead = x.rank() - 2;
    let axes: Vec<(usize, usize)> = x.dims()[..lead].iter().copied().zip(x.stride()[..lead].iter().copied()).collect();
    let walked = axes.iter().all(|&(n, stride)| n == 1 || stride == 0)
        || axes.windows(2).all(|pair| pair[0].0 == 1 || pair[0].1 == pair[1].0 * pair[1].1);
    if walked { Ok(x.clone()) } else { Ok(x.contiguous()?) }
}

/// A layout's matrices, one for each place in the leading axes, and their size as they are read.
fn operand<'a>(data: &'a [f32], layout: &Layout, transposed: bool) -> (Operand<'a>, [usize; 2]) {
    let rank = layout.dims().len();
    let (dims, strides) = (layout.dims(), layout.stride());
    let task = (0..rank - 2).rev().find(|&axis| dims[axis] != 1).map_or(0, |axis| strides[axis]);
    // An empty view may start behind the end of its storage.
    let data = data.get(layout.start_offset()..).unwrap_or(&[]);
    let (row, col) = (strides[rank - 2], strides[rank - 1]);
    if transposed {
        (Operand { data, task, row: col, col: row }, [dims[rank - 1], dims[rank - 2]])
    } else {
        (Operand { data, task, row, col }, [dims[rank - 2], dims[rank - 1]])
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
        return Ok(a.matmul(&b)?);
    }
    slice!(left: f64 = a);
    slice!(right: f64 = b);
    let mut out = Vec::with_capacity(lead.iter().product::<usize>() * i * j);
    for (left, right) in left.chunks_exact(i * k).zip(right.chunks_exact(k * j)) {
        kernels::gemm_extend(Matrix::dense(left, *i, *k), Matrix::dense(right, *k, j), &mut out);
    }
    tensor(out, shape)
}
