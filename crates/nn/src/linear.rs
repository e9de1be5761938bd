//! The affine layer `y = x W + b`.

use rekindle_autodiff::{Params, Tensor};

use crate::builder::join;
use crate::{Builder, Error, Fans, Init, Layer, Result};

/// `x [M, …, D]` to `x W + b [M, …, O]`, with `weight [M, D, O]` and, if there is one, `bias [M, O]`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: String,
    bias: Option<String>,
    inputs: usize,
    outputs: usize,
    weight_init: Init,
    bias_init: Init,
}

impl Linear {
    /// A layer whose parameters are called `name.weight` and `name.bias`; no bias where `bias` is `None`.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(name: &str, inputs: usize, outputs: usize, weight: Init, bias: Option<Init>) -> Result<Self> {
        if inputs == 0 || outputs == 0 {
            return Err(Error::config("inputs, outputs", (inputs, outputs), "at least 1"));
        }
        Ok(Self {
            weight: join(name, "weight"),
            bias: bias.map(|_| join(name, "bias")),
            inputs,
            outputs,
            weight_init: weight,
            bias_init: bias.unwrap_or(Init::Zeros),
        })
    }

    /// The last layer of a classifier, `head`, whose bias starts at zero.
    pub(crate) fn head(features: usize, ways: usize, weight: Init) -> Result<Self> {
        if ways == 0 {
            return Err(Error::config("ways", ways, "at least 1"));
        }
        Self::new("head", features, ways, weight, Some(Init::Zeros))
    }

    /// The number of inputs D.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of outputs O.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// `[M, …, D]` to `[M, …, O]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_deref().map(|name| params.get(name)).transpose()?;
        Ok(x.linear(params.get(&self.weight)?, bias)?)
    }

    /// `max(0, x W + b)`, in one pass.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_relu(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_deref().map(|name| params.get(name)).transpose()?;
        Ok(x.linear_relu(params.get(&self.weight)?, bias)?)
    }

    /// The weight of a layer.
    pub(crate) fn weight<'a>(&self, params: &'a Params) -> Result<&'a Tensor> {
        Ok(params.get(&self.weight)?)
    }

    /// Weight and bias of a layer that has one.
    pub(crate) fn weight_and_bias<'a>(&self, params: &'a Params) -> Result<[&'a Tensor; 2]> {
        let bias = self.bias.as_deref().expect("the layer was made with a bias");
        Ok([params.get(&self.weight)?, params.get(bias)?])
    }

    /// The weight alone, for layers whose biases start in a way of their own.
    pub(crate) fn draw_weight(&self, builder: &mut Builder<'_>) -> Result<()> {
        builder.draw(&self.weight, &[self.inputs, self.outputs], self.weight_init, self.fans())
    }

    fn fans(&self) -> Fans {
        Fans { input: self.inputs, output: self.outputs }
    }

    /// Whether a parameter of this name belongs to the layer.
    #[must_use]
    pub fn owns(&self, name: &str) -> bool {
        name == self.weight || self.bias.as_deref() == Some(name)
    }
}

impl Layer for Linear {
    fn draw(&self, builder: &mut Builder<'_>) -> Result<()> {
        self.draw_weight(builder)?;
        match &self.bias {
            Some(bias) => builder.draw(bias, &[self.outputs], self.bias_init, self.fans()),
            None => Ok(()),
        }
    }
}
