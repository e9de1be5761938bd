//! Elementwise non-linearities, as a value that a configuration can hold.

use rekindle_autodiff::Tensor;

use crate::Result;

/// A function that is applied to every element.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// `x` where positive, else `slope · x`.
    LeakyRelu {
        /// Slope below zero; 0.01 in most papers, 0.2 in some.
        slope: f64,
    },
    /// `x` where positive, else `eˣ − 1`. Clevert, Unterthiner & Hochreiter 2016, α = 1.
    Elu,
    /// `x Φ(x)`, exact. Hendrycks & Gimpel 2016.
    Gelu,
    /// `x σ(x)`, also called swish. Elfwing, Uchibe & Doya 2018.
    Silu,
    /// `log(1 + eˣ)`.
    Softplus,
    /// `tanh x`.
    Tanh,
    /// `σ(x) = 1/(1 + e⁻ˣ)`.
    Sigmoid,
    /// `x`: no non-linearity.
    Identity,
}

impl Activation {
    /// The function of every element of `x`, of any shape.
    ///
    /// # Errors
    /// If the device cannot allocate the result.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Relu => x.relu()?,
            Self::LeakyRelu { slope } => x.leaky_relu(slope)?,
            Self::Elu => x.elu(1.0)?,
            Self::Gelu => x.gelu()?,
            Self::Silu => x.silu()?,
            Self::Softplus => x.softplus()?,
            Self::Tanh => x.tanh()?,
            Self::Sigmoid => x.sigmoid()?,
            Self::Identity => x.clone(),
        })
    }
}
