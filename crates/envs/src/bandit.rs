//! Multi-armed bandits: every arm pays at random, with a mean that nobody tells.
//!
//! ```text
//! Bernoulli   p_i ~ Beta(a, b),     r ~ Bernoulli(p_i)
//! Gaussian    μ_i ~ N(μ, σ²),       r ~ N(μ_i, s²)
//! ```
//! A pull is an episode of one step, so a trial of n pulls is `family.trials(n)`. There is nothing to observe: the
//! observation space is `Discrete(1)`. Bernoulli arms with p ~ U[0, 1] = Beta(1, 1) are those of Duan et al., *RL²*,
//! 2016, §3.1.

use std::sync::Arc;

use rand::RngCore;

use crate::{Action, Env, EnvFamily, Error, Result, Space, Transition, random};

/// Bandits whose arms pay 0 or 1. Default: five arms, probabilities uniform.
#[derive(Clone, Debug, PartialEq)]
pub struct BernoulliBandits {
    /// Number of arms, `>= 1`.
    pub arms: usize,
    /// Parameters a and b of the Beta distribution of the arms' probabilities, `> 0`.
    pub prior: [f64; 2],
}

impl Default for BernoulliBandits {
    fn default() -> Self {
        Self::uniform(5)
    }
}

impl BernoulliBandits {
    /// Arms with probabilities from U[0, 1].
    pub const fn uniform(arms: usize) -> Self {
        Self { arms, prior: [1.0, 1.0] }
    }
}

/// Bandits whose arms pay real numbers. Default: five arms, μ_i ~ N(0, 1), r ~ N(μ_i, 1).
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianBandits {
    /// Number of arms, `>= 1`.
    pub arms: usize,
    /// Mean μ of the arms' means.
    pub mean: f64,
    /// Standard deviation σ of the arms' means, `>= 0`.
    pub deviation: f64,
    /// Standard deviation s of a reward, `>= 0`.
    pub noise: f64,
}

impl Default for GaussianBandits {
    fn default() -> Self {
        Self { arms: 5, mean: 0.0, deviation: 1.0, noise: 1.0 }
    }
}

impl EnvFamily for BernoulliBandits {
    /// The arms' probabilities.
    type Task = Arc<[f64]>;
    type Env = Bandit;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        check_arms(self.arms)?;
        let [a, b] = self.prior;
        if !(a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite()) {
            return Err(Error::config("prior", format!("Beta({a}, {b})"), "two numbers above 0"));
        }
        Ok((0..self.arms).map(|_| random::beta(rng, a, b)).collect())
    }

    fn make(&self, task: &Self::Task) -> Result<Bandit> {
        check_arms(task.len())?;
        check_means(task, |p| (0.0..=1.0).contains(&p), "probabilities")?;
        Ok(Bandit { means: task.clone(), pay: Pay::Bernoulli })
    }
}

impl EnvFamily for GaussianBandits {
    /// The arms' means.
    type Task = Arc<[f64]>;
    type Env = Bandit;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        check_arms(self.arms)?;
        check_deviation("deviation", self.deviation)?;
        Ok((0..self.arms).map(|_| self.mean + self.deviation * random::normal(rng)).collect())
    }

    fn make(&self, task: &Self::Task) -> Result<Bandit> {
        check_arms(task.len())?;
        check_means(task, f64::is_finite, "finite numbers")?;
        check_deviation("noise", self.noise)?;
        Ok(Bandit { means: task.clone(), pay: Pay::Gaussian { noise: self.noise } })
    }
}

fn check_arms(arms: usize) -> Result<()> {
    if arms == 0 { Err(Error::config("arms", arms, "at least 1")) } else { Ok(()) }
}

fn check_means(means: &[f64], right: impl Fn(f64) -> bool, expected: &'static str) -> Result<()> {
    match means.iter().find(|mean| !right(**mean)) {
        Some(mean) => Err(Error::config("means", format!("{mean} for one arm"), expected)),
        None => Ok(()),
    }
}

/// Deviations are finite and not negative.
pub(crate) fn check_deviation(field: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() { Ok(()) } else { Err(Error::config(field, value, "at least 0")) }
}

/// How an arm pays.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pay {
    Bernoulli,
    Gaussian { noise: f64 },
}

/// One bandit. Made by [`BernoulliBandits`] or [`GaussianBandits`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bandit {
    means: Arc<[f64]>,
    pay: Pay,
}

impl Bandit {
    /// The mean reward of every arm.
    pub fn means(&self) -> &[f64] {
        &self.means
    }
}

impl Env for Bandit {
    fn observation_space(&self) -> Space {
        Space::discrete(1)
    }

    fn action_space(&self) -> Space {
        Space::discrete(self.means.len())
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        obs.fill(0.0);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let mean = self.means[action.index(self.means.len())?];
        obs.fill(0.0);
        let reward = match self.pay {
            Pay::Bernoulli => f32::from(u8::from(random::unit_f64(rng) < mean)),
            Pay::Gaussian { noise } => (mean + noise * random::normal(rng)) as f32,
        };
        Ok(Transition::new(reward, true))
    }
}
