//! Images copied into padded planes: sixteen channels side by side, so that the next pixel is a constant number of
//! bytes away whatever the number of channels, and a tile's pixels need one register for all their addresses.
//!
//! A group of images is `[images, channel blocks, planes, rows, columns, 16]`. For stride 1 there is one plane, the
//! image with a border of zeros. For stride 2 there are four, by the parity of row and column: then neighbours in the
//! image that comes out are neighbours in a plane, as for stride 1.

use crate::Level;
use crate::level::Kernel;
use crate::simd::Simd;

/// Channels side by side.
pub(crate) const BLOCK: usize = 16;

/// A buffer of padded planes, and where things stand in it.
#[derive(Debug)]
pub(crate) struct Planes {
    height: usize,
    width: usize,
    channels: usize,
    stride: usize,
    rows: usize,
    columns: usize,
    data: Vec<f32>,
}

impl Planes {
    /// Planes for up to `images` images, read with a stride.
    pub(super) fn new(images: usize, (height, width): (usize, usize), channels: usize, stride: usize) -> Self {
        let (rows, columns) = ((height + 2).div_ceil(stride), (width + 2).div_ceil(stride));
        let mut planes = Self { height, width, channels, stride, rows, columns, data: Vec::new() };
        // The border is never written again.
        planes.data = vec![0.0; images * planes.image()];
        planes
    }

    /// The size of a side with its border; `None` where it overflows.
    pub(crate) fn padded(side: usize) -> Option<usize> {
        side.checked_add(2)?.checked_next_multiple_of(2)
    }

    /// Numbers from one row to the next.
    pub(super) fn row(&self) -> usize {
        self.columns * BLOCK
    }

    /// Numbers from one block of channels to the next.
    pub(super) fn block(&self) -> usize {
        self.stride * self.stride * self.rows * self.row()
    }

    /// Numbers from one image to the next.
    pub(super) fn image(&self) -> usize {
        self.channels.div_ceil(BLOCK) * self.block()
    }

    /// All planes.
    pub(super) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Where the padded pixel `(y, x)` stands in its block of channels.
    pub(super) fn at(&self, y: usize, x: usize) -> usize {
        let plane = y % self.stride * self.stride + x % self.stride;
        ((plane * self.rows + y / self.stride) * self.columns + x / self.stride) * BLOCK
    }

    /// Copies as many images as `x` has.
    pub(super) fn fill(&mut self, level: Level, x: &[f32]) {
        level.run(Fill { planes: self, x });
    }
}

/// A copy: the same plain loop for every level, compiled with its widest moves.
struct Fill<'a> {
    planes: &'a mut Planes,
    x: &'a [f32],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn portable(self) {
        let Planes { height, width, channels, stride, .. } = *self.planes;
        for (index, pixels) in self.x.chunks_exact(width * channels).enumerate() {
            let (n, y) = (index / height, index % height);
            // Columns 1, 3, … and 2, 4, … of the padded row stand in different planes.
            for phase in 0..stride.min(width) {
                let start = n * self.planes.image() + self.planes.at(y + 1, phase + 1);
                for first in (0..channels).step_by(BLOCK) {
                    let block = start + first / BLOCK * self.planes.block();
                    let (from, to) = (&pixels[phase * channels + first..], &mut self.planes.data[block..]);
                    let step = stride * channels;
                    match channels - first {
                        1 => copy::<1>(from, step, to),
                        2..BLOCK => copy_first(channels - first, from, step, to),
                        _ => copy::<BLOCK>(from, step, to),
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, _: S) {
        self.portable();
    }
}

/// `N` channels of every pixel, which begin every `step` numbers.
#[inline(always)]
fn copy<const N: usize>(from: &[f32], step: usize, to: &mut [f32]) {
    for (from, to) in from.chunks(step).zip(to.chunks_mut(BLOCK)) {
        to[..N].copy_from_slice(&from[..N]);
    }
}

/// As [`copy`], for a number of channels that is not known beforehand.
#[inline(always)]
fn copy_first(n: usize, from: &[f32], step: usize, to: &mut [f32]) {
    for (from, to) in from.chunks(step).zip(to.chunks_mut(BLOCK)) {
        to.iter_mut().zip(&from[..n]).for_each(|(to, x)| *to = *x);
    }
}
