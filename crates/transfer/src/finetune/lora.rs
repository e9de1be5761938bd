//! LoRA: a trained difference of low rank on frozen weights.
//!
//! ```text
//! W' = W + (α/r) A B        A [M, D, r] ~ N(0, 1/D)     B [M, r, O] = 0
//! ```
//! Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models*, 2022, §4.1. The letters A and B are theirs for the
//! random and the zero factor; since weights here are `[D, O]`, the order of the product is the other one. The paper draws
//! A from a normal distribution of unstated scale; here a row's product with inputs of unit variance has unit variance.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Builder, Fans, Init, Model};
use rekindle_optim::Select;

use crate::{Error, Result};

/// Settings of [`Lora`].
#[derive(Clone, Debug)]
pub struct LoraConfig {
    /// Rank r, `≥ 1`. Default 4, at which the paper's figures hardly differ from higher ones (its Table 6).
    pub rank: usize,
    /// α, `> 0`. Default 4: the paper sets it to the first rank that is tried, and then leaves it.
    pub alpha: f64,
    /// The matrices `[M, D, O]` that get a difference. Default: every parameter that is called `weight`.
    pub weights: Select,
    /// Parameters that are trained as they are beside the factors, a new head for example. Default: none.
    pub train: Option<Select>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 4, alpha: 4.0, weights: Select::suffix(["weight"]), train: None }
    }
}

impl LoraConfig {
    /// Checks the fields.
    ///
    /// # Errors
    /// If the rank is 0, or if α is not a positive number.
    pub fn validate(&self) -> Result<()> {
        if self.rank == 0 {
            return Err(Error::setting("rank", 0, "at least 1"));
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Err(Error::setting("alpha", self.alpha, "a positive number"));
        }
        Ok(())
    }
}

/// A model whose chosen weights are `W + (α/r) A B`. Derivatives flow to the factors alone, and to what
/// [`LoraConfig::train`] selects: all else is a constant of the forward pass.
///
/// The factors of `fc1.weight` are called `lora.fc1.weight.a` and `lora.fc1.weight.b`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_nn::{Mlp, Model};
/// use rekindle_transfer::{Lora, LoraConfig};
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let base = Mlp::sinusoid().init(&mut rng, DType::F32, &Device::Cpu)?;
/// let lora = Lora::new(Mlp::sinusoid(), LoraConfig::default())?;
/// let params = lora.attach(&base, &mut rng)?;
/// assert_eq!(params.get("lora.fc2.weight.a")?.dims(), [1, 40, 4]);
/// let plain = lora.merge(&params)?; // a `Params` of the plain model, the same as `base` before training
/// assert_eq!(plain.get("fc2.weight")?.to_vec_f64()?, base.get("fc2.weight")?.to_vec_f64()?);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lora<N> {
    model: N,
    config: LoraConfig,
}

const PREFIX: &str = "lora";

impl<N: Model> Lora<N> {
    /// A model with differences on the weights that the settings select.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(model: N, config: LoraConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { model, config })
    }

    /// The base, and after it fresh factors for each selected weight: the same function as the base alone.
    ///
    /// # Errors
    /// If nothing is selected, or something that is no matrix `[M, D, O]`.
    pub fn attach(&self, base: &Params, rng: &mut dyn RngCore) -> Result<Params> {
        self.config.weights.validate(base)?;
        self.config.train.as_ref().map_or(Ok(()), |select| select.validate(base))?;
        let mut all = base.clone();
        for (name, w) in base.iter().filter(|(name, _)| self.config.weights.matches(name)) {
            let &[_, d, o] = w.dims() else {
                let what = format!("`{name}`, selected for LoRA,");
                return Err(Error::shape(what, w.dims(), "a matrix [M, D, O]"));
            };
            let mut factors = Builder::new(&mut *rng, w.dtype(), w.device());
            let r = self.config.rank;
            factors.draw("a", &[d, r], Init::LeCunNormal, Fans { input: d, output: r })?;
            factors.draw("b", &[r, o], Init::Zeros, Fans { input: r, output: o })?;
            all = all.merge(&factors.finish()?.prefixed(&format!("{PREFIX}.{name}"))?)?;
        }
        Ok(all)
    }

    /// What stays while the factors are trained: for [`Freezing::Always`](crate::Freezing::Always).
    #[must_use]
    pub fn frozen(&self) -> Select {
        let train = self.config.train.clone();
        Select::predicate(move |name| {
            !Select::prefix([PREFIX]).matches(name) && !train.as_ref().is_some_and(|select| select.matches(name))
        })
    }

    /// The parameters of the plain model, `W + (α/r) A B` in the place of W, as constants. They cost no more than the
    /// plain model's.
    ///
    /// # Errors
    /// If a factor is missing.
    pub fn merge(&self, params: &Params) -> Result<Params> {
        Ok(self.effective(params)?.detach())
    }

    fn effective(&self, params: &Params) -> rekindle_autodiff::Result<Params> {
        let (factors, base) = params.partition(|name| Select::prefix([PREFIX]).matches(name));
        let factors = factors.below(PREFIX)?;
        let scale = self.config.alpha / self.config.rank as f64;
        base.map_named(|name, w| {
            let trains = self.config.train.as_ref().is_some_and(|select| select.matches(name));
            let w = if trains { w.clone() } else { w.detach() };
            if !self.config.weights.matches(name) {
                return Ok(w);
            }
            let factor = |which| factors.get(&format!("{name}.{which}"));
            let product: Tensor = factor("a")?.matmul(factor("b")?)?; // [M, D, O]
            w.add(&product.scale(scale)?)
        })
    }
}

impl<N: Model> Model for Lora<N> {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> rekindle_nn::Result<Params> {
        let base = self.model.init(rng, dtype, device)?;
        self.attach(&base, rng).map_err(|error| match error {
            Error::Nn(error) => error,
            Error::Autodiff(error) => error.into(),
            other => rekindle_nn::Error::Config {
                field: "weights",
                value: format!("{:?} ({other})", self.config.weights),
                expected: "a selection of matrices of the model",
            },
        })
    }

    fn forward(&self, params: &Params, x: &Tensor, stats: NormStats) -> rekindle_nn::Result<Tensor> {
        self.model.forward(&self.effective(params)?, x, stats)
    }
}
