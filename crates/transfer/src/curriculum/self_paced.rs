//! Self-paced learning: easy examples first, where easy is what the student finds easy.
//!
//! ```text
//! min over θ, v in {0, 1}ⁿ of  Σ_i v_i L_i(θ) − (1/κ) Σ_i v_i      ⇒  v_i = 1 where L_i < 1/κ
//! ```
//! Kumar, Packer & Koller, *Self-Paced Learning for Latent Variable Models*, 2010, eq. 3 and Algorithm 1: the threshold 1/κ
//! begins where half of the examples are in, and grows by a factor of 1.3 each round until all are.

use candle_core::{Device, Tensor as Value};
use rekindle_autodiff::Tensor;

use crate::{Error, Result};

/// Settings of [`SelfPaced`]. Defaults: the paper's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfPacedConfig {
    /// The share of examples of the first round, in `(0, 1]`. Default 0.5.
    pub initial_share: f64,
    /// What the threshold is multiplied with after each round, `> 1`. Default 1.3.
    pub growth: f64,
}

impl Default for SelfPacedConfig {
    fn default() -> Self {
        Self { initial_share: 0.5, growth: 1.3 }
    }
}

impl SelfPacedConfig {
    /// Whether both are in their range.
    ///
    /// # Errors
    /// [`Error::Setting`] if not.
    pub fn validate(&self) -> Result<()> {
        if !(self.initial_share > 0.0 && self.initial_share <= 1.0) {
            return Err(Error::setting("initial_share", self.initial_share, "in (0, 1]"));
        }
        if !(self.growth > 1.0 && self.growth.is_finite()) {
            return Err(Error::setting("growth", self.growth, "a finite number above 1"));
        }
        Ok(())
    }
}

/// The threshold of self-paced learning, and what it selects.
///
/// ```
/// use rekindle_autodiff::Tensor;
/// use rekindle_transfer::curriculum::{SelfPaced, SelfPacedConfig};
///
/// let losses = Tensor::from_vec(vec![0.1f64, 3.0, 0.4, 1.0], (1, 4))?; // [M, B]
/// let mut pace = SelfPaced::start(SelfPacedConfig::default(), &losses.to_vec_f64()?)?;
/// let (loss, share) = pace.loss(&losses)?; // the easier half: (0.1 + 0.4) / 2
/// assert_eq!((loss.to_f64()?, share), (0.25, 0.5));
/// (0..10).for_each(|_| pace.next_round());
/// assert_eq!(pace.loss(&losses)?.1, 1.0);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfPaced {
    config: SelfPacedConfig,
    threshold: f64,
}

impl SelfPaced {
    /// With a threshold that lets in the initial share of examples with these losses, at least one of them.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, without losses, or for one that is negative or not finite.
    pub fn start(config: SelfPacedConfig, losses: &[f64]) -> Result<Self> {
        config.validate()?;
        if losses.is_empty() || !losses.iter().all(|&loss| loss >= 0.0 && loss.is_finite()) {
            let value = format!("{} losses", losses.len());
            return Err(Error::setting("losses", value, "at least one, all finite and at least 0"));
        }
        let mut sorted = losses.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = ((config.initial_share * sorted.len() as f64).round() as usize).max(1);
        // Half-way to the first that stays out, so that those let in are strictly below.
        let last = sorted[n - 1];
        let threshold = sorted.get(n).map_or(2.0 * last, |next| 0.5 * (last + next));
        Ok(Self { config, threshold: threshold.max(f64::MIN_POSITIVE) })
    }

    /// The threshold 1/κ.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// After a round: more examples may come in.
    pub fn next_round(&mut self) {
        self.threshold *= self.config.growth;
    }

    /// The mean `[M]` over each task's selected examples of losses `[M, B]`, and the share of all examples that is selected.
    /// A task without any has loss 0. Which are selected is a constant: no gradient passes.
    ///
    /// # Errors
    /// [`Error::Shape`] for another rank.
    pub fn loss(&self, losses: &Tensor) -> Result<(Tensor, f64)> {
        let &[m, b] = losses.dims() else { return Err(Error::shape("the losses", losses.dims(), "[M, B]")) };
        let all = losses.to_vec_f64()?;
        let mut weights = vec![0.0; m * b];
        let mut n_selected = 0;
        for (weights, losses) in weights.chunks_mut(b.max(1)).zip(all.chunks(b.max(1))) {
            let selected = losses.iter().filter(|loss| **loss < self.threshold).count();
            n_selected += selected;
            let each = 1.0 / selected.max(1) as f64;
            weights.iter_mut().zip(losses).for_each(|(w, loss)| *w = if *loss < self.threshold { each } else { 0.0 });
        }
        let weights = Value::from_vec(weights, (m, b), &Device::Cpu)?.to_dtype(losses.dtype())?;
        let weighted = losses.mul(&Tensor::new(weights.to_device(losses.device())?))?;
        Ok((weighted.sum(&[1])?, n_selected as f64 / (m * b).max(1) as f64))
    }
}
