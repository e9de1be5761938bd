//! Training on two domains: half of every batch from each.
//!
//! ```text
//! p = step / steps      λ_p = 2/(1 + e^(−γ p)) − 1      μ_p = μ₀ / (1 + 10 p)^0.75
//! ```
//! Ganin et al. 2016, §5.2.2: momentum 0.9, batches of 128, μ₀ = 0.01, γ = 10.

use candle_core::Tensor as Value;
use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_optim::{Schedule, Transform};
use rekindle_tasks::Batch;

use super::net::DomainNet;
use super::reversal::reversal_factor;
use super::sizes::check_examples;
use crate::descent::descend;
use crate::error::{not_negative, positive};
use crate::rows::{Rows, rows_of, take};
use crate::{Error, Result};

/// How [`adapt`] trains. Defaults: Ganin et al. 2016, §5.2.2, but for the steps, of which the paper says nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptConfig {
    /// Steps, `≥ 1`. Default 10 000.
    pub steps: u64,
    /// Examples of a batch, half from each domain, `≥ 2` and even. Default 128.
    pub batch: usize,
    /// How soon the reversed gradient counts: γ of [`reversal_factor`], `> 0`. Default 10.
    pub gamma: f64,
    /// What the factor grows to, `≥ 0`. Default 1.
    pub lambda: f64,
}

impl Default for AdaptConfig {
    fn default() -> Self {
        Self { steps: 10_000, batch: 128, gamma: 10.0, lambda: 1.0 }
    }
}

impl AdaptConfig {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the setting and its value, if not.
    pub fn validate(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::setting("steps", self.steps, "at least 1"));
        }
        if self.batch < 2 || !self.batch.is_multiple_of(2) {
            return Err(Error::setting("batch", self.batch, "even, and at least 2: half from each domain"));
        }
        positive("gamma", self.gamma)?;
        not_negative("lambda", self.lambda)
    }
}

/// The paper's rate, `μ₀ / (1 + 10 p)^0.75` after a share p of `steps`; μ₀ = 0.01 there.
#[must_use]
pub fn annealed_rate(initial: f64, steps: u64) -> Schedule {
    Schedule::custom(move |step| initial / libm::pow(1.0 + 10.0 * step as f64 / steps.max(1) as f64, 0.75))
}

/// What a step saw: means over the tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptStep {
    /// Its number, from 1.
    pub step: u64,
    /// Cross-entropy of the source's labels.
    pub label: f64,
    /// What aligns, with its weight; 0 where nothing does.
    pub alignment: f64,
    /// The reversal's factor λ_p.
    pub lambda: f64,
}

/// Trains a [`DomainNet`] from parameters `[1, …]` (or `[M, …]` for M problems at once) on source examples `x [M, B, …]`,
/// `y [M, B]` and target inputs `[M, B', …]`. Each domain is passed through in an order of its own, shuffled anew each
/// time; all tasks take the same rows. `watch` sees every step and answers whether to go on.
///
/// ```
/// use candle_core::{DType, Device, Tensor as Value};
/// use rand::SeedableRng;
/// use rekindle_nn::{Mlp, MlpConfig};
/// use rekindle_optim::Momentum;
/// use rekindle_tasks::Batch;
/// use rekindle_transfer::domain::{AdaptConfig, Alignment, DomainNet, adapt, annealed_rate};
///
/// let mlp = |sizes: &[usize]| Mlp::new(&MlpConfig { sizes: sizes.to_vec(), ..MlpConfig::default() });
/// let net = DomainNet::new(Box::new(mlp(&[2, 8])?), Box::new(mlp(&[8, 2])?), Alignment::Adversarial(Box::new(mlp(&[8, 8, 1])?)))?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let params = net.init(&mut rng, DType::F32, &Device::Cpu)?;
/// let source = Batch { x: Value::ones((1, 6, 2), DType::F32, &Device::Cpu)?, y: Value::zeros((1, 6), DType::U32, &Device::Cpu)? };
/// let target = Value::zeros((1, 4, 2), DType::F32, &Device::Cpu)?;
/// let config = AdaptConfig { steps: 3, batch: 4, ..AdaptConfig::default() };
/// let optimiser = Momentum::new(annealed_rate(0.01, config.steps));
/// let adapted = adapt(&net, &params, (&source, &target), &optimiser, &config, &mut rng, &mut |_| Ok(true))?;
/// adapted.check_like(&params)?;
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] for a domain without examples; [`Error::Setting`] for settings out of range;
/// [`Error::NotFinite`] when the loss is no longer a number; if shapes do not fit; and whatever `watch` answers.
pub fn adapt(
    net: &DomainNet,
    params: &Params,
    (source, target): (&Batch, &Value),
    optimiser: &dyn Transform,
    config: &AdaptConfig,
    rng: &mut dyn RngCore,
    watch: &mut dyn FnMut(&AdaptStep) -> Result<bool>,
) -> Result<Params> {
    config.validate()?;
    check_examples("source domain", source.x.dim(1)?)?;
    check_examples("target domain", target.dim(1)?)?;
    let half = config.batch / 2;
    let mut sources = Rows::new(source.x.dim(1)?, rng.next_u64());
    let mut targets = Rows::new(target.dim(1)?, rng.next_u64());
    let (mut params, mut state) = (params.detach(), optimiser.init(params)?);
    for step in 0..config.steps {
        let lambda = config.lambda * reversal_factor(step as f64 / config.steps as f64, config.gamma);
        let batch = take(source, &sources.next(half))?;
        let inputs = rows_of(target, &targets.next(half))?;
        let (mut label, mut alignment) = (0.0, 0.0);
        (params, state, _) = descend(optimiser, &params, &state, |leaves| {
            let losses = net.losses(leaves, &batch, &inputs, lambda)?;
            label = losses.label.detach().mean_all()?.to_f64()?;
            alignment = losses.alignment.as_ref().map_or(Ok(0.0), |loss| loss.detach().mean_all()?.to_f64())?;
            losses.total()
        })?;
        if !watch(&AdaptStep { step: step + 1, label, alignment, lambda })? {
            break;
        }
    }
    Ok(params)
}
