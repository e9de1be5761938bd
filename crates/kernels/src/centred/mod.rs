//! Columns about their means, the two bilinear maps that batch normalisation consists of, and their combination with 2×2
//! max pooling, where what is not pooled is never written. They close under differentiation:
//!
//! | map | value | derivatives for upstream u |
//! |---|---|---|
//! | [`scale`] | `k (a − ā)` | `covariance(u, a)`, `scale(k, u)` |
//! | [`covariance`] | `Σ (a − ā)(b − b̄)` | `scale(u, b)`, `scale(u, a)` |
//! | [`take`] | the winners of `scale(k, y)` | `covariance_put(u, y)`, `put(k, u)` |
//! | [`put`] | `scale(k, v among zeros)` | `covariance_put(v, u)`, `take(k, u)` |
//! | [`covariance_put`] | `covariance(v among zeros, y)` | `take(u, y)`, `put(u, v)` |
//!
//! A call is one task: `a` and `b` are `[rows, channels]`, `y` is `[images, height, width, channels]`, and `v` has a row for
//! each window of 2×2 pixels. Sums run in `f32` over a few rows, and in `f64` from there.

mod sums;
mod windows;

use crate::error::check_len;
use crate::level::Kernel;
use crate::simd::Simd;
use crate::{Error, Level, Result};
use sums::{means, products, sums};
use windows::{Products, Put, Take};

/// The sizes of images that are pooled by windows of 2×2 pixels; an odd last row or column is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooled {
    /// How many images.
    pub images: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels, the columns of the maps above.
    pub channels: usize,
}

impl Pooled {
    fn whole(&self) -> [usize; 4] {
        [self.images, self.height, self.width, self.channels]
    }

    fn pooled(&self) -> [usize; 4] {
        [self.images, self.height / 2, self.width / 2, self.channels]
    }

    /// Checks the lengths of what there is of images, of pooled numbers and of numbers for each channel.
    fn check(
        &self,
        kernel: &'static str,
        whole: Option<&[f32]>,
        pooled: Option<&[f32]>,
        places: &[u8],
        k: Option<&[f32]>,
    ) -> Result<()> {
        whole.map_or(Ok(()), |y| check_len(kernel, "y", y.len(), &self.whole()))?;
        pooled.map_or(Ok(()), |v| check_len(kernel, "v", v.len(), &self.pooled()))?;
        k.map_or(Ok(()), |k| check_len(kernel, "k", k.len(), &[self.channels]))?;
        check_len(kernel, "places", places.len(), &self.pooled())?;
        let bytes = self.whole().iter().try_fold(size_of::<f32>(), |n, &size| n.checked_mul(size));
        if bytes.is_some_and(|n| isize::try_from(n).is_ok()) {
            return Ok(());
        }
        Err(Error::shape(kernel, format!("{self:?} is too large")))
    }
}

/// Appends `k (a − ā)` of `k [channels]` and `a [rows, channels]`.
///
/// # Errors
/// If `a` is not whole rows.
pub fn scale(level: Level, k: &[f32], a: &[f32], out: &mut Vec<f32>) -> Result<()> {
    rows("scale", a, k.len())?;
    let mean = means(level, a, k.len());
    level.run(Scale { k, mean: &mean, a, out });
    Ok(())
}

/// Appends `Σ (a − ā)(b − b̄)` of each column of `[rows, channels]`.
///
/// # Errors
/// If `a` is not whole rows, or `b` does not have as many.
pub fn covariance(level: Level, channels: usize, a: &[f32], b: &[f32], out: &mut Vec<f32>) -> Result<()> {
    rows("covariance", a, channels)?;
    check_len("covariance", "b", b.len(), &[a.len()])?;
    let a_mean = means(level, a, channels);
    let b_mean = if std::ptr::eq(a, b) { a_mean.clone() } else { means(level, b, channels) };
    out.extend(products(level, [a, b], [&a_mean, &b_mean]).into_iter().map(|sum| sum as f32));
    Ok(())
}

/// Appends `k (y − ȳ)` of the pixel at each window's place, 0 to 3 in row-major order.
///
/// # Errors
/// If a slice does not have the length that the shape says.
pub fn take(level: Level, shape: &Pooled, k: &[f32], y: &[f32], places: &[u8], out: &mut Vec<f32>) -> Result<()> {
    shape.check("take", Some(y), None, places, Some(k))?;
    let mean = means(level, y, shape.channels);
    level.run(Take { shape, k, mean: &mean, y, places, out });
    Ok(())
}

/// Appends `k (z − z̄)` of images `z` that have the window's `v` at its place, and zeros elsewhere.
///
/// # Errors
/// If a slice does not have the length that the shape says.
pub fn put(level: Level, shape: &Pooled, k: &[f32], v: &[f32], places: &[u8], out: &mut Vec<f32>) -> Result<()> {
    shape.check("put", None, Some(v), places, Some(k))?;
    let pixels = (shape.images * shape.height * shape.width).max(1) as f64;
    let sums = sums(level, v, shape.channels).into_iter();
    let zero: Vec<f32> = sums.zip(k).map(|(sum, &k)| (-sum / pixels) as f32 * k).collect();
    level.run(Put { shape, k, zero: &zero, v, places, out });
    Ok(())
}

/// Appends `Σ (z − z̄)(y − ȳ)` of each channel for images `z` that have the window's `v` at its place, and zeros elsewhere.
///
/// # Errors
/// If a slice does not have the length that the shape says.
pub fn covariance_put(
    level: Level,
    shape: &Pooled,
    v: &[f32],
    y: &[f32],
    places: &[u8],
    out: &mut Vec<f32>,
) -> Result<()> {
    shape.check("covariance_put", Some(y), Some(v), places, None)?;
    let mean = means(level, y, shape.channels);
    let mut all = vec![0f64; shape.channels];
    let mut sums = vec![0f32; shape.channels];
    let [whole, pooled] = [shape.whole(), shape.pooled()].map(|sizes| sizes[1..].iter().product::<usize>().max(1));
    let images = y.chunks_exact(whole).zip(v.chunks_exact(pooled).zip(places.chunks_exact(pooled)));
    for (y, (v, places)) in images {
        level.run(Products { shape, mean: &mean, y, v, places, sums: &mut sums });
        all.iter_mut().zip(&sums).for_each(|(all, &sum)| *all += f64::from(sum));
    }
    out.extend(all.into_iter().map(|sum| sum as f32));
    Ok(())
}

fn rows(kernel: &'static str, a: &[f32], channels: usize) -> Result<()> {
    check_len(kernel, "a", a.len(), &[a.len().checked_div(channels).unwrap_or(0), channels])
}

/// `k (a − mean)` of every row: memory sets the pace.
struct Scale<'a> {
    k: &'a [f32],
    mean: &'a [f32],
    a: &'a [f32],
    out: &'a mut Vec<f32>,
}

impl Kernel for Scale<'_> {
    type Output = ();

    fn portable(self) {
        for row in self.a.chunks_exact(self.k.len().max(1)) {
            self.out.extend(row.iter().zip(self.mean).zip(self.k).map(|((a, mean), k)| k * (a - mean)));
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, simd: S) {
        windows::scale_rows(simd, self.k, self.mean, self.a, self.out);
    }
}
