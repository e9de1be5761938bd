//! Fresh parameters, drawn one after the other.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};

use crate::{Fans, Init, Result};

/// Collects the leaves of a model while its layers draw them; the generator, type and device stand here once.
pub struct Builder<'a> {
    rng: &'a mut dyn RngCore,
    dtype: DType,
    device: &'a Device,
    leaves: Vec<(String, Tensor)>,
}

impl<'a> Builder<'a> {
    /// No leaves yet.
    pub fn new(rng: &'a mut dyn RngCore, dtype: DType, device: &'a Device) -> Self {
        Self { rng, dtype, device, leaves: Vec::new() }
    }

    /// Draws a leaf `[1, dims…]`. Fans are passed, not read off the shape, because a bias is drawn by those of the
    /// weight beside it.
    ///
    /// # Errors
    /// If the initialiser's numbers are out of range, or if the device cannot allocate the leaf.
    pub fn draw(&mut self, name: impl Into<String>, dims: &[usize], init: Init, fans: Fans) -> Result<()> {
        let values = init.draw(self.rng, dims, fans)?;
        self.push(name, dims, values)
    }

    /// A leaf `[1, dims…]` of given values in row-major order, for parameters that no [`Init`] describes.
    ///
    /// # Errors
    /// If the number of values is not that of the shape, or if the device cannot allocate the leaf.
    pub fn push(&mut self, name: impl Into<String>, dims: &[usize], values: Vec<f64>) -> Result<()> {
        // The host draws in f64 whatever the type asked for, so that a seed means the same model in each.
        let shape = [&[1], dims].concat();
        let value = Value::from_vec(values, shape, &Device::Cpu)?.to_dtype(self.dtype)?.to_device(self.device)?;
        self.leaves.push((name.into(), Tensor::new(value)));
        Ok(())
    }

    /// The generator, for values that are handed to [`push`](Self::push).
    pub fn rng(&mut self) -> &mut dyn RngCore {
        self.rng
    }

    /// The parameters, in the order in which they were drawn.
    ///
    /// # Errors
    /// If a name stands twice.
    pub fn finish(self) -> Result<Params> {
        Ok(Params::new(self.leaves)?)
    }
}

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("dtype", &self.dtype).field("leaves", &self.leaves).finish_non_exhaustive()
    }
}

/// `prefix.name`, or the name alone where there is no prefix.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
