//! A model that is told which task it is at: s' = (s, ω).
//!
//! One net for all tasks, with a description ω of the task beside the input. With ω one-hot it is a first layer with a
//! bias for each task.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::Model;

use crate::{Error, Result};

/// A model whose inputs are those of the task and after them the task's context, one vector for all examples.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_autodiff::Tensor;
/// use rekindle_nn::{Mlp, MlpConfig};
/// use rekindle_transfer::Conditioned;
///
/// let net = Conditioned::new(Mlp::new(&MlpConfig { sizes: vec![2 + 3, 8, 1], ..MlpConfig::default() })?);
/// let params = net.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let states = Tensor::zeros((4, 10, 2), DType::F32, &Device::Cpu)?; // [M, B, D]
/// let contexts = Tensor::ones((4, 3), DType::F32, &Device::Cpu)?;    // [M, D of the context]
/// assert_eq!(net.forward(&params, &states, &contexts)?.dims(), [4, 10, 1]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conditioned<N> {
    model: N,
}

impl<N: Model> Conditioned<N> {
    /// A model with room for the context in its inputs: D features more, or for images D channels more.
    pub fn new(model: N) -> Self {
        Self { model }
    }

    /// Fresh parameters `[1, …]` of the model.
    ///
    /// # Errors
    /// Those of the model.
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(self.model.init(rng, dtype, device)?)
    }

    /// Outputs for inputs `x [M, B, …, D]` and contexts `[M, D']`, which every example, and every pixel of an image, gets
    /// after its own features: `[M, B, …, D + D']`.
    ///
    /// # Errors
    /// If the numbers of tasks differ, if the shapes have no such axes, and those of the model.
    pub fn forward(&self, params: &Params, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        Ok(self.model.forward(params, &join(x, context)?, NormStats::Batch)?)
    }
}

/// `[M, B, …, D + D']`.
fn join(x: &Tensor, context: &Tensor) -> Result<Tensor> {
    let fits = context.rank() == 2 && x.rank() >= 3 && [x.dims()[0], 1].contains(&context.dims()[0]);
    if !fits {
        let expected = format!("[M, D] for x {:?}", x.dims());
        return Err(Error::shape("the context", context.dims(), expected));
    }
    let (m, d) = (context.dims()[0], context.dims()[1]);
    let last = x.rank() - 1;
    let mut dims = vec![1; x.rank()];
    (dims[0], dims[last]) = (m, d);
    let spread = [&x.dims()[..last], &[d]].concat();
    let context = context.reshape(dims)?.broadcast_to(spread)?;
    Ok(Tensor::cat(&[x, &context], last)?)
}
