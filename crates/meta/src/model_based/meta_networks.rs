//! Meta networks: loss gradients of the support set, made into fast weights by a network that was trained to.
//!
//! ```text
//! ∇ᵢ = ∂L(v(u(Q, xᵢ)), yᵢ)/∂Q        Q* = d({∇ᵢ})                   fast weights of the representation u
//! ∇ᵢ = ∂L(b(W, xᵢ), yᵢ)/∂W           Wᵢ* = m(∇ᵢ)                    fast weights of the base learner b, one set an example
//! rᵢ = u(Q, Q*, xᵢ)                                                  where they are found again
//! ŷ = b(W, W*, x),    W* = Σᵢ aᵢ Wᵢ*,    a = softmaxᵢ(s cos(rᵢ, u(Q, Q*, x)))
//! ```
//! A layer with slow and fast weights adds both up after the activation: `φ(x W + b) + φ(x W*)`. d is an LSTM over the
//! support examples and m a perceptron, both the same for every weight (coordinate-wise), on gradients that are prepared
//! as in Andrychowicz et al. 2016, appendix A, with p = 7.
//!
//! Munkhdalai & Yu, *Meta Networks*, 2017. Differs from it: dense layers alone have fast weights, the convolutions of an
//! embedding have none; the attention has a sharpness s that is learned, from 10; d sees the whole support set, not a
//! sample. As in the published code, no gradient flows through the loss gradients themselves; so v keeps its fresh weights,
//! a random code of the classes.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_nn::{Activation, Builder, Fans, Init, Layer, Linear, Lstm, LstmConfig, LstmState};

use super::cosine::cosines;
use super::{BlackBox, Examples, Targets, at_least_one};
use crate::inner::inner_gradient;
use crate::{Error, Loss, Result};

/// Shape of [`MetaNetworks`].
#[derive(Clone, Copy, Debug)]
pub struct MetaNetworksConfig {
    /// Features F of an example, `≥ 1`.
    pub inputs: usize,
    /// What is learned.
    pub targets: Targets,
    /// Units H of the base learner's hidden layer and of the representation, `≥ 1`. Default 64.
    pub units: usize,
    /// Units of the networks that make weights of gradients, `≥ 1`. Default 20.
    pub meta_units: usize,
    /// φ. Default ReLU.
    pub activation: Activation,
}

impl MetaNetworksConfig {
    /// 64 units, 20 for the networks that make weights.
    #[must_use]
    pub fn new(inputs: usize, targets: Targets) -> Self {
        Self { inputs, targets, units: 64, meta_units: 20, activation: Activation::Relu }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// Naming the setting that is zero.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("inputs", self.inputs), ("units", self.units), ("meta_units", self.meta_units)])?;
        self.targets.validate()
    }
}

/// Meta networks; [`BlackBoxLearner`](crate::BlackBoxLearner) makes a meta-learner of them.
///
/// Parameters: slow weights `represent.…`, `guess.…` (v), `hidden.…`, `out.…` (b); `summarise.…` and `read.…` (d),
/// `map1.…` to `map3.…` (m); `sharpness [M, 1]`, of which s is the exponential.
#[derive(Clone, Debug)]
pub struct MetaNetworks {
    config: MetaNetworksConfig,
    represent: Linear,
    guess: Linear,
    hidden: Linear,
    out: Linear,
    summarise: Lstm,
    read: Linear,
    map: [Linear; 3],
}

impl MetaNetworks {
    /// Networks of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: MetaNetworksConfig) -> Result<Self> {
        config.validate()?;
        let MetaNetworksConfig { inputs, targets, units, meta_units, .. } = config;
        let linear = |name, from, to| Linear::new(name, from, to, Init::GlorotUniform, Some(Init::Zeros));
        Ok(Self {
            represent: linear("represent", inputs, units)?,
            guess: linear("guess", units, targets.size())?,
            hidden: linear("hidden", inputs, units)?,
            out: linear("out", units, targets.size())?,
            summarise: Lstm::new("summarise", LstmConfig { inputs: 2, units: meta_units, forget_bias: 1.0 })?,
            read: linear("read", meta_units, 1)?,
            map: [
                linear("map1", 2, meta_units)?,
                linear("map2", meta_units, meta_units)?,
                linear("map3", meta_units, 1)?,
            ],
            config,
        })
    }

    fn linears(&self) -> [&Linear; 8] {
        let [first, second, third] = &self.map;
        [&self.represent, &self.guess, &self.hidden, &self.out, &self.read, first, second, third]
    }

    /// The sizes of features `[M, B, F]`.
    fn check(&self, x: &Tensor) -> Result<(usize, usize, usize)> {
        match *x.dims() {
            [m, b, f] if b > 0 && f == self.config.inputs => Ok((m, b, f)),
            ref found => {
                let expected = self.config.inputs;
                let message = format!("features {found:?}, but meta networks take [M, B ≥ 1, {expected}]");
                Err(Error::Batch { message })
            }
        }
    }

    /// Gradients `[M, S, C, 2]`, prepared, of each example's loss by the C weights of the named matrices. `forward` maps
    /// weights and features `[M·S, 1, F]` to outputs `[M·S, 1, O]`.
    fn gradients(
        &self,
        params: &Params,
        support: Examples<'_>,
        (weights, layers): (&[&str], [&Linear; 2]),
    ) -> Result<Tensor> {
        let (m, s) = (support.x.dim(0)?, support.x.dim(1)?);
        let each = |t: &Tensor| -> Result<Tensor> {
            let (one, rest) = (t.dim(0)?, &t.dims()[1..]);
            let repeated = t.reshape([&[one, 1], rest].concat())?.broadcast_to([&[m, s], rest].concat())?;
            Ok(repeated.reshape([&[m * s], rest].concat())?)
        };
        let own = |name: &str| layers.iter().any(|layer| layer.owns(name));
        let params = params.detach().partition(own).0;
        let params = params.with_leaves(params.leaves().iter().map(each).collect::<Result<_>>()?)?;
        let (wanted, fixed) = params.partition(|name| weights.contains(&name));
        let x = support.x.detach().reshape((m * s, 1, self.config.inputs))?;
        let y = split(support.y, m * s)?;
        let grads = inner_gradient(&wanted, Order::First, |wanted| {
            let params = wanted.merge(&fixed)?;
            let h = self.config.activation.apply(&layers[0].forward(&params, &x)?)?;
            self.config.targets.loss().per_task(&layers[1].forward(&params, &h)?, &y)
        })?;
        let flat = |name: &&str| -> Result<Tensor> {
            let g = grads.get(name)?;
            Ok(g.reshape((m, s, g.elem_count() / (m * s)))?)
        };
        let flat = weights.iter().map(flat).collect::<Result<Vec<_>>>()?;
        prepared(&Tensor::cat(&flat.iter().collect::<Vec<_>>(), 2)?)
    }

    /// Q* `[M, F, H]`.
    fn summary(&self, params: &Params, gradients: &Tensor) -> Result<Tensor> {
        let (m, coordinates) = (gradients.dim(0)?, gradients.dim(2)?);
        let zeros = Tensor::zeros((m, coordinates, self.summarise.units()), gradients.dtype(), gradients.device())?;
        let start = LstmState { h: zeros.clone(), c: zeros };
        let end = self.summarise.sequence(params, &gradients.transpose(0, 1)?, &start)?.1.h; // [M, C, H']
        Ok(self.read.forward(params, &end)?.reshape((m, self.config.inputs, self.config.units))?)
    }

    /// Fast weights `[M, S, C]` of every example.
    fn fast(&self, params: &Params, gradients: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.map;
        let activation = self.config.activation;
        let h = activation.apply(&first.forward(params, gradients)?)?;
        let h = activation.apply(&second.forward(params, &h)?)?;
        Ok(third.forward(params, &h)?.squeeze(3)?)
    }

    /// `u(Q, Q*, x)`, `[M, B, H]`.
    fn representation(&self, params: &Params, fast: &Tensor, x: &Tensor) -> Result<Tensor> {
        let activation = self.config.activation;
        let slow = activation.apply(&self.represent.forward(params, x)?)?;
        Ok(slow.add(&activation.apply(&x.linear(fast, None)?)?)?)
    }

    /// `b(W, W*, x)` for queries `x [M, B, F]` with fast weights `[M, B, C]` of their own.
    fn base(&self, params: &Params, fast: &Tensor, x: &Tensor) -> Result<Tensor> {
        let (m, b, f) = self.check(x)?;
        let (h, o) = (self.config.units, self.config.targets.size());
        let activation = self.config.activation;
        let lower = fast.narrow(2, 0, f * h)?.reshape((m * b, f, h))?;
        let upper = fast.narrow(2, f * h, h * o)?.reshape((m * b, h, o))?;
        let quick = x.reshape((m * b, 1, f))?.matmul(&lower)?.reshape((m, b, h))?;
        let hidden = activation.apply(&self.hidden.forward(params, x)?)?.add(&activation.apply(&quick)?)?;
        let quick = hidden.reshape((m * b, 1, h))?.matmul(&upper)?.reshape((m, b, o))?;
        Ok(self.out.forward(params, &hidden)?.add(&quick)?)
    }
}

/// Targets of M tasks with S examples as those of M·S tasks with one.
fn split(y: &Value, tasks: usize) -> Result<Value> {
    let dims = [&[tasks, 1], &y.dims()[2..]].concat();
    Ok(y.reshape(dims)?)
}

/// `(log |g|/p, sign g)` of gradients that are at least e⁻ᵖ, `(−1, eᵖ g)` of smaller ones: `[…]` to `[…, 2]`.
fn prepared(g: &Tensor) -> Result<Tensor> {
    const P: f64 = 7.0;
    let small = (-P).exp();
    let size = g.abs()?.clamp(small, f64::from(f32::MAX))?.log()?.scale(1.0 / P)?; // −1 for the smaller ones
    let direction = g.scale(1.0 / small)?.clamp(-1.0, 1.0)?;
    Ok(Tensor::stack(&[&size, &direction], g.rank())?)
}

impl BlackBox for MetaNetworks {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.linears().into_iter().try_for_each(|linear| linear.draw(&mut builder))?;
        self.summarise.draw(&mut builder)?;
        builder.draw("sharpness", &[1], Init::Constant(10.0f64.ln()), Fans::of(&[1]))?;
        Ok(builder.finish()?)
    }

    fn observe(&self, params: &Params, support: Examples<'_>) -> Result<Params> {
        self.check(support.x)?;
        let of_representation =
            self.gradients(params, support, (&["represent.weight"], [&self.represent, &self.guess]))?;
        let summary = self.summary(params, &of_representation)?;
        let weights = ["hidden.weight", "out.weight"];
        let of_base = self.gradients(params, support, (&weights, [&self.hidden, &self.out]))?;
        let places = self.representation(params, &summary, support.x)?;
        let fast = self.fast(params, &of_base)?;
        let leaves = [("summary", summary), ("places", places), ("fast", fast)];
        Ok(Params::new(leaves.map(|(name, leaf)| (name.to_owned(), leaf)))?)
    }

    fn answer(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        let place = self.representation(params, state.get("summary")?, x)?;
        let sharpness = params.get("sharpness")?.exp()?.unsqueeze(2)?; // [M, 1, 1]
        let near = cosines(&place, state.get("places")?)?.mul(&sharpness)?.softmax()?; // [M, B, S]
        self.base(params, &near.matmul(state.get("fast")?)?, x)
    }

    fn loss(&self) -> Loss {
        self.config.targets.loss()
    }
}
