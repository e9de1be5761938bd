//! What is believed about the rewards and transitions of a finite MDP.
//!
//! ```text
//! R(s, a) ~ N(μ, 1/τ),   r ~ N(R, 1/τ_r):      μ ← (τ μ + τ_r r) / (τ + τ_r),  τ ← τ + τ_r
//! P(· | s, a) ~ Dirichlet(α):                  α_s' ← α_s' + 1
//! ```
//! All rows (s, a) are independent.

use rand::RngCore;
use rekindle_envs::random;

use super::{Experience, Model, Sizes};
use crate::{Error, Result};

/// What is believed before anything was seen. The four constructors are those of the published baselines and the right
/// one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Mean μ₀ of the mean rewards.
    pub reward_mean: f64,
    /// Precision τ₀ of the mean rewards, `> 0`.
    pub reward_precision: f64,
    /// Precision τ_r of a reward around its mean, `> 0`.
    pub noise_precision: f64,
    /// Concentration α₀ of the transitions, `> 0`.
    pub concentration: f64,
    /// Whether the transition of an episode's last step is counted.
    pub count_last: bool,
}

impl Prior {
    /// Mean 0 with precision 1, flat Dirichlet, no counting of last transitions: the defaults of TabulaRL (Osband). With
    /// them PSRL, OPSRL and BEB reproduce the published figures of RL², although mean rewards there are N(1, 1).
    pub const fn published() -> Self {
        let (reward_mean, count_last) = (0.0, false);
        Self { reward_mean, reward_precision: 1.0, noise_precision: 1.0, concentration: 1.0, count_last }
    }

    /// Mean 0 with almost no weight, τ₀ = α₀ = 1e-4: the published greedy and ε-greedy agents.
    pub const fn published_greedy() -> Self {
        Self { reward_precision: 1e-4, concentration: 1e-4, ..Self::published() }
    }

    /// Mean 0 with almost no weight, τ₀ = 1e-4, α₀ = 1e-5: the published UCRL2.
    pub const fn published_ucrl2() -> Self {
        Self { reward_precision: 1e-4, concentration: 1e-5, ..Self::published() }
    }

    /// The distribution that RL²'s MDPs are drawn from: mean 1 with precision 1, flat Dirichlet; every transition counts.
    pub const fn right() -> Self {
        Self { reward_mean: 1.0, count_last: true, ..Self::published() }
    }

    /// Refuses what is no distribution.
    ///
    /// # Errors
    /// [`Error::AgentSetting`].
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("reward_precision", self.reward_precision),
            ("noise_precision", self.noise_precision),
            ("concentration", self.concentration),
        ];
        for (field, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::agent(field, value, "a finite number above 0"));
            }
        }
        if !self.reward_mean.is_finite() {
            return Err(Error::agent("reward_mean", self.reward_mean, "a finite number"));
        }
        Ok(())
    }
}

/// What is believed now.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    prior: Prior,
    sizes: Sizes,
    /// `[S, A]`.
    means: Vec<f64>,
    /// `[S, A]`.
    precisions: Vec<f64>,
    /// `[S, A, S]`.
    counts: Vec<f64>,
    /// Sums of the rows of `counts`, `[S, A]`.
    weights: Vec<f64>,
}

impl Posterior {
    /// Nothing seen yet.
    ///
    /// # Errors
    /// [`Error::AgentSetting`] for a wrong prior, [`Error::NothingToPlay`] for sizes of zero.
    pub fn new(prior: Prior, sizes: Sizes) -> Result<Self> {
        prior.validate()?;
        sizes.validate()?;
        let rows = sizes.states * sizes.actions;
        Ok(Self {
            prior,
            sizes,
            means: vec![prior.reward_mean; rows],
            precisions: vec![prior.reward_precision; rows],
            counts: vec![prior.concentration; rows * sizes.states],
            weights: vec![prior.concentration * sizes.states as f64; rows],
        })
    }

    /// Bayes' rule for one step.
    pub fn observe(&mut self, step: Experience) {
        let row = step.state * self.sizes.actions + step.action;
        let (before, noise) = (self.precisions[row], self.prior.noise_precision);
        self.precisions[row] = before + noise;
        self.means[row] = (self.means[row] * before + step.reward * noise) / self.precisions[row];
        if !step.last || self.prior.count_last {
            self.counts[row * self.sizes.states + step.next] += 1.0;
            self.weights[row] += 1.0;
        }
    }

    /// What was believed at first.
    pub fn prior(&self) -> Prior {
        self.prior
    }

    /// Sizes of the MDP.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Mean rewards μ, `[S, A]`.
    pub fn reward_means(&self) -> &[f64] {
        &self.means
    }

    /// Precisions τ of the mean rewards, `[S, A]`.
    pub fn reward_precisions(&self) -> &[f64] {
        &self.precisions
    }

    /// Σ α of every row, `[S, A]`.
    pub fn transition_weights(&self) -> &[f64] {
        &self.weights
    }

    /// Writes the mean transitions, `[S, A, S]`.
    pub fn mean_transitions(&self, out: &mut Vec<f64>) {
        out.clear();
        let rows = self.counts.chunks_exact(self.sizes.states).zip(&self.weights);
        rows.for_each(|(counts, weight)| out.extend(counts.iter().map(|alpha| alpha / weight)));
    }

    /// Tables of this MDP's sizes as a model.
    pub(super) fn model<'a>(&self, transitions: &'a [f64], rewards: &'a [f64]) -> Model<'a> {
        Model { states: self.sizes.states, actions: self.sizes.actions, transitions, rewards }
    }

    /// Draws an MDP: transitions `[S, A, S]` and mean rewards `[S, A]`.
    pub fn draw(&self, rng: &mut dyn RngCore, transitions: &mut Vec<f64>, rewards: &mut Vec<f64>) {
        rewards.clear();
        rewards.extend(self.means.iter().zip(&self.precisions).map(|(m, tau)| m + random::normal(rng) / tau.sqrt()));
        transitions.clear();
        transitions.extend(self.counts.iter().map(|&alpha| gamma(rng, alpha)));
        for row in transitions.chunks_exact_mut(self.sizes.states) {
            let sum: f64 = row.iter().sum();
            let n = row.len() as f64;
            // Tiny concentrations can underflow to a row of zeros.
            row.iter_mut().for_each(|p| *p = if sum > 0.0 { *p / sum } else { 1.0 / n });
        }
    }
}

/// Gamma with shape α. Counts are small whole numbers, for which one logarithm of a product of uniforms does.
fn gamma(rng: &mut dyn RngCore, alpha: f64) -> f64 {
    if alpha.fract() == 0.0 && alpha <= 8.0 {
        let product = (0..alpha as usize).fold(1.0, |product, _| product * (1.0 - random::unit_f64(rng)));
        return -libm::log(product);
    }
    random::gamma(rng, alpha)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_envs::stream_rng;

    /// Shape 3 and shape 12 take different ways; both have mean and variance α.
    #[test]
    fn gammas_have_their_moments() {
        for alpha in [3.0, 12.0] {
            let rng = &mut stream_rng(1, 0);
            let draws: Vec<f64> = (0..40_000).map(|_| gamma(rng, alpha)).collect();
            let mean = draws.iter().sum::<f64>() / 40_000.0;
            let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 40_000.0;
            assert!((mean - alpha).abs() < 4.0 * (alpha / 40_000.0).sqrt(), "mean {mean}");
            assert!((variance / alpha - 1.0).abs() < 0.05, "variance {variance}");
        }
    }
}
