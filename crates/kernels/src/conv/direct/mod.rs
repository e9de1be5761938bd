//! The three forms as sums over taps.
//!
//! A few images at a time are copied
//! into padded planes (`planes`), small enough to stay in the cache while every weight meets every pixel. From there
//! `correlate` makes images out of images, and `weight_sum` makes weights out of two images.

mod correlate;
mod correlation;
mod planes;
mod scatter;
mod weight_grad;
mod weight_sum;
mod weights;

pub(crate) use correlation::Correlation;
pub(crate) use planes::{BLOCK, Planes};
pub(crate) use scatter::FEW;
pub(crate) use weight_grad::WeightGrad;

use super::ConvShape;
