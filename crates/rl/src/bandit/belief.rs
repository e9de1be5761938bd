//! What an agent believes about one arm: a conjugate prior, and the posterior after what it has seen.
//!
//! ```text
//! Bernoulli   θ ~ Beta(a, b)       a ← a + r,  b ← b + 1 − r
//! Gaussian    θ ~ N(m, 1/τ)        m ← (τ m + τ₀ r) / (τ + τ₀),  τ ← τ + τ₀
//! ```

use std::fmt;

use rand::RngCore;
use rekindle_envs::random;

use crate::{Error, Result};

/// A distribution over the mean reward of an arm, which observations sharpen.
pub trait Belief: Copy + fmt::Debug + Send + Sync {
    /// Refuses what is no distribution.
    ///
    /// # Errors
    /// [`Error::AgentSetting`].
    fn validate(&self) -> Result<()>;

    /// Posterior mean.
    fn mean(&self) -> f64;

    /// How many observations the belief is worth, the prior's share included.
    fn weight(&self) -> f64;

    /// A draw from the posterior.
    fn draw(&self, rng: &mut dyn RngCore) -> f64;

    /// Bayes' rule for one reward.
    ///
    /// # Errors
    /// [`Error::ImpossibleReward`].
    fn observe(&mut self, reward: f64) -> Result<()>;
}

/// Belief about an arm that pays 0 or 1. Default: Beta(1, 1), one success and one failure, as in RL².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaBelief {
    /// a, `> 0`: successes seen or imagined.
    pub successes: f64,
    /// b, `> 0`: failures seen or imagined.
    pub failures: f64,
}

impl Default for BetaBelief {
    fn default() -> Self {
        Self { successes: 1.0, failures: 1.0 }
    }
}

impl Belief for BetaBelief {
    fn validate(&self) -> Result<()> {
        let valid = |x: f64| x > 0.0 && x.is_finite();
        if valid(self.successes) && valid(self.failures) {
            return Ok(());
        }
        let value = format!("Beta({}, {})", self.successes, self.failures);
        Err(Error::agent("prior", value, "a Beta distribution with both numbers above 0"))
    }

    fn mean(&self) -> f64 {
        self.successes / (self.successes + self.failures)
    }

    fn weight(&self) -> f64 {
        self.successes + self.failures
    }

    fn draw(&self, rng: &mut dyn RngCore) -> f64 {
        random::beta(rng, self.successes, self.failures)
    }

    fn observe(&mut self, reward: f64) -> Result<()> {
        *(if paid(reward)? { &mut self.successes } else { &mut self.failures }) += 1.0;
        Ok(())
    }
}

/// Whether an arm that pays 0 or 1 did pay.
pub(super) fn paid(reward: f64) -> Result<bool> {
    if reward == 0.0 || reward == 1.0 {
        return Ok(reward == 1.0);
    }
    Err(Error::ImpossibleReward { reward, belief: "a Beta belief", expected: "0 or 1" })
}

/// Counts a reward of 0 or 1 for arms that are known by their successes and failures.
pub(super) fn count<T: std::ops::AddAssign + From<u8>>(arms: &mut [[T; 2]], arm: usize, reward: f64) -> Result<()> {
    let outcome = usize::from(!paid(reward)?);
    arms.get_mut(arm).ok_or_else(|| no_such_arm(arm))?[outcome] += T::from(1);
    Ok(())
}

fn no_such_arm(arm: usize) -> Error {
    Error::agent("arm", arm, "below the number of arms that the agent began with")
}

/// Belief about an arm that pays normally distributed rewards of known spread. Default: N(0, 1), noise of deviation 1,
/// which is what [`GaussianBandits`](rekindle_envs::GaussianBandits) draws by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalBelief {
    /// m: mean.
    pub mean: f64,
    /// τ, `> 0`: precision, one over the variance.
    pub precision: f64,
    /// τ₀, `> 0`: precision of one reward.
    pub noise_precision: f64,
}

impl Default for NormalBelief {
    fn default() -> Self {
        Self { mean: 0.0, precision: 1.0, noise_precision: 1.0 }
    }
}

impl Belief for NormalBelief {
    fn validate(&self) -> Result<()> {
        let valid = |x: f64| x > 0.0 && x.is_finite();
        if valid(self.precision) && valid(self.noise_precision) && self.mean.is_finite() {
            return Ok(());
        }
        let value = format!("N({}, 1/{}) with noise 1/{}", self.mean, self.precision, self.noise_precision);
        Err(Error::agent("prior", value, "a finite mean and two precisions above 0"))
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn weight(&self) -> f64 {
        self.precision / self.noise_precision
    }

    fn draw(&self, rng: &mut dyn RngCore) -> f64 {
        self.mean + random::normal(rng) / self.precision.sqrt()
    }

    fn observe(&mut self, reward: f64) -> Result<()> {
        if !reward.is_finite() {
            return Err(Error::ImpossibleReward { reward, belief: "a normal belief", expected: "a finite number" });
        }
        let precision = self.precision + self.noise_precision;
        self.mean = (self.mean * self.precision + reward * self.noise_precision) / precision;
        self.precision = precision;
        Ok(())
    }
}

/// One belief an arm, all from the same prior.
#[derive(Clone, Debug)]
pub(super) struct Beliefs<B> {
    prior: B,
    pub(super) arms: Vec<B>,
}

impl<B: Belief> Beliefs<B> {
    pub(super) fn new(prior: B) -> Self {
        Self { prior, arms: Vec::new() }
    }

    pub(super) fn begin(&mut self, n_arms: usize, horizon: usize) -> Result<()> {
        super::agent::check_sizes(n_arms, horizon)?;
        self.prior.validate()?;
        self.arms.clear();
        self.arms.resize(n_arms, self.prior);
        Ok(())
    }

    pub(super) fn observe(&mut self, arm: usize, reward: f64) -> Result<()> {
        self.arms.get_mut(arm).ok_or_else(|| no_such_arm(arm))?.observe(reward)
    }
}
