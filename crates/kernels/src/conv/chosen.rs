//! Either form of a convolution, a group of images at a time: what a computation that goes on with each group asks for.

use std::mem::MaybeUninit;

use super::direct::{Correlation, WeightGrad};
use super::{ConvShape, winograd};
use crate::Level;

pub(crate) use super::direct::as_uninit;

/// Pixels of the images that Winograd's form takes at once: tiles enough to read the weights once for many of them.
const PIXELS: usize = 512;

/// How many images a form takes at once.
pub(crate) fn group(level: Level, shape: &ConvShape) -> usize {
    if winograd::pays(level, shape) {
        (PIXELS / (shape.height * shape.width)).clamp(1, shape.images)
    } else {
        shape.group()
    }
}

/// Images from images, with packed weights.
#[derive(Debug)]
pub(crate) enum Images {
    Direct(Correlation),
    Winograd(winograd::Packed),
}

impl Images {
    /// From the inputs' channels to the outputs'.
    pub(crate) fn conv(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        if winograd::pays(level, shape) {
            Self::Winograd(winograd::Packed::conv(level, shape, w))
        } else {
            Self::Direct(Correlation::conv(level, shape, w))
        }
    }

    /// From the outputs' channels to the inputs'.
    pub(crate) fn conv_t(level: Level, shape: &ConvShape, w: &[f32]) -> Self {
        if winograd::pays(level, shape) {
            Self::Winograd(winograd::Packed::conv_t(level, shape, w))
        } else {
            Self::Direct(Correlation::conv_t(level, shape, w))
        }
    }

    /// Convolves up to a [`group`] of images, and writes every element of `out`.
    pub(crate) fn run(&mut self, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        match self {
            Self::Direct(correlation) => correlation.run(x, out),
            Self::Winograd(packed) => packed.run(x, out),
        }
    }
}

/// Weights from images, summed over groups of them.
#[derive(Debug)]
pub(crate) enum WeightSums {
    Direct(WeightGrad, Vec<f32>),
    Winograd(winograd::WeightSums),
}

impl WeightSums {
    /// Sums of nothing.
    pub(crate) fn new(level: Level, shape: &ConvShape) -> Self {
        if winograd::pays(level, shape) {
            Self::Winograd(winograd::WeightSums::new(level, shape))
        } else {
            Self::Direct(WeightGrad::new(level, shape), vec![0.0; shape.weight().iter().product()])
        }
    }

    /// Adds up to a [`group`] of images `x`, and what their results are weighted by, `u`.
    pub(crate) fn add(&mut self, x: &[f32], u: &[f32]) {
        match self {
            Self::Direct(grad, sums) => grad.add(x, u, sums),
            Self::Winograd(sums) => sums.add(x, u),
        }
    }

    /// The weights `[3, 3, inputs, outputs]`.
    pub(crate) fn finish(self) -> Vec<f32> {
        match self {
            Self::Direct(_, sums) => sums,
            Self::Winograd(sums) => sums.into_vec(),
        }
    }
}
