//! Columns about their means, the two maps that batch normalisation consists of, and their combination with 2×2 max
//! pooling, where what is not pooled is never written.
//!
//! For `[M, …, C]` a column is a task's channel; means are merged in `f64` over blocks of rows.

use candle_core::{D, Tensor as Value, WithDType};

use super::pool::{pool_put, pool_take};
use super::view::{Real, dispatch, slice, tensor, vectorise};
use crate::Result;
use crate::ops::ConvGeometry;

/// Rows whose sums are taken before they are added up in `f64`.
const BLOCK: usize = 256;

/// `k (a − ā)` of `k [M, C]` and `a [M, …, C]`.
pub(crate) fn scale_centred(k: &Value, a: &Value) -> Result<Value> {
    if a.elem_count() == 0 {
        return Ok(a.zeros_like()?);
    }
    dispatch!([k, a], T => {
        let (k, a) = (k.contiguous()?, a.contiguous()?);
        slice!(ks: T = k);
        slice!(data: T = a);
        let (m, c) = k.dims2()?;
        let mut out = Vec::with_capacity(data.len());
        for (a, k) in data.chunks_exact((data.len() / m).max(1)).zip(ks.chunks_exact(c)) {
            let mean = means(a, c);
            vectorise(|| {
                for row in a.chunks_exact(c) {
                    out.extend(row.iter().zip(&mean).zip(k).map(|((&a, &mean), &k)| (a - mean) * k));
                }
            });
        }
        tensor(out, a.shape())
    }, Ok(centred(a)?.broadcast_mul(&along_last(k, a)?)?))
}

/// `Σ (a − ā)(b − b̄)` of each column, `[M, C]`.
pub(crate) fn covariance(a: &Value, b: &Value) -> Result<Value> {
    if a.elem_count() == 0 {
        return Ok(Value::zeros((a.dim(0)?, a.dim(D::Minus1)?), a.dtype(), a.device())?);
    }
    dispatch!([a, b], T => {
        let (a, b) = (a.contiguous()?, b.contiguous()?);
        slice!(left: T = a);
        slice!(right: T = b);
        let (m, c) = (a.dim(0)?, a.dim(D::Minus1)?);
        let task = (left.len() / m).max(1);
        let mut out = Vec::with_capacity(m * c);
        for (a, b) in left.chunks_exact(task).zip(right.chunks_exact(task)) {
            let (a_mean, b_mean) = (means(a, c), means(b, c));
            let blocks = a.chunks(BLOCK * c).zip(b.chunks(BLOCK * c));
            out.extend(totals(c, blocks, |(a, b), sums: &mut [T]| {
                for (a, b) in a.chunks_exact(c).zip(b.chunks_exact(c)) {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum += (a[j] - a_mean[j]) * (b[j] - b_mean[j]);
                    }
                }
            }).into_iter().map(T::from_f64));
        }
        tensor(out, (m, c))
    }, {
        let products = (centred(a)? * centred(b)?)?;
        let middle: Vec<usize> = (1..a.rank() - 1).collect();
        Ok(products.sum(middle)?)
    })
}

/// Where a window of two by two pixels had its largest element, for images `[M, B, H, W, C]`.
#[derive(Clone, Debug)]
pub(crate) struct Winners {
    /// 0 to 3 in row-major order, `[M, B, H', W', C]`.
    pub(crate) winner: Value,
    pub(crate) geometry: ConvGeometry,
}

/// The winners of [`scale_centred`]: `[M, B, H, W, C]` to `[M, B, H', W', C]`.
pub(crate) fn take_centred(k: &Value, y: &Value, at: &Winners) -> Result<Value> {
    dispatch!([k, y], T => {
        let (k, y) = (k.contiguous()?, y.contiguous()?);
        slice!(ks: T = k);
        slice!(ys: T = y);
        slice!(winners: u8 = at.winner);
        let (m, c) = k.dims2()?;
        let (task, pooled) = (ys.len() / m, winners.len() / m);
        let mut out = Vec::with_capacity(winners.len());
        for (t, k) in ks.chunks_exact(c).enumerate() {
            let y = &ys[t * task..][..task];
            let mean = means(y, c);
            vectorise(|| for_windows(y, &winners[t * pooled..][..pooled], c, at.geometry, |window, winner| {
                out.extend((0..c).map(|j| (chosen(&window, winner, j) - mean[j]) * k[j]));
            }));
        }
        tensor(out, at.winner.shape())
    }, pool_take(&scale_centred(k, y)?, &at.winner, at.geometry))
}

/// [`scale_centred`] of values put where the winners stood, among zeros: `[M, B, H', W', C]` to `[M, B, H, W, C]`.
pub(crate) fn put_centred(k: &Value, v: &Value, at: &Winners) -> Result<Value> {
    dispatch!([k, v], T => {
        let (k, v) = (k.contiguous()?, v.contiguous()?);
        slice!(ks: T = k);
        slice!(vs: T = v);
        slice!(winners: u8 = at.winner);
        let ((m, b, _, _, c), (h, w)) = (v.dims5()?, at.geometry.image);
        let pooled = vs.len() / m;
        let mut out = Vec::with_capacity(m * b * h * w * c);
        for (t, k) in ks.chunks_exact(c).enumerate() {
            let (v, winners) = (&vs[t * pooled..][..pooled], &winners[t * pooled..][..pooled]);
            let sums = totals(c, v.chunks(BLOCK * c), add_rows);
            let zero: Vec<T> = sums.iter().zip(k).map(|(sum, &k)| T::from_f64(-sum / (b * h * w) as f64) * k).collect();
            vectorise(|| spread(v, winners, (k, &zero), (b, at.geometry), &mut out));
        }
        tensor(out, (m, b, h, w, c))
    }, scale_centred(k, &pool_put(v, &at.winner, at.geometry)?))
}

/// [`covariance`] of values put where the winners stood, among zeros, with `y [M, B, H, W, C]`.
pub(crate) fn covariance_put(v: &Value, y: &Value, at: &Winners) -> Result<Value> {
    dispatch!([v, y], T => {
        let (v, y) = (v.contiguous()?, y.contiguous()?);
        slice!(vs: T = v);
        slice!(ys: T = y);
        slice!(winners: u8 = at.winner);
        let (m, c) = (v.dim(0)?, v.dim(D::Minus1)?);
        let (task, pooled) = (ys.len() / m, winners.len() / m);
        let mut out = Vec::with_capacity(m * c);
        for t in 0..m {
            let y = &ys[t * task..][..task];
            let mean = means(y, c);
            let mut rows = vs[t * pooled..][..pooled].chunks_exact(c);
            let (mut sums, mut all, mut seen) = (vec![T::ZERO; c], vec![0f64; c], 0);
            vectorise(|| for_windows(y, &winners[t * pooled..][..pooled], c, at.geometry, |window, winner| {
                let v = rows.next().expect("a row for each window");
                for (j, (sum, &v)) in sums.iter_mut().zip(v).enumerate() {
                    *sum += v * (chosen(&window, winner, j) - mean[j]);
                }
                seen += 1;
                if seen % BLOCK == 0 {
                    flush(&mut sums, &mut all);
                }
            }));
            flush(&mut sums, &mut all);
            out.extend(all.into_iter().map(T::from_f64));
        }
        tensor(out, (m, c))
    }, covariance(&pool_put(v, &at.winner, at.geometry)?, y))
}

/// The mean of each column of `[rows, c]`.
fn means<T: Real>(xs: &[T], c: usize) -> Vec<T> {
    let n = (xs.len() / c).max(1) as f64;
    totals(c, xs.chunks(BLOCK * c), add_rows).into_iter().map(|sum| T::from_f64(sum / n)).collect()
}

#[inline(always)]
fn add_rows<T: Real>(rows: &[T], sums: &mut [T]) {
    for row in rows.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
    }
}

/// Sums of columns: `add` adds each block to sums of its own.
fn totals<T: Real, B>(c: usize, blocks: impl Iterator<Item = B>, add: impl Fn(B, &mut [T])) -> Vec<f64> {
    let (mut sums, mut all) = (vec![T::ZERO; c], vec![0f64; c]);
    for block in blocks {
        vectorise(|| add(block, &mut sums));
        flush(&mut sums, &mut all);
    }
    all
}

/// Adds sums to the total, and starts them again.
fn flush<T: Real>(sums: &mut [T], all: &mut [f64]) {
    for (sum, all) in sums.iter_mut().zip(all) {
        *all += std::mem::replace(sum, T::ZERO).to_f64();
    }
}

/// Calls `f` with the four pixels and the winners of each window of one task.
#[inline(always)]
fn for_windows<'a, T>(
    y: &'a [T],
    winners: &'a [u8],
    c: usize,
    g: ConvGeometry,
    mut f: impl FnMut([&'a [T]; 4], &'a [u8]),
) {
    let ((h, w), (oh, ow)) = (g.image, g.output());
    for (image, winners) in y.chunks_exact(h * w * c).zip(winners.chunks_exact(oh * ow * c)) {
        for (index, winner) in winners.chunks_exact(c).enumerate() {
            let pixel = (2 * (index / ow) * w + 2 * (index % ow)) * c;
            f([0, c, w * c, (w + 1) * c].map(|at| &image[pixel + at..][..c]), winner);
        }
    }
}

#[inline(always)]
fn chosen<T: Real>(window: &[&[T]; 4], winner: &[u8], j: usize) -> T {
    let upper = if winner[j] == 0 { window[0][j] } else { window[1][j] };
    let lower = if winner[j] == 2 { window[2][j] } else { window[3][j] };
    if winner[j] < 2 { upper } else { lower }
}

/// Appends one task's images: `k v` on top of `zero` where a value's winner stood, `zero` elsewhere.
#[inline(always)]
fn spread<T: Real>(
    v: &[T],
    winners: &[u8],
    (k, zero): (&[T], &[T]),
    (images, g): (usize, ConvGeometry),
    out: &mut Vec<T>,
) {
    let (c, (h, w), (oh, ow)) = (k.len(), g.image, g.output());
    for (image, y) in (0..images).flat_map(|image| (0..h).map(move |y| (image, y))) {
        for x in 0..w {
            if y / 2 >= oh || x / 2 >= ow {
                out.extend_from_slice(zero);
                continue;
            }
            let window = ((image * oh + y / 2) * ow + x / 2) * c;
            let (v, winner, place) = (&v[window..][..c], &winners[window..][..c], (y % 2 * 2 + x % 2) as u8);
            out.extend((0..c).map(|j| if winner[j] == place { v[j] * k[j] + zero[j] } else { zero[j] }));
        }
    }
}

/// `a − ā` in stock operations.
fn centred(a: &Value) -> Result<Value> {
    let middle: Vec<usize> = (1..a.rank() - 1).collect();
    Ok(a.broadcast_sub(&a.mean_keepdim(middle)?)?)
}

/// `[M, C]` as `[M, 1, …, 1, C]`.
fn along_last(k: &Value, like: &Value) -> Result<Value> {
    let mut dims = vec![1; like.rank()];
    (dims[0], dims[like.rank() - 1]) = k.dims2()?;
    Ok(k.reshape(dims)?)
}
