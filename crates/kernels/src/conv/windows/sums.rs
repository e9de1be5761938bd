//! Weights from images, summed over groups of them.

#![allow(unsafe_code, reason = "results are written into reserved memory")]

use super::{group, runs};
use crate::Level;
use crate::conv::ConvShape;
use crate::dense::{Operand, Product, add_product, write_product};
use crate::memory::append;
use crate::scratch::Scratch;

/// Sums `[9·C, O]`, and room for a group's windows.
#[derive(Debug)]
pub(crate) struct WeightSums {
    level: Level,
    shape: ConvShape,
    windows: Scratch,
    /// Empty before the first group.
    sums: Vec<f32>,
}

impl WeightSums {
    /// Sums of nothing.
    pub(crate) fn new(level: Level, shape: &ConvShape) -> Self {
        Self { level, shape: *shape, windows: Scratch::new(group(shape) * runs::len(shape)), sums: Vec::new() }
    }

    /// Adds up to a group of images `x`, and what their results are weighted by, `u`.
    pub(crate) fn add(&mut self, x: &[f32], u: &[f32]) {
        let (window, outputs) = (9 * self.shape.inputs, self.shape.outputs);
        let rows = u.len() / outputs;
        let windows = &mut self.windows.as_mut_slice()[..rows * window];
        self.level.run(runs::Copy { shape: &self.shape, images: x, windows });
        let (a, b) = (Operand::rows(windows, window).transposed(), Operand::rows(u, outputs));
        let p = Product::plain([window, rows, outputs], a, b);
        if self.sums.is_empty() {
            // SAFETY: the product writes every element.
            unsafe { append(&mut self.sums, window * outputs, |out| write_product(self.level, p, out)) };
        } else {
            add_product(self.level, p, &mut self.sums);
        }
    }

    /// The weights.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        self.sums.resize(self.shape.weight().iter().product(), 0.0);
        self.sums
    }
}
