//! [`conv_w`](super::conv_w), a group of images at a time.

use super::ConvShape;
use super::correlate::block_width;
use super::planes::Planes;
use super::weight_sum::WeightSum;
use crate::Level;

/// Room for a group of both kinds of images.
#[derive(Debug)]
pub(crate) struct WeightGrad {
    level: Level,
    shape: ConvShape,
    planes: Planes,
    taps: [usize; 9],
    /// Where the channels do not fill vectors: the seeds with zeros behind the last channel.
    seeds: Vec<f32>,
}

impl WeightGrad {
    pub(crate) fn new(level: Level, shape: &ConvShape) -> Self {
        let planes = Planes::new(shape.group(), (shape.height, shape.width), shape.inputs, shape.stride);
        let taps = std::array::from_fn(|tap| planes.at(tap / 3, tap % 3));
        Self { level, shape: *shape, planes, taps, seeds: Vec::new() }
    }

    /// Adds the gradient of up to a group of images to `out [3, 3, inputs, outputs]`.
    pub(crate) fn add(&mut self, x: &[f32], u: &[f32], out: &mut [f32]) {
        if x.is_empty() || u.is_empty() {
            return;
        }
        self.planes.fill(self.level, x);
        let padded = self.shape.outputs.next_multiple_of(block_width(self.level) / 2);
        let seeds = if padded == self.shape.outputs {
            u
        } else {
            pad(u, self.shape.outputs, padded, &mut self.seeds);
            &self.seeds
        };
        let pixels = self.shape.out_height() * self.shape.out_width();
        self.level.run(WeightSum {
            planes: self.planes.data(),
            image: self.planes.image(),
            block: self.planes.block(),
            row: self.planes.row(),
            channels: self.shape.inputs,
            taps: &self.taps,
            seeds,
            seed: padded,
            images: u.len() / (pixels * self.shape.outputs),
            height: self.shape.out_height(),
            width: self.shape.out_width(),
            outputs: self.shape.outputs,
            out,
        });
    }
}

/// Pixels with zeros behind their channels.
fn pad(u: &[f32], channels: usize, padded: usize, to: &mut Vec<f32>) {
    to.resize(u.len() / channels * padded, 0.0);
    for (pixel, to) in u.chunks_exact(channels).zip(to.chunks_exact_mut(padded)) {
        to[..channels].copy_from_slice(pixel);
    }
}
