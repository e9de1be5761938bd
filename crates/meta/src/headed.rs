//! A body whose last layer comes with the task: as many outputs as the task has classes.
//!
//! ```text
//! affine:  f(x) W + b        cosine:  s · cos(f(x), w_n)
//! from prototypes c_n:  w_n = 2 c_n,  b_n = −‖c_n‖²,  since  2 c_nᵀ z − ‖c_n‖² = −‖z − c_n‖² + ‖z‖²
//! ```
//! Snell, Swersky & Zemel 2017, §2.4: the nearest prototype is a linear classifier.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::Model;

use crate::Result;
use crate::metric::{class_means, unit};

/// The prefix of the body's parameters.
pub(crate) const BODY: &str = "body";
/// The prefix of the head's parameters.
pub(crate) const HEAD: &str = "head";

/// A body and a last layer. The parameters are the body's below `body.`, and `head.weight [M, F, N]` with, if it is affine,
/// `head.bias [M, N]`; fresh ones are the body's alone.
#[derive(Clone, Debug)]
pub(crate) struct Headed<N> {
    pub(crate) body: N,
    /// The scale s of cosines; `None`: an affine layer.
    pub(crate) cosine: Option<f64>,
}

impl<N: Model> Headed<N> {
    /// Features `[M, B, F]` of `x [M, B, …]`.
    pub(crate) fn features(&self, params: &Params, x: &Tensor, stats: NormStats) -> rekindle_nn::Result<Tensor> {
        self.body.forward(&params.below(BODY)?, x, stats)
    }
}

impl<N: Model> Model for Headed<N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_nn::Result<Params> {
        Ok(self.body.init(rng, dtype, device)?.prefixed(BODY)?)
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> rekindle_nn::Result<Tensor> {
        let z = self.features(params, x, stats)?;
        Ok(last_layer(&params.sub_params(HEAD)?, &z, self.cosine)?)
    }
}

/// Logits `[M, B, N]` of features `z [M, B, F]`.
pub(crate) fn last_layer(head: &Params, z: &Tensor, cosine: Option<f64>) -> rekindle_autodiff::Result<Tensor> {
    let weight = head.get("weight")?;
    match cosine {
        None => z.linear(weight, Some(head.get("bias")?)),
        Some(scale) => {
            let directions = unit(&weight.transpose(1, 2)?)?.transpose(1, 2)?; // [M, F, N], columns of length 1
            unit(z)?.linear(&directions, None)?.scale(scale)
        }
    }
}

/// The affine layer of the prototypes of features `z [M, B, F]` with classes `one_hot [M, B, N]`.
pub(crate) fn of_prototypes(one_hot: &Tensor, z: &Tensor) -> Result<Params> {
    let means = class_means(one_hot, z)?; // [M, N, F]
    let weight = means.transpose(1, 2)?.scale(2.0)?;
    layer(weight, Some(means.sqr()?.sum(&[2])?.neg()?))
}

/// A last layer under the names of [`Headed`].
pub(crate) fn layer(weight: Tensor, bias: Option<Tensor>) -> Result<Params> {
    let leaves = [("weight", Some(weight)), ("bias", bias)];
    let named = leaves.into_iter().filter_map(|(name, leaf)| Some((name.to_owned(), leaf?)));
    Ok(Params::new(named)?.prefixed(HEAD)?)
}
