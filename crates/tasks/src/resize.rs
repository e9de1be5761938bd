//! Resizing by exact area average, in whole numbers.
//!
//! ```text
//! out[t] = Σ_s v[s]·|s ∩ t| / |t|,   s, t: source and target pixels as squares of the same sheet
//! ```
//! Both grids are laid over a finer one that divides both, so the overlaps are integers and every machine rounds
//! alike. Shrinking averages without aliasing; enlarging repeats pixels.

/// An image of bytes, `[height, width, channels]` row-major.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) pixels: Vec<u8>,
}

/// Resizes to `[height, width, channels]`; halves are rounded up.
pub(crate) fn area_average(image: &Bytes, height: usize, width: usize) -> Vec<u8> {
    let (rows, columns) = (Overlaps::new(image.height, height), Overlaps::new(image.width, width));
    let area = rows.target * columns.target;
    let row_len = image.width * image.channels;
    let mut out = Vec::with_capacity(height * width * image.channels);
    for row in 0..height {
        let mut sums = vec![0u64; row_len];
        for (source, weight) in rows.of(row) {
            let pixels = &image.pixels[source * row_len..][..row_len];
            sums.iter_mut().zip(pixels).for_each(|(sum, &v)| *sum += weight * u64::from(v));
        }
        for column in 0..width {
            for channel in 0..image.channels {
                let sum: u64 =
                    columns.of(column).map(|(source, weight)| weight * sums[source * image.channels + channel]).sum();
                // An average of bytes is a byte.
                out.push(((sum + area / 2) / area) as u8);
            }
        }
    }
    out
}

/// Source and target pixels of one axis, in units of the finer grid.
struct Overlaps {
    source: u64,
    target: u64,
}

impl Overlaps {
    fn new(n_source: usize, n_target: usize) -> Self {
        let (n_source, n_target) = (n_source as u64, n_target as u64);
        let divisor = gcd(n_source, n_target);
        Self { source: n_target / divisor, target: n_source / divisor }
    }

    /// The source pixels that target pixel `index` covers, each with the units that it covers of it.
    fn of(&self, index: usize) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (from, to, unit) = (index as u64 * self.target, (index as u64 + 1) * self.target, self.source);
        (from / unit..to.div_ceil(unit)).map(move |s| (s as usize, to.min((s + 1) * unit) - from.max(s * unit)))
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the plain definition: enlarge both axes to the common grid, then average blocks, in f64.
    #[test]
    fn equals_enlarging_and_block_averaging() {
        for (height, width, h, w, channels) in
            [(105, 105, 28, 28, 1), (5, 7, 3, 2, 3), (3, 4, 6, 5, 2), (4, 4, 4, 4, 1)]
        {
            let pixels: Vec<u8> = (0..height * width * channels).map(|i| (i * 7919 % 251) as u8).collect();
            let out = area_average(&Bytes { height, width, channels, pixels: pixels.clone() }, h, w);
            for (i, v) in out.iter().enumerate() {
                let (row, column, channel) = (i / channels / w, i / channels % w, i % channels);
                // On the grid of height·h by width·w cells, a target pixel is a block of height × width cells.
                let cells = (0..height * width).map(|cell| {
                    let (y, x) = ((row * height + cell / width) / h, (column * width + cell % width) / w);
                    f64::from(pixels[(y * width + x) * channels + channel])
                });
                let mean = cells.sum::<f64>() / (height * width) as f64;
                assert!((f64::from(*v) - mean).abs() <= 0.5 + 1e-9, "{v} is not {mean} rounded");
            }
        }
    }
}
