//! The cross-entropy method: search for the numbers of a policy by what they earn.
//!
//! ```text
//! x_i ~ N(μ, diag σ²)        μ, σ² ← mean and variance of the best of them, and Z_t added to σ²
//! ```
//! Szita & Lőrincz, *Learning Tetris using the noisy cross-entropy method*, 2006, with a constant Z. It asks for scores alone, so
//! that a score may be anything: a mean over bodies that are drawn anew each time is domain randomisation
//! ([`RandomCartPoles`](rekindle_envs::RandomCartPoles)).

use rand::RngCore;
use rekindle_envs::random::normal;

use crate::error::{not_negative, positive};
use crate::{Error, Result};

/// Settings of [`cross_entropy`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropyConfig {
    /// Iterations, `>= 1`. Default 20.
    pub iterations: usize,
    /// Candidates of an iteration, `>= 2`. Default 50.
    pub population: usize,
    /// How many of them are kept, `>= 2` and at most the population. Default 10.
    pub elite: usize,
    /// Deviation σ of every number at first, `> 0`. Default 1.
    pub deviation: f64,
    /// Variance Z that is added in every iteration, `>= 0`. Default 0.01.
    pub noise: f64,
}

impl Default for CrossEntropyConfig {
    fn default() -> Self {
        Self { iterations: 20, population: 50, elite: 10, deviation: 1.0, noise: 0.01 }
    }
}

impl CrossEntropyConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        if self.iterations == 0 {
            return Err(Error::setting("iterations", self.iterations, "at least 1"));
        }
        if self.elite < 2 || self.elite > self.population {
            return Err(Error::setting("elite", self.elite, "at least 2, and at most the population"));
        }
        positive("deviation", self.deviation)?;
        not_negative("noise", self.noise)
    }
}

/// Numbers `[n]` whose score is high: the mean of the last elite. `start` `[n]` is the mean of the first candidates: zeros, or what
/// was found elsewhere and is to be fine-tuned, with a small deviation. `score` is told the iteration and a candidate, so that
/// all candidates of one iteration can be compared in the same worlds.
///
/// ```
/// use rekindle_envs::stream_rng;
/// use rekindle_transfer::policy::{CrossEntropyConfig, cross_entropy};
/// let score = |_iteration: usize, x: &[f64]| Ok(-(x[0] - 1.0).powi(2) - (x[1] + 2.0).powi(2));
/// let config = CrossEntropyConfig { noise: 0.0, ..CrossEntropyConfig::default() };
/// let best = cross_entropy(&config, &[0.0; 2], score, &mut stream_rng(0, 0))?;
/// assert!((best[0] - 1.0).abs() < 0.05 && (best[1] + 2.0).abs() < 0.05);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Setting`] for a setting out of its range, [`Error::NotFinite`] for a start or a score that is none; those of `score`.
pub fn cross_entropy(
    config: &CrossEntropyConfig,
    start: &[f64],
    mut score: impl FnMut(usize, &[f64]) -> Result<f64>,
    rng: &mut dyn RngCore,
) -> Result<Vec<f64>> {
    config.validate()?;
    if let Some(&value) = start.iter().find(|x| !x.is_finite()) {
        return Err(Error::NotFinite { what: "start of the search".into(), value });
    }
    let (mut mean, mut deviation) = (start.to_vec(), vec![config.deviation; start.len()]);
    for iteration in 0..config.iterations {
        let mut candidates = Vec::with_capacity(config.population);
        for _ in 0..config.population {
            let x: Vec<f64> = mean.iter().zip(&deviation).map(|(m, s)| m + s * normal(rng)).collect();
            let value = score(iteration, &x)?;
            if !value.is_finite() {
                return Err(Error::NotFinite { what: "score".into(), value });
            }
            candidates.push((value, x));
        }
        // A stable sort, so that among equals the first drawn comes first.
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        let elite = &candidates[..config.elite];
        for i in 0..start.len() {
            let moment = |f: &dyn Fn(f64) -> f64| elite.iter().map(|(_, x)| f(x[i])).sum::<f64>() / elite.len() as f64;
            let middle = moment(&|x| x);
            deviation[i] = (moment(&|x| (x - middle) * (x - middle)) + config.noise).sqrt();
            mean[i] = middle;
        }
    }
    Ok(mean)
}
