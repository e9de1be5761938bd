//! Shape of a neural process.

use rekindle_nn::{Activation, Init, MultiHeadAttentionConfig};

use crate::model_based::at_least_one;
use crate::{Error, Result};

/// How what was read of the examples becomes what a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The mean, the same for all queries: conditional neural processes.
    Mean,
    /// The mean, and beside it attention of each query to the examples, in this many heads `≥ 1`, which divide the width:
    /// attentive neural processes.
    Attention(usize),
}

/// Shape of a [`NeuralProcess`](super::NeuralProcess).
#[derive(Clone, Copy, Debug)]
pub struct NeuralProcessConfig {
    /// Features F of an example, `≥ 1`.
    pub inputs: usize,
    /// Targets D of an example, `≥ 1`.
    pub targets: usize,
    /// Width H of the representation and of all hidden layers, `≥ 1`. Default 128, as in both papers' regressions.
    pub width: usize,
    /// Hidden layers of the encoder and of the decoder, `≥ 1`. Default 3 and 2.
    pub layers: [usize; 2],
    /// The mean, or attention.
    pub aggregation: Aggregation,
    /// Least standard deviation of an answer, in `(0, 1)`. Default 0.1, as in both papers' code: without it the likelihood
    /// of data without noise has no bound.
    pub least_deviation: f64,
    /// After every hidden layer.
    pub activation: Activation,
    /// Distribution of the weights, but for those that attention's scores come from: these start from LeCun's. Biases start
    /// at 0.
    pub weight: Init,
}

impl NeuralProcessConfig {
    /// A conditional neural process (Garnelo et al. 2018).
    #[must_use]
    pub fn conditional(inputs: usize, targets: usize) -> Self {
        Self {
            inputs,
            targets,
            width: 128,
            layers: [3, 2],
            aggregation: Aggregation::Mean,
            least_deviation: 0.1,
            activation: Activation::Relu,
            weight: Init::HeNormal,
        }
    }

    /// An attentive neural process with 8 heads (Kim et al. 2019), without its random latent.
    #[must_use]
    pub fn attentive(inputs: usize, targets: usize) -> Self {
        Self { aggregation: Aggregation::Attention(8), ..Self::conditional(inputs, targets) }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// Naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        let [encoder, decoder] = self.layers;
        at_least_one(&[
            ("inputs", self.inputs),
            ("targets", self.targets),
            ("width", self.width),
            ("layers[0]", encoder),
            ("layers[1]", decoder),
        ])?;
        if !(self.least_deviation > 0.0 && self.least_deviation < 1.0) {
            return Err(Error::setting("least_deviation", &self.least_deviation, "between 0 and 1"));
        }
        if let Aggregation::Attention(heads) = self.aggregation {
            MultiHeadAttentionConfig { width: self.width, heads, weight: self.weight }.validate()?;
        }
        Ok(self.weight.validate()?)
    }
}
