//! Images copied into padded planes: sixteen channels side by side, so that the next pixel is a constant number of
//! bytes away whatever the number of channels, and a tile's pixels need one register for all their addresses.
//!
//! A group of images is `[images, channel blocks, planes, rows, columns, 16]`. For stride 1 there is one plane, the
//! image with a border of zeros. For stride 2 there are four, by the parity of row and column: then neighbours in the
//! image that comes out are neighbours in a plane, as for stride 1.

/// Channels side by side.
pub(crate) const BLOCK: usize = 16;

/// A buffer of padded planes, and where things stand in it.
#[derive(Debug)]
pub(super) struct Planes {
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
    pub(super) fn padded(side: usize) -> Option<usize> {
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
    pub(super) fn fill(&mut self, x: &[f32]) {
        let (image, block, stride) = (self.image(), self.block(), self.stride);
        let (channels, line) = (self.channels, self.width * self.channels);
        for (index, pixels) in x.chunks_exact(line).enumerate() {
            let (n, y) = (index / self.height, index % self.height);
            // Columns 1, 3, … and 2, 4, … of the padded row stand in different planes.
            for phase in 0..stride.min(self.width) {
                let start = n * image + self.at(y + 1, phase + 1);
                for first in (0..channels).step_by(BLOCK) {
                    let to = &mut self.data[start + first / BLOCK * block..];
                    let from = &pixels[phase * channels + first..];
                    match channels - first {
                        1 => copy::<1>(from, stride * channels, to),
                        2..BLOCK => from.chunks(stride * channels).zip(to.chunks_mut(BLOCK)).for_each(|(from, to)| {
                            to.iter_mut().zip(&from[..channels - first]).for_each(|(to, x)| *to = *x);
                        }),
                        _ => copy::<BLOCK>(from, stride * channels, to),
                    }
                }
            }
        }
    }
}

/// `N` channels of every pixel, which begin every `step` numbers.
fn copy<const N: usize>(from: &[f32], step: usize, to: &mut [f32]) {
    for (from, to) in from.chunks(step).zip(to.chunks_mut(BLOCK)) {
        to[..N].copy_from_slice(&from[..N]);
    }
}
