//! A network that is trained on the labels of one domain and pulled towards another.
//!
//! ```text
//! features  f = encoder(x)        label loss  L_y = cross-entropy(head(f_S), y_S)
//! L = L_y + alignment(f_S, f_T)
//! ```
//! With [`Alignment::Adversarial`] this is DANN (Ganin et al. 2016, eq. 9), where the alignment is the loss of a domain
//! classifier behind a gradient reversal; with [`Alignment::Coral`] Deep CORAL (Sun & Saenko 2016), with
//! [`Alignment::Mmd`] a deep adaptation network with one aligned layer (Long et al. 2015).
//!
//! Differs from eq. 9: the domain classifier's loss is the mean of both domains' losses where the paper adds them up, so that
//! λ = 2 weighs as much here as λ = 1 there.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::Model;
use rekindle_tasks::Batch;

use super::sizes::check_examples;
use super::{GaussianKernel, MmdEstimate, coral_loss, mmd, reverse_gradient};
use crate::Result;
use crate::error::not_negative;

/// What pulls the features of both domains together.
#[derive(Debug)]
pub enum Alignment {
    /// Nothing: training on the source alone.
    None,
    /// A classifier of domains `[M, B, F] → [M, B, 1]`, a logit of "target", whose gradient reaches the features
    /// reversed.
    Adversarial(Box<dyn Model>),
    /// [`coral_loss`] of the features times this weight, `≥ 0`.
    Coral(f64),
    /// [`mmd`] of the features (biased, so that it is never negative) times this weight, `≥ 0`.
    Mmd(f64, GaussianKernel),
}

/// An encoder, a head for labels, and what aligns the domains. Parameters: `encoder.…`, `head.…`, and `domain.…` for a
/// classifier of domains.
#[derive(Debug)]
pub struct DomainNet {
    encoder: Box<dyn Model>,
    head: Box<dyn Model>,
    alignment: Alignment,
}

/// The parts of the loss, `[M]` each. Their sum is what training descends.
#[derive(Clone, Debug)]
pub struct DomainLosses {
    /// Cross-entropy of the source's labels.
    pub label: Tensor,
    /// The alignment with its weight; for a domain classifier its binary cross-entropy, ½ of each domain: log 2 where it
    /// cannot tell the domains apart. `None` where nothing aligns.
    pub alignment: Option<Tensor>,
}

impl DomainLosses {
    /// What training descends, `[M]`.
    ///
    /// # Errors
    /// If the device cannot allocate it.
    pub fn total(&self) -> Result<Tensor> {
        Ok(match &self.alignment {
            Some(alignment) => self.label.add(alignment)?,
            None => self.label.clone(),
        })
    }
}

impl DomainNet {
    /// From an encoder `[M, B, …] → [M, B, F]` and a head `[M, B, F] → [M, B, N]`.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a weight below zero or a kernel that is not valid.
    pub fn new(encoder: Box<dyn Model>, head: Box<dyn Model>, alignment: Alignment) -> Result<Self> {
        match &alignment {
            Alignment::Coral(weight) => not_negative("weight", *weight)?,
            Alignment::Mmd(weight, kernel) => {
                not_negative("weight", *weight)?;
                kernel.validate()?;
            }
            Alignment::None | Alignment::Adversarial(_) => {}
        }
        Ok(Self { encoder, head, alignment })
    }

    /// Fresh shared parameters, `[1, …]`.
    ///
    /// # Errors
    /// As [`Model::init`].
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut params = self.encoder.init(rng, dtype, device)?.prefixed("encoder")?;
        params = params.merge(&self.head.init(rng, dtype, device)?.prefixed("head")?)?;
        if let Alignment::Adversarial(domain) = &self.alignment {
            params = params.merge(&domain.init(rng, dtype, device)?.prefixed("domain")?)?;
        }
        Ok(params)
    }

    /// Features `[M, B, F]` of inputs `x [M, B, …]`.
    ///
    /// # Errors
    /// If the shapes do not fit, or if a parameter is missing.
    pub fn features(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        Ok(self.encoder.forward(&params.below("encoder")?, x, NormStats::Batch)?)
    }

    /// Logits `[M, B, N]` of inputs `x [M, B, …]`.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn predict(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        self.classify(params, &self.features(params, x)?)
    }

    /// The losses of source examples `x [M, B, …]`, `y [M, B]` and target inputs `[M, B', …]`, with the reversal's factor λ
    /// (which no other alignment looks at).
    ///
    /// Each domain runs through the encoder as a batch of its own: with batch normalisation there, each is normalised with
    /// its own statistics (Li et al. 2018), as [`predict`](Self::predict) does with the inputs that it is given.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) for a domain without examples, or if the shapes do not fit.
    pub fn losses(&self, params: &Params, source: &Batch, target: &Value, lambda: f64) -> Result<DomainLosses> {
        let (n, n_target) = (source.x.dim(1)?, target.dim(1)?);
        check_examples("source domain", n)?;
        check_examples("target domain", n_target)?;
        let of_source = self.features(params, &Tensor::new(source.x.clone()))?;
        // Not computed where nothing looks at it.
        let of_target = || self.features(params, &Tensor::new(target.clone()));
        let label = self.classify(params, &of_source)?.cross_entropy(&source.y)?;
        let alignment = match &self.alignment {
            Alignment::None => None,
            Alignment::Coral(weight) => Some(coral_loss(&of_source, &of_target()?)?.scale(*weight)?),
            Alignment::Mmd(weight, kernel) => {
                Some(mmd(&of_source, &of_target()?, kernel, MmdEstimate::Biased)?.scale(*weight)?)
            }
            Alignment::Adversarial(domain) => {
                let features = Tensor::cat(&[&of_source, &of_target()?], 1)?;
                let reversed = reverse_gradient(&features, lambda)?;
                let logits = domain.forward(&params.below("domain")?, &reversed, NormStats::Batch)?;
                Some(domain_loss(&logits, [n, n_target])?)
            }
        };
        Ok(DomainLosses { label, alignment })
    }

    fn classify(&self, params: &Params, features: &Tensor) -> Result<Tensor> {
        Ok(self.head.forward(&params.below("head")?, features, NormStats::Batch)?)
    }
}

/// Binary cross-entropy `[M]` of logits `[M, B + B', 1]`, each domain with half of the weight whatever its size.
fn domain_loss(logits: &Tensor, [n, n_target]: [usize; 2]) -> Result<Tensor> {
    let of = |start, len, target: f64| -> Result<Tensor> {
        let logits = logits.narrow(1, start, len)?;
        let targets = logits.zeros_like()?.shift(target)?;
        Ok(logits.binary_cross_entropy(&targets)?)
    };
    Ok(of(0, n, 0.0)?.add(&of(n, n_target, 1.0)?)?.scale(0.5)?)
}
