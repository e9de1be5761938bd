//! The three ways to compute a convolution, a group of images at a time: what a computation that goes on with each
//! group asks for.

use std::mem::MaybeUninit;

use super::direct::{Correlation, WeightGrad};
use super::{ConvShape, windows, winograd};
use crate::Level;

/// How a convolution is computed. The results differ by rounding only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Sums over taps of padded images.
    Direct,
    /// A product of matrices, with all windows of the images as its rows.
    Windows,
    /// Winograd's F(2×2, 3×3), for stride 1 only: 16 products instead of 36.
    Winograd,
}

impl Form {
    /// The fastest one for these sizes; at the portable level always the direct one.
    #[must_use]
    pub fn fastest(level: Level, shape: &ConvShape) -> Self {
        if winograd::pays(level, shape) {
            Self::Winograd
        } else if windows::pays(level, shape) {
            Self::Windows
        } else {
            Self::Direct
        }
    }

    /// Whether this form can compute a convolution of these sizes.
    #[must_use]
    pub fn fits(self, shape: &ConvShape) -> bool {
        self != Self::Winograd || shape.stride == 1
    }

    /// How many images it takes at once.
    pub(crate) fn group(self, shape: &ConvShape) -> usize {
        match self {
            Self::Direct => shape.group(),
            Self::Windows => windows::group(shape),
            Self::Winograd => winograd::images_at_once(shape),
        }
    }
}

/// Images from images, with packed weights.
#[derive(Debug)]
pub(crate) enum Images<'a> {
    Direct(Correlation),
    Windows(windows::Products<'a>),
    Winograd(winograd::Packed),
}

impl<'a> Images<'a> {
    /// From the inputs' channels to the outputs'.
    pub(crate) fn conv(form: Form, level: Level, shape: &ConvShape, w: &'a [f32]) -> Self {
        match form {
            Form::Direct => Self::Direct(Correlation::conv(level, shape, w)),
            Form::Windows => Self::Windows(windows::Products::conv(level, shape, w)),
            Form::Winograd => Self::Winograd(winograd::Packed::conv(level, shape, w)),
        }
    }

    /// From the outputs' channels to the inputs'.
    pub(crate) fn conv_t(form: Form, level: Level, shape: &ConvShape, w: &'a [f32]) -> Self {
        match form {
            Form::Direct => Self::Direct(Correlation::conv_t(level, shape, w)),
            Form::Windows => Self::Windows(windows::Products::conv_t(level, shape, w)),
            Form::Winograd => Self::Winograd(winograd::Packed::conv_t(level, shape, w)),
        }
    }

    /// Convolves up to a [`group`](Form::group) of images, and writes every element of `out`.
    pub(crate) fn run(&mut self, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        match self {
            Self::Direct(correlation) => correlation.run(x, out),
            Self::Windows(products) => products.run(x, out),
            Self::Winograd(packed) => packed.run(x, out),
        }
    }
}

/// Weights from images, summed over groups of them.
#[derive(Debug)]
pub(crate) enum WeightSums {
    Direct(WeightGrad, Vec<f32>),
    Windows(windows::WeightSums),
    Winograd(winograd::WeightSums),
}

impl WeightSums {
    /// Sums of nothing.
    pub(crate) fn new(form: Form, level: Level, shape: &ConvShape) -> Self {
        match form {
            Form::Direct => Self::Direct(WeightGrad::new(level, shape), vec![0.0; shape.weight().iter().product()]),
            Form::Windows => Self::Windows(windows::WeightSums::new(level, shape)),
            Form::Winograd => Self::Winograd(winograd::WeightSums::new(level, shape)),
        }
    }

    /// Adds up to a [`group`](Form::group) of images `x`, and what their results are weighted by, `u`.
    pub(crate) fn add(&mut self, x: &[f32], u: &[f32]) {
        match self {
            Self::Direct(grad, sums) => grad.add(x, u, sums),
            Self::Windows(sums) => sums.add(x, u),
            Self::Winograd(sums) => sums.add(x, u),
        }
    }

    /// The weights `[3, 3, inputs, outputs]`.
    pub(crate) fn finish(self) -> Vec<f32> {
        match self {
            Self::Direct(_, sums) => sums,
            Self::Windows(sums) => sums.finish(),
            Self::Winograd(sums) => sums.finish(),
        }
    }
}
