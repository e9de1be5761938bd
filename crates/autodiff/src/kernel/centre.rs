//! Columns about their means, the two maps that batch normalisation consists of, and their combination with 2×2 max
//! pooling. For `[M, …, C]` a column is a task's channel.

use candle_core::{D, Tensor as Value};
use rekindle_kernels::Level;
use rekindle_kernels::centred::{self, Pooled};

use super::pool::{pool_put, pool_take};
use super::view::{Direct, direct, slice, tensor};
use crate::Result;
use crate::ops::ConvGeometry;

/// `k (a − ā)` of `k [M, C]` and `a [M, …, C]`.
pub(crate) fn scale_centred(k: &Value, a: &Value) -> Result<Value> {
    if !matches!(direct(&[k, a]), Direct::F32) || a.elem_count() == 0 {
        return Ok(centre(a)?.broadcast_mul(&along_last(k, a)?)?);
    }
    let (k, a) = (k.contiguous()?, a.contiguous()?);
    slice!(ks: f32 = k);
    slice!(data: f32 = a);
    let (m, c) = k.dims2()?;
    let mut out = Vec::with_capacity(data.len());
    for (k, a) in ks.chunks_exact(c).zip(data.chunks_exact(data.len() / m)) {
        centred::scale(Level::current(), k, a, &mut out)?;
    }
    tensor(out, a.shape())
}

/// `Σ (a − ā)(b − b̄)` of each column, `[M, C]`.
pub(crate) fn covariance(a: &Value, b: &Value) -> Result<Value> {
    if !matches!(direct(&[a, b]), Direct::F32) || a.elem_count() == 0 {
        let middle: Vec<usize> = (1..a.rank() - 1).collect();
        return Ok((centre(a)? * centre(b)?)?.sum(middle)?);
    }
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    slice!(left: f32 = a);
    slice!(right: f32 = b);
    let (m, c) = (a.dim(0)?, a.dim(D::Minus1)?);
    let mut out = Vec::with_capacity(m * c);
    for (a, b) in left.chunks_exact(left.len() / m).zip(right.chunks_exact(left.len() / m)) {
        centred::covariance(Level::current(), c, a, b, &mut out)?;
    }
    tensor(out, (m, c))
}

/// Where the windows of a 2×2 max pooling had their largest elements, for images `[M, B, H, W, C]` that are not empty.
#[derive(Clone, Debug)]
pub(crate) struct Winners {
    /// 0 to 3 in row-major order, `[M, B, H', W', C]`.
    pub(crate) winner: Value,
    pub(crate) geometry: ConvGeometry,
}

impl Winners {
    /// One task's sizes, and how many elements it has before and after pooling.
    fn shape(&self) -> Result<(Pooled, usize, usize)> {
        let (_, images, rows, columns, channels) = self.winner.dims5()?;
        let (height, width) = self.geometry.image;
        let shape = Pooled { images, height, width, channels };
        Ok((shape, images * height * width * channels, images * rows * columns * channels))
    }
}

/// The winners of [`scale_centred`]: `[M, B, H, W, C]` to `[M, B, H', W', C]`.
pub(crate) fn take_centred(k: &Value, y: &Value, at: &Winners) -> Result<Value> {
    if !matches!(direct(&[k, y]), Direct::F32) {
        return pool_take(&scale_centred(k, y)?, &at.winner, at.geometry);
    }
    let (k, y) = (k.contiguous()?, y.contiguous()?);
    slice!(ks: f32 = k);
    slice!(ys: f32 = y);
    slice!(winners: u8 = at.winner);
    let (shape, whole, pooled) = at.shape()?;
    let mut out = Vec::with_capacity(winners.len());
    for ((k, y), places) in
        ks.chunks_exact(shape.channels).zip(ys.chunks_exact(whole)).zip(winners.chunks_exact(pooled))
    {
        centred::take(Level::current(), &shape, k, y, places, &mut out)?;
    }
    tensor(out, at.winner.shape())
}

/// [`scale_centred`] of values put where the winners stood, among zeros: `[M, B, H', W', C]` to `[M, B, H, W, C]`.
pub(crate) fn put_centred(k: &Value, v: &Value, at: &Winners) -> Result<Value> {
    if !matches!(direct(&[k, v]), Direct::F32) {
        return scale_centred(k, &pool_put(v, &at.winner, at.geometry)?);
    }
    let (k, v) = (k.contiguous()?, v.contiguous()?);
    slice!(ks: f32 = k);
    slice!(vs: f32 = v);
    slice!(winners: u8 = at.winner);
    let (shape, whole, pooled) = at.shape()?;
    let tasks = ks.len() / shape.channels;
    let mut out = Vec::with_capacity(tasks * whole);
    for ((k, v), places) in
        ks.chunks_exact(shape.channels).zip(vs.chunks_exact(pooled)).zip(winners.chunks_exact(pooled))
    {
        centred::put(Level::current(), &shape, k, v, places, &mut out)?;
    }
    tensor(out, (tasks, shape.images, shape.height, shape.width, shape.channels))
}

/// [`covariance`] of values put where the winners stood, among zeros, with `y [M, B, H, W, C]`.
pub(crate) fn covariance_put(v: &Value, y: &Value, at: &Winners) -> Result<Value> {
    if !matches!(direct(&[v, y]), Direct::F32) {
        return covariance(&pool_put(v, &at.winner, at.geometry)?, y);
    }
    let (v, y) = (v.contiguous()?, y.contiguous()?);
    slice!(vs: f32 = v);
    slice!(ys: f32 = y);
    slice!(winners: u8 = at.winner);
    let (shape, whole, pooled) = at.shape()?;
    let mut out = Vec::new();
    for ((v, y), places) in vs.chunks_exact(pooled).zip(ys.chunks_exact(whole)).zip(winners.chunks_exact(pooled)) {
        centred::covariance_put(Level::current(), &shape, v, y, places, &mut out)?;
    }
    let tasks = out.len() / shape.channels;
    tensor(out, (tasks, shape.channels))
}

/// `a − ā` in stock operations.
fn centre(a: &Value) -> Result<Value> {
    let middle: Vec<usize> = (1..a.rank() - 1).collect();
    Ok(a.broadcast_sub(&a.mean_keepdim(middle)?)?)
}

/// `[M, C]` as `[M, 1, …, 1, C]`.
fn along_last(k: &Value, like: &Value) -> Result<Value> {
    let mut dims = vec![1; like.rank()];
    (dims[0], dims[like.rank() - 1]) = k.dims2()?;
    Ok(k.reshape(dims)?)
}
