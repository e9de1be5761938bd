//! What the parts of a model have in common.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::Params;

use crate::{Builder, Result};

/// A part of a model: sizes, and the names of its parameters.
///
/// How a layer is called is its own affair (a recurrent cell has a state, a normalisation has statistics), so `forward`
/// is a method of each type. A layer of one's own implements [`draw`](Self::draw) and looks its leaves up by name.
pub trait Layer: std::fmt::Debug + Send + Sync {
    /// Draws the layer's parameters, with their full names.
    ///
    /// # Errors
    /// As [`Builder::draw`].
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()>;

    /// Fresh shared parameters `[1, …]` of this layer alone.
    ///
    /// # Errors
    /// As [`draw`](Self::draw), or if a name stands twice.
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.draw(&mut builder)?;
        builder.finish()
    }
}
