//! Sums over axes.

use candle_core::Tensor as Value;
use rekindle_kernels::Float;

use super::view::{Real, dispatch, from_start, raw, slice, task_stride, tensor, vectorise, with_rows};
use crate::Result;

/// Independent partial sums of one long row; written out, so that every vector width gives the same bits.
const LANES: usize = 16;

/// Rows that are added up before their sum goes into the total, which keeps rounding errors small in long sums.
const BLOCK: usize = 256;

/// Sum over `axes`, which stay as size 1.
pub(crate) fn sum_keepdim(x: &Value, axes: &[usize]) -> Result<Value> {
    if axes.is_empty() {
        return Ok(x.clone());
    }
    dispatch!([x], T => {
        let mut x = x.contiguous()?;
        for (outer, n, inner, dims) in plan(x.dims(), axes) {
            x = sum_middle::<T>(&x, outer, n, inner)?.reshape(dims)?;
        }
        Ok(x)
    }, Ok(x.sum_keepdim(axes)?))
}

/// `base + α Σ x` over the middle axis, which goes away: `[M, B, O]` to `[M, O]`, or with `sum` that added up over the
/// tasks, `[1, O]`. The base may repeat along the tasks as a view.
pub(crate) fn sum_rows(x: &Value, base: Option<&Value>, alpha: f64, sum: bool) -> Result<Value> {
    let (m, rows, o) = x.dims3()?;
    dispatch!([x, base.unwrap_or(x)], T => {
        let x = x.contiguous()?;
        slice!(xs: T = x);
        let mut out = middle(xs, [m, rows, o])?;
        let alpha = <T as candle_core::WithDType>::from_f64(alpha);
        if let Some(base) = base {
            let base = with_rows(base, 1)?;
            let (guard, layout) = base.storage_and_layout();
            let (data, task) = (from_start(raw::<T>(&guard)?, layout), task_stride(layout, 1));
            for (row, out) in out.chunks_exact_mut(o.max(1)).enumerate() {
                out.iter_mut().zip(&data[row * task..]).for_each(|(y, &base)| *y = base + alpha * *y);
            }
        } else if alpha != T::UNIT {
            out.iter_mut().for_each(|y| *y *= alpha);
        }
        if !sum {
            return tensor(out, (m, o));
        }
        tensor(middle(&out, [1, m, o])?, (1, o))
    }, {
        let y = (x.sum(1)? * alpha)?;
        let y = base.map_or_else(|| Ok(y.clone()), |base| base + &y)?;
        if sum { Ok(y.sum_keepdim(0)?) } else { Ok(y) }
    })
}

/// Neighbouring axes are summed together: a list of `(outer, n, inner)` views, last axes first, and the shape after.
fn plan(dims: &[usize], axes: &[usize]) -> Vec<(usize, usize, usize, Vec<usize>)> {
    let mut dims = dims.to_vec();
    let mut steps = Vec::new();
    let mut end = dims.len();
    while end > 0 {
        if !axes.contains(&(end - 1)) {
            end -= 1;
            continue;
        }
        let start = (0..end).rev().take_while(|axis| axes.contains(axis)).last().unwrap_or(end - 1);
        let outer = dims[..start].iter().product();
        let n = dims[start..end].iter().product();
        let inner = dims[end..].iter().product();
        dims[start..end].fill(1);
        steps.push((outer, n, inner, dims.clone()));
        end = start;
    }
    steps
}

/// `[outer, n, inner] → [outer, inner]`.
fn sum_middle<T: Real>(x: &Value, outer: usize, n: usize, inner: usize) -> Result<Value> {
    slice!(data: T = x);
    tensor(middle(data, [outer, n, inner])?, (outer, inner))
}

/// `[outer, n, inner] → [outer, inner]`.
fn middle<T: Real>(data: &[T], [outer, n, inner]: [usize; 3]) -> Result<Vec<T>> {
    // Without blocks a sum is one addition after another, which is how the kernel takes it.
    if inner > 1
        && n <= BLOCK
        && let Some(sums) = T::sum_in_order(data, [outer, n, inner])?
    {
        return Ok(sums);
    }
    let mut out = vec![T::ZERO; outer * inner];
    if n > 0 && inner > 0 {
        vectorise(|| {
            for (block, total) in data.chunks_exact(n * inner).zip(out.chunks_exact_mut(inner)) {
                if inner == 1 { total[0] = sum_row(block) } else { sum_columns(block, total) }
            }
        });
    }
    Ok(out)
}

#[inline(always)]
fn sum_row<T: Real>(row: &[T]) -> T {
    if row.len() <= LANES {
        // The same additions.
        return row.iter().fold(T::ZERO, |sum, &v| sum + v);
    }
    row.chunks(BLOCK * LANES).fold(T::ZERO, |sum, block| sum + lanes(block, block, |v, _| v))
}

/// `Σⱼ f(aⱼ, bⱼ)` of rows of one length, in independent partial sums.
#[inline(always)]
pub(super) fn lanes<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut sums = [T::ZERO; LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = whole_a.remainder().iter().zip(whole_b.remainder());
    for (a, b) in whole_a.zip(whole_b) {
        for lane in 0..LANES {
            sums[lane] += f(a[lane], b[lane]);
        }
    }
    sums.iter_mut().zip(rest).for_each(|(sum, (&a, &b))| *sum += f(a, b));
    sums.iter().fold(T::ZERO, |total, &sum| total + sum)
}

#[inline(always)]
fn sum_columns<T: Real>(rows: &[T], total: &mut [T]) {
    let inner = total.len();
    if rows.len() <= BLOCK * inner {
        return add_rows(rows, total);
    }
    let mut partial = vec![T::ZERO; inner];
    for block in rows.chunks(BLOCK * inner) {
        partial.fill(T::ZERO);
        add_rows(block, &mut partial);
        add_rows(&partial, total);
    }
}

#[inline(always)]
fn add_rows<T: Real>(rows: &[T], total: &mut [T]) {
    for row in rows.chunks_exact(total.len()) {
        for (sum, &v) in total.iter_mut().zip(row) {
            *sum += v;
        }
    }
}
