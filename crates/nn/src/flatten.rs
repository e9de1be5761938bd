//! Inputs as they are, in a row.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};

use crate::{Error, Model, Result};

/// `x [M, B, …]` to `[M, B, D]` in row-major order: a model without parameters, for what works on raw pixels.
///
/// ```
/// use rekindle_autodiff::{NormStats, Params, Tensor};
/// use rekindle_nn::{Flatten, Model};
/// let images = Tensor::from_vec((0..8u8).map(f32::from).collect(), (1, 2, 2, 2, 1))?;
/// let rows = Flatten.forward(&Params::new([])?, &images, NormStats::Batch)?;
/// assert_eq!(rows.dims(), [1, 2, 4]);
/// # Ok::<(), rekindle_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flatten;

impl Model for Flatten {
    fn init(&self, _rng: &mut dyn RngCore, _dtype: DType, _device: &Device) -> Result<Params> {
        Ok(Params::new([])?)
    }

    fn forward(&self, _params: &Params, x: &Tensor, _stats: NormStats) -> Result<Tensor> {
        match *x.dims() {
            [m, b, ref rest @ ..] => Ok(x.reshape((m, b, rest.iter().product::<usize>()))?),
            ref found => Err(Error::shape("the input", found, "[M, B, …]")),
        }
    }
}
