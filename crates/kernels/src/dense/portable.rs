//! The product in plain loops: the oracle of the vector form.

use super::{After, Product};

pub(super) fn product(p: &Product<'_>, out: &mut Vec<f32>) {
    let start = out.len();
    let size = p.rows * p.cols;
    if p.sum {
        out.resize(start + size, 0.0);
    }
    for m in 0..p.tasks {
        for (i, j) in (0..p.rows).flat_map(|i| (0..p.cols).map(move |j| (i, j))) {
            let value = element(p, m, i, j);
            match (p.sum, m) {
                (false, _) => out.push(value),
                // The first task starts the sum, so that a single one comes out as it is (0 + −0 would lose its sign).
                (true, 0) => out[start + i * p.cols + j] = value,
                (true, _) => out[start + i * p.cols + j] += value,
            }
        }
    }
}

fn element(p: &Product<'_>, m: usize, i: usize, j: usize) -> f32 {
    let a = |k: usize| p.a.data[m * p.a.task + i * p.a.row + k * p.a.col];
    let b = |k: usize| p.b.data[m * p.b.task + k * p.b.row + j * p.b.col];
    let sum = (0..p.inner).fold(0.0, |sum, k| sum + a(k) * b(k));
    finish(p, m, i, j, sum)
}

/// The epilogue of one element, whose product is `sum`.
#[inline(always)]
pub(super) fn finish(p: &Product<'_>, m: usize, i: usize, j: usize, sum: f32) -> f32 {
    let base = p.base.map_or(0.0, |base| base.data[m * base.task + i * base.row + j]);
    let value = base + p.alpha * sum;
    match p.after {
        After::Keep => value,
        // Written so that a NaN stays one.
        After::Relu if value <= 0.0 => 0.0,
        After::Relu => value,
        After::Mask(mask) if mask[(m * p.rows + i) * p.cols + j] > 0.0 => value,
        After::Mask(_) => 0.0,
    }
}
