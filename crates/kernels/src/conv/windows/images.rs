//! Images from images.

use std::mem::MaybeUninit;

use super::{group, runs};
use crate::Level;
use crate::conv::ConvShape;
use crate::dense::{Operand, Product, transposed, write_product};
use crate::memory::{as_uninit, zeroed};
use crate::scratch::Scratch;

/// Weights as the product reads them, and room for a group's windows.
#[derive(Debug)]
pub(crate) struct Products<'a> {
    level: Level,
    shape: ConvShape,
    windows: Scratch,
    weights: Weights<'a>,
}

#[derive(Debug)]
enum Weights<'a> {
    /// `[9·C, O]` as they come.
    Plain(&'a [f32]),
    /// `[O, 9·C]`.
    Turned(Vec<f32>),
}

impl<'a> Products<'a> {
    /// From the inputs' channels to the outputs'.
    pub(crate) fn conv(level: Level, shape: &ConvShape, w: &'a [f32]) -> Self {
        Self::new(level, shape, Weights::Plain(w))
    }

    /// From the outputs' channels to the inputs'.
    pub(crate) fn conv_t(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        let turned = transposed(level, w, [9 * shape.inputs, shape.outputs]);
        Self::new(level, shape, Weights::Turned(turned))
    }

    fn new(level: Level, shape: &ConvShape, weights: Weights<'a>) -> Self {
        let windows = Scratch::new(group(shape) * runs::len(shape));
        Self { level, shape: *shape, windows, weights }
    }

    /// Convolves up to a group of images, and writes every element of `out`.
    pub(crate) fn run(&mut self, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        let (window, outputs) = (9 * self.shape.inputs, self.shape.outputs);
        match &self.weights {
            Weights::Plain(w) => {
                let rows = out.len() / outputs;
                let windows = &mut self.windows.as_mut_slice()[..rows * window];
                self.level.run(runs::Copy { shape: &self.shape, images: x, windows });
                let (a, b) = (Operand::rows(windows, window), Operand::rows(w, outputs));
                write_product(self.level, Product::plain([rows, window, outputs], a, b), out);
            }
            Weights::Turned(w) => {
                let rows = x.len() / outputs;
                let windows = &mut self.windows.as_mut_slice()[..rows * window];
                let (a, b) = (Operand::rows(x, outputs), Operand::rows(w, window));
                write_product(self.level, Product::plain([rows, outputs, window], a, b), as_uninit(windows));
                self.level.run(runs::Add { shape: &self.shape, windows, images: zeroed(out) });
            }
        }
    }
}
