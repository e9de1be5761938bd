//! [`conv_t`](super::conv_t) towards few channels, as towards the pixels of a grey image: one product makes all nine
//! taps' numbers of a pixel, side by side in a vector that the few channels alone would leave almost empty, and each
//! number is then added where its tap had taken the pixel from.

use super::ConvShape;

/// With more input channels than this, the sum over taps in registers is faster.
pub(crate) const FEW: usize = 3;

/// Adds products `[images, out_height, out_width, 9, inputs]` to `out [images, height, width, inputs]`.
pub(super) fn scatter(shape: &ConvShape, products: &[f32], out: &mut [f32]) {
    let [_, height, width, channels] = shape.input();
    let [_, rows, columns, _] = shape.output();
    let images = out.chunks_exact_mut(height * width * channels);
    for (products, out) in products.chunks_exact(rows * columns * 9 * channels).zip(images) {
        for (row, products) in products.chunks_exact(columns * 9 * channels).enumerate() {
            for (dy, dx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
                let y = shape.stride * row + dy;
                if (1..=height).contains(&y) {
                    let line = &mut out[(y - 1) * width * channels..][..width * channels];
                    let products = &products[(dy * 3 + dx) * channels..];
                    match channels {
                        1 => add_line::<1>(products, dx, shape.stride, line),
                        2 => add_line::<2>(products, dx, shape.stride, line),
                        FEW => add_line::<FEW>(products, dx, shape.stride, line),
                        _ => unreachable!("no more than a few channels are scattered"),
                    }
                }
            }
        }
    }
}

/// Adds one tap's products of a line of pixels, the first at padded column `dx`.
fn add_line<const C: usize>(products: &[f32], dx: usize, stride: usize, line: &mut [f32]) {
    // Column 0 is the border: the first pixel that falls into the line is the first or the second.
    let skip = usize::from(dx == 0);
    let start = (stride * skip + dx - 1) * C;
    let Some(line) = line.get_mut(start..) else { return };
    let products = products.get(9 * C * skip..).unwrap_or_default();
    for (to, from) in line.chunks_mut(stride * C).zip(products.chunks(9 * C)) {
        for c in 0..C {
            to[c] += from[c];
        }
    }
}
