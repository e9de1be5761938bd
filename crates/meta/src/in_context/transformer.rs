//! A transformer that learns from the examples in its context, without any change of its weights.
//!
//! ```text
//! interleaved:  x₁ y₁ x₂ y₂ … x_S y_S x      joined:  (x₁, y₁) (x₂, y₂) … (x_S, y_S) (x, ?)
//! ```
//! and the output at the last token is the answer. Interleaved tokens are those of Garg, Tsipras, Liang & Valiant, *What
//! Can Transformers Learn In-Context?*, 2022, which trains on the squared error of the answers after all prefixes of a
//! sequence; joined ones those of the few-shot learners after Mishra et al. 2018. A joined token has a mark for "the target
//! is not known", which a target of zero would not tell.
//!
//! The state after a support set is the cache of keys and values, so queries cost one step each. Differs from Garg et
//! al.: targets are padded to the longer of the two, not x's length, where they are longer than the inputs.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_nn::{Builder, Init, KvCache, Layer, Linear, Look, Transformer, TransformerConfig};

use crate::model_based::{BlackBox, Examples, Prequential, Targets, at_least_one, over_all};
use crate::{Error, Loss, Result};

/// How examples become tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Input and target are tokens of their own, both padded with zeros to the longer one: S examples and a query are
    /// 2S + 1 tokens.
    Interleaved,
    /// Input and target are one token: S examples and a query are S + 1. Easier to learn from, since a query finds the
    /// target where it finds the input.
    Joined,
}

/// Shape of an [`InContext`] learner.
#[derive(Clone, Copy, Debug)]
pub struct InContextConfig {
    /// Features F of an example, `≥ 1`.
    pub inputs: usize,
    /// What is learned.
    pub targets: Targets,
    /// How examples become tokens.
    pub tokens: Tokens,
    /// The transformer; its `context` bounds the number of tokens.
    pub transformer: TransformerConfig,
    /// Whether training counts the answers for the support examples, too, each after those before it, as Garg et al. do.
    pub every_prefix: bool,
}

impl InContextConfig {
    /// The "small" model of Garg et al. 2022, for prompts of 101 pairs of `inputs` numbers and one target.
    #[must_use]
    pub fn functions(inputs: usize) -> Self {
        Self {
            inputs,
            targets: Targets::Values(1),
            tokens: Tokens::Interleaved,
            transformer: TransformerConfig::small(),
            every_prefix: true,
        }
    }

    /// A classifier of features, with joined tokens and the "tiny" transformer; not a published setting.
    #[must_use]
    pub fn classes(inputs: usize, ways: usize) -> Self {
        Self {
            inputs,
            targets: Targets::Classes(ways),
            tokens: Tokens::Joined,
            transformer: TransformerConfig::tiny(),
            every_prefix: false,
        }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// Naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("inputs", self.inputs)])?;
        self.targets.validate()?;
        Ok(self.transformer.validate()?)
    }

    /// Numbers of a token.
    fn token(&self) -> usize {
        match self.tokens {
            Tokens::Interleaved => self.inputs.max(self.targets.size()),
            Tokens::Joined => self.inputs + self.targets.size() + 1,
        }
    }
}

/// A transformer that learns in context; [`BlackBoxLearner`](crate::BlackBoxLearner) makes a meta-learner of it.
///
/// Parameters: `read.weight`, `read.bias`, those of [`Transformer`] below `transformer`, `head.weight`, `head.bias`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_meta::{BlackBoxLearner, InContext, InContextConfig, MetaLearner, Setting};
/// use rekindle_tasks::{FunctionTasks, TaskSampler};
///
/// let learner = BlackBoxLearner::new(InContext::new(InContextConfig::functions(5))?);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let params = learner.init(&mut rng, DType::F32, &Device::Cpu)?;
/// let tasks = FunctionTasks::linear(5, 10).sample(&mut rng, 3)?; // ten pairs in each of three prompts
/// let prompt = learner.adapt(&params, &tasks.support)?;
/// let answers = learner.predict(&prompt, &tasks.support, &tasks.query.x, Setting::Inductive)?;
/// assert_eq!(answers.dims(), [3, 1, 1]);
/// # Ok::<(), rekindle_meta::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InContext {
    config: InContextConfig,
    read: Linear,
    transformer: Transformer,
    head: Linear,
}

impl InContext {
    /// A learner of this shape.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: InContextConfig) -> Result<Self> {
        config.validate()?;
        let width = config.transformer.width;
        let linear = |name, from, to| Linear::new(name, from, to, Init::FanInUniform, Some(Init::FanInUniform));
        Ok(Self {
            read: linear("read", config.token(), width)?,
            transformer: Transformer::new("transformer", config.transformer)?,
            head: linear("head", width, config.targets.size())?,
            config,
        })
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &InContextConfig {
        &self.config
    }

    /// Outputs `[M, T, D]` of the transformer for tokens `[M, T, W]` after those in the cache.
    fn extend(
        &self,
        params: &Params,
        tokens: &Tensor,
        past: Option<&KvCache>,
        look: Look,
    ) -> Result<(Tensor, KvCache)> {
        let x = self.read.forward(params, tokens)?.unsqueeze(1)?; // [M, 1, T, D]
        let (y, cache) = self.transformer.extend(params, &x, past, look)?;
        Ok((y.squeeze(1)?, cache))
    }

    /// Tokens of examples whose targets are known: `[M, 2B, W]` or `[M, B, W]`.
    fn known(&self, x: &Tensor, y: &Value) -> Result<Tensor> {
        let targets = self.config.targets.encode(y, x)?;
        match self.config.tokens {
            Tokens::Interleaved => {
                let &[m, b, _] = x.dims() else { return Err(misfit(x)) };
                let w = self.config.token();
                Ok(Tensor::stack(&[&widen(x, w)?, &widen(&targets, w)?], 2)?.reshape((m, 2 * b, w))?)
            }
            Tokens::Joined => widen(&Tensor::cat(&[x, &targets], 2)?, self.config.token()),
        }
    }

    /// Tokens `[M, B, W]` of examples whose targets are asked for.
    fn asked(&self, x: &Tensor) -> Result<Tensor> {
        let &[m, b, _] = x.dims() else { return Err(misfit(x)) };
        let w = self.config.token();
        match self.config.tokens {
            Tokens::Interleaved => widen(x, w),
            Tokens::Joined => {
                let mark = Tensor::ones((m, b, 1), x.dtype(), x.device())?;
                Ok(Tensor::cat(&[&widen(x, w - 1)?, &mark], 2)?)
            }
        }
    }

    /// Answers `[M, T, O]` after the prefixes of a sequence, from the outputs at its tokens and its cache.
    fn on_the_way(&self, params: &Params, x: &Tensor, outputs: &Tensor, cache: &KvCache) -> Result<Tensor> {
        let answers = match self.config.tokens {
            Tokens::Interleaved => {
                let &[m, tokens, d] = outputs.dims() else { unreachable!("outputs have three axes") };
                outputs.reshape((m, tokens / 2, 2, d))?.narrow(2, 0, 1)?.squeeze(2)?
            }
            Tokens::Joined => self.extend(params, &self.asked(x)?, Some(cache), Look::Prefixes)?.0,
        };
        Ok(self.head.forward(params, &answers)?)
    }

    fn next(&self, params: &Params, cache: &KvCache, x: &Tensor) -> Result<Tensor> {
        let outputs = self.extend(params, &self.asked(x)?, Some(cache), Look::Alone)?.0;
        Ok(self.head.forward(params, &outputs)?)
    }
}

/// Zeros behind the features `[M, B, F]`, so that there are `width`.
fn widen(x: &Tensor, width: usize) -> Result<Tensor> {
    match x.dims() {
        &[_, _, f] if f <= width => Ok(x.pad(2, 0, width - f)?),
        _ => Err(misfit(x)),
    }
}

fn misfit(x: &Tensor) -> Error {
    Error::Batch { message: format!("examples {:?} do not fit the learner, which takes [M, B, F]", x.dims()) }
}

impl BlackBox for InContext {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        self.read.draw(&mut builder)?;
        self.transformer.draw(&mut builder)?;
        self.head.draw(&mut builder)?;
        Ok(builder.finish()?)
    }

    fn observe(&self, params: &Params, support: Examples<'_>) -> Result<Params> {
        let tokens = self.known(support.x, support.y)?;
        Ok(self.extend(params, &tokens, None, Look::Causal)?.1.to_params()?)
    }

    fn answer(&self, params: &Params, state: &Params, x: &Tensor) -> Result<Tensor> {
        self.next(params, &KvCache::from_params(state, self.config.transformer.layers)?, x)
    }

    fn loss(&self) -> Loss {
        self.config.targets.loss()
    }

    fn objective(&self, params: &Params, support: Examples<'_>, query: Examples<'_>) -> Result<Tensor> {
        // One pass over examples and queries: two would cost nearly twice as much where the prompts are short.
        let (tokens, queries) = (self.known(support.x, support.y)?, query.x.dim(1)?);
        let seen = tokens.dim(1)?;
        let tokens = Tensor::cat(&[&tokens, &self.asked(query.x)?], 1)?;
        let (outputs, cache) = self.extend(params, &tokens, None, Look::Ends(queries))?;
        let asked = self.head.forward(params, &outputs.narrow(1, seen, queries)?)?;
        let asked = self.loss().per_task(&asked, query.y)?;
        if !self.config.every_prefix {
            return Ok(asked);
        }
        let on_the_way = self.on_the_way(params, support.x, &outputs.narrow(1, 0, seen)?, &cache)?;
        let on_the_way = self.loss().per_task(&on_the_way, support.y)?;
        over_all((&on_the_way, support.x.dim(1)?), (&asked, query.x.dim(1)?))
    }
}

impl Prequential for InContext {
    fn outputs(&self, params: &Params, sequence: Examples<'_>) -> Result<Tensor> {
        let tokens = self.known(sequence.x, sequence.y)?;
        let (outputs, cache) = self.extend(params, &tokens, None, Look::Causal)?;
        self.on_the_way(params, sequence.x, &outputs, &cache)
    }
}
