//! [`conv`](super::conv) and [`conv_t`](super::conv_t) as sums over taps of a padded image.
//!
//! The adjoint for stride 1 is the same sum with the taps turned round. For stride 2 each parity of row and column of
//! the result is an image by itself, with one, two, two and four of the nine taps: no multiplication by a zero between.
//! Towards few channels the taps become channels of one product (`scatter`).

use std::mem::MaybeUninit;

use super::ConvShape;
use super::correlate::{Correlate, Target, block_width};
use super::planes::Planes;
use super::scatter::{FEW, scatter};
use super::weights::Weights;
use crate::Level;
use crate::memory::{as_uninit, zeroed};

/// Packed weights, and room for a group of padded images.
#[derive(Debug)]
pub(crate) struct Correlation {
    level: Level,
    planes: Planes,
    channels: usize,
    parts: Vec<Part>,
    /// `[height, width, channels]` of an image that comes out of the sums.
    out: [usize; 3],
    /// Products that are yet to be scattered: the convolution's shape, and room for them.
    products: Option<(ConvShape, Vec<f32>)>,
}

/// Every `step`-th pixel of the result, from `(y, x)` on.
#[derive(Debug)]
struct Part {
    y: usize,
    x: usize,
    step: usize,
    taps: Vec<usize>,
    weights: Vec<f32>,
}

impl Correlation {
    /// From the inputs' channels to the outputs'.
    pub(crate) fn conv(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        let planes = Planes::new(shape.group(), (shape.height, shape.width), shape.inputs, shape.stride);
        let weights = Weights { data: w, inputs: shape.inputs, outputs: shape.outputs, adjoint: false };
        let order: Vec<_> = (0..9).collect();
        let taps = order.iter().map(|tap| planes.at(tap / 3, tap % 3)).collect();
        let part = Part { y: 0, x: 0, step: 1, taps, weights: packed(level, &weights, &order) };
        let out = [shape.out_height(), shape.out_width(), shape.outputs];
        Self { level, planes, channels: shape.inputs, parts: vec![part], out, products: None }
    }

    /// From the outputs' channels to the inputs'.
    pub(crate) fn conv_t(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        if shape.inputs <= FEW {
            return Self::products(level, shape, w);
        }
        let planes = Planes::new(shape.group(), (shape.out_height(), shape.out_width()), shape.outputs, 1);
        let weights = Weights { data: w, inputs: shape.inputs, outputs: shape.outputs, adjoint: true };
        let step = shape.stride;
        let parts = (0..step * step).map(|index| {
            let (y, x) = (index / step, index % step);
            let reach = |parity| (0..3).filter_map(move |tap| Some((tap, padded_row(parity, tap, step)?)));
            let pairs = reach(y).flat_map(|(dy, row)| reach(x).map(move |(dx, column)| (dy * 3 + dx, row, column)));
            let order: Vec<_> = pairs.clone().map(|(tap, ..)| tap).collect();
            let taps = pairs.map(|(_, row, column)| planes.at(row, column)).collect();
            Part { y, x, step, taps, weights: packed(level, &weights, &order) }
        });
        let parts = parts.collect();
        let out = [shape.height, shape.width, shape.inputs];
        Self { level, planes, channels: shape.outputs, parts, out, products: None }
    }

    /// From the outputs' channels to all taps of the inputs', to be scattered.
    fn products(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        let planes = Planes::new(shape.group(), (shape.out_height(), shape.out_width()), shape.outputs, 1);
        let out = [shape.out_height(), shape.out_width(), 9 * shape.inputs];
        let weights = Weights { data: w, inputs: 9 * shape.inputs, outputs: shape.outputs, adjoint: true };
        let taps = vec![planes.at(1, 1)];
        let part = Part { y: 0, x: 0, step: 1, taps, weights: packed(level, &weights, &[0]) };
        let products = vec![0.0; shape.group() * out.iter().product::<usize>()];
        Self { level, planes, channels: shape.outputs, parts: vec![part], out, products: Some((*shape, products)) }
    }

    /// Correlates up to a group of images, and writes every element of `out`.
    pub(crate) fn run(&mut self, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        if x.is_empty() || out.is_empty() {
            out.fill(MaybeUninit::new(0.0));
        } else if let Some((shape, mut room)) = self.products.take() {
            let images = out.len() / (shape.height * shape.width * shape.inputs);
            let products = &mut room[..images * self.out.iter().product::<usize>()];
            self.sums(x, as_uninit(products));
            scatter(&shape, products, zeroed(out));
            self.products = Some((shape, room));
        } else {
            self.sums(x, out);
        }
    }

    /// The sums over taps of a group of images.
    fn sums(&mut self, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        let [height, width, outputs] = self.out;
        let images = out.len() / (height * width * outputs);
        self.planes.fill(self.level, x);
        for part in &self.parts {
            let rows = height.saturating_sub(part.y).div_ceil(part.step);
            let columns = width.saturating_sub(part.x).div_ceil(part.step);
            if rows == 0 || columns == 0 {
                continue;
            }
            let first = (part.y * width + part.x) * outputs;
            let row = part.step * width * outputs;
            let target = Target {
                first: &mut out[first..],
                image: height * width * outputs,
                row,
                pixel: part.step * outputs,
                channels: outputs,
            };
            self.level.run(Correlate {
                planes: self.planes.data(),
                image: self.planes.image(),
                block: self.planes.block(),
                row: self.planes.row(),
                channels: self.channels,
                taps: &part.taps,
                weights: &part.weights,
                images,
                height: rows,
                width: columns,
                target,
            });
        }
    }
}

/// The padded row that a tap of the convolution took to row `parity`, if its windows fall there.
///
/// Row `i` of the image that came out had seen row `step · i + tap − 1` of the image that went in, and is padded row
/// `i + 1`. Further rows of the same parity follow one by one.
fn padded_row(parity: usize, tap: usize, step: usize) -> Option<usize> {
    let distance = parity + 1 + step - tap;
    distance.is_multiple_of(step).then_some(distance / step)
}

fn packed(level: Level, weights: &Weights<'_>, taps: &[usize]) -> Vec<f32> {
    let mut packed = Vec::new();
    weights.pack(taps, block_width(level), &mut packed);
    packed
}
