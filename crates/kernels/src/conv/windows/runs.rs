//! Where the numbers of a window stand in its image: in one run for each of its three rows.

use crate::conv::ConvShape;
use crate::level::Kernel;
use crate::simd::Simd;

/// Copies images into their windows, with zeros where a window reaches beyond its image.
pub(super) struct Copy<'a> {
    pub(super) shape: &'a ConvShape,
    pub(super) images: &'a [f32],
    pub(super) windows: &'a mut [f32],
}

/// Adds windows to the images that they show.
pub(super) struct Add<'a> {
    pub(super) shape: &'a ConvShape,
    pub(super) windows: &'a [f32],
    pub(super) images: &'a mut [f32],
}

/// Numbers in all windows of an image.
pub(super) fn len(shape: &ConvShape) -> usize {
    shape.out_height() * shape.out_width() * 9 * shape.inputs
}

/// The part of a window's row that lies in the image: where it begins in the row and in the image, and its length. The
/// length is 0 where the whole row lies in the border.
#[inline(always)]
fn run(shape: &ConvShape, y: usize, x: usize, dy: usize) -> (usize, usize, usize) {
    // Row and column 0 are the border.
    let (row, left) = (shape.stride * y + dy, shape.stride * x);
    if row == 0 || row > shape.height {
        return (0, 0, 0);
    }
    let (from, to) = (left.max(1), (left + 3).min(shape.width + 1));
    let image = (row - 1) * shape.width + from - 1;
    ((from - left) * shape.inputs, image * shape.inputs, (to - from) * shape.inputs)
}

impl Kernel for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn portable(self) {
        let Self { shape, images, windows } = self;
        let images = images.chunks_exact(shape.height * shape.width * shape.inputs);
        for (image, windows) in images.zip(windows.chunks_exact_mut(len(shape))) {
            for (index, row) in windows.chunks_exact_mut(3 * shape.inputs).enumerate() {
                let (pixel, dy) = (index / 3, index % 3);
                let (start, from, len) = run(shape, pixel / shape.out_width(), pixel % shape.out_width(), dy);
                row[..start].fill(0.0);
                row[start..start + len].copy_from_slice(&image[from..from + len]);
                row[start + len..].fill(0.0);
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, _: S) {
        self.portable();
    }
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn portable(self) {
        let Self { shape, windows, images } = self;
        let images = images.chunks_exact_mut(shape.height * shape.width * shape.inputs);
        for (image, windows) in images.zip(windows.chunks_exact(len(shape))) {
            for (index, row) in windows.chunks_exact(3 * shape.inputs).enumerate() {
                let (pixel, dy) = (index / 3, index % 3);
                let (start, to, len) = run(shape, pixel / shape.out_width(), pixel % shape.out_width(), dy);
                let image = &mut image[to..to + len];
                for (to, from) in image.iter_mut().zip(&row[start..start + len]) {
                    *to += from;
                }
            }
        }
    }

    #[inline(always)]
    fn simd<S: Simd>(self, _: S) {
        self.portable();
    }
}
