//! A linear function of time and observation, fitted to returns: a baseline without a network.
//!
//! ```text
//! φ(o, t) = [ o, o², τ, τ², τ³, 1 ]      τ = t/100, o clipped to ±10        w = (ΦᵀΦ + λI)⁻¹ Φᵀ G
//! ```
//! Duan, Chen, Houthooft, Schulman & Abbeel, *Benchmarking Deep Reinforcement Learning for Continuous Control*, 2016,
//! with the features of their code (rllab's `LinearFeatureBaseline`), its λ = 1e-5, and its rule to multiply λ by ten
//! where the solution is not finite. Every task has its own fit, in f64.

use crate::{Error, Result, Rollout};

/// Weights of one fit for each task.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearBaseline {
    /// `[M]` vectors of 2D + 4 weights.
    weights: Vec<Vec<f64>>,
}

/// λ at first, and how often it may grow.
const RIDGE: f64 = 1e-5;
const TRIES: usize = 5;

impl LinearBaseline {
    /// Fits the returns `[T, M, B]` of a rollout, task by task. Steps of weight 0 stay out.
    ///
    /// # Errors
    /// If there are not as many returns as steps, or one is not a number.
    pub fn fit(rollout: &Rollout, returns: &[f32]) -> Result<Self> {
        let features = Features::of(rollout)?;
        let [t, m, b] = features.dims;
        if returns.len() != t * m * b {
            return Err(Error::shape("the returns", &[returns.len()], format!("[{t}, {m}, {b}]")));
        }
        if let Some(&wrong) = returns.iter().find(|x| !x.is_finite()) {
            return Err(Error::NotFinite { what: "return that a baseline is fitted to", value: f64::from(wrong) });
        }
        let weights = (0..m).map(|task| {
            let mut sums = NormalEquations::new(features.size());
            let mut row = vec![0.0; features.size()];
            for i in features.places(task).filter(|&i| features.counts(i)) {
                features.write(i, &mut row);
                sums.add(&row, f64::from(returns[i]));
            }
            sums.solve()
        });
        Ok(Self { weights: weights.collect() })
    }

    /// Estimates for every step, `[T, M, B]`.
    ///
    /// # Errors
    /// If the rollout has other tasks or features than the one that was fitted.
    pub fn predict(&self, rollout: &Rollout) -> Result<Vec<f32>> {
        let features = Features::of(rollout)?;
        let found = [self.weights.len(), self.weights.first().map_or(0, Vec::len)];
        if found != [features.dims[1], features.size()] {
            return Err(Error::shape("the baseline", &found, format!("[{}, {}]", features.dims[1], features.size())));
        }
        let mut estimates = vec![0.0; rollout.rewards.len()];
        let mut row = vec![0.0; features.size()];
        for (task, weights) in self.weights.iter().enumerate() {
            for i in features.places(task) {
                features.write(i, &mut row);
                estimates[i] = row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() as f32;
            }
        }
        Ok(estimates)
    }

    /// Estimates of what each step led to, for [`gae`](crate::returns::gae): the next step's own, and 0 after an end of
    /// either kind, as in rllab, which knows nothing of truncation.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn next_values(rollout: &Rollout, estimates: &[f32]) -> Result<Vec<f32>> {
        let rows = rollout.path().n_rows;
        if estimates.len() != rollout.rewards.len() {
            return Err(Error::shape("the estimates", &[estimates.len()], format!("[{}]", rollout.rewards.len())));
        }
        let next = |i: usize| {
            let over = rollout.terminated[i] || rollout.truncated[i];
            if over { 0.0 } else { estimates.get(i + rows).copied().unwrap_or(0.0) }
        };
        Ok((0..estimates.len()).map(next).collect())
    }
}

/// The features of a rollout's steps.
struct Features<'a> {
    obs: Vec<f64>,
    n_obs: usize,
    times: &'a [u32],
    weights: Option<Vec<f64>>,
    dims: [usize; 3],
}

impl<'a> Features<'a> {
    fn of(rollout: &'a Rollout) -> Result<Self> {
        let experience = &rollout.experience;
        Ok(Self {
            obs: experience.obs.to_vec_f64()?,
            n_obs: experience.obs.dim(3)?,
            times: &rollout.times,
            weights: experience.weights.as_ref().map(|weights| weights.to_vec_f64()).transpose()?,
            dims: experience.dims(),
        })
    }

    fn size(&self) -> usize {
        2 * self.n_obs + 4
    }

    /// The steps of a task, in the order `[T, M, B]`.
    fn places(&self, task: usize) -> impl Iterator<Item = usize> + use<> {
        let [t, m, b] = self.dims;
        (0..t).flat_map(move |step| (0..b).map(move |copy| (step * m + task) * b + copy))
    }

    fn counts(&self, i: usize) -> bool {
        self.weights.as_ref().is_none_or(|weights| weights[i] != 0.0)
    }

    fn write(&self, i: usize, row: &mut [f64]) {
        let d = self.n_obs;
        for (k, &o) in self.obs[i * d..(i + 1) * d].iter().enumerate() {
            let o = o.clamp(-10.0, 10.0);
            (row[k], row[d + k]) = (o, o * o);
        }
        let time = f64::from(self.times[i]) / 100.0;
        row[2 * d..].copy_from_slice(&[time, time * time, time * time * time, 1.0]);
    }
}

/// `ΦᵀΦ` and `Φᵀ G`.
struct NormalEquations {
    size: usize,
    /// Row-major; the lower triangle is filled.
    matrix: Vec<f64>,
    right: Vec<f64>,
}

impl NormalEquations {
    fn new(size: usize) -> Self {
        Self { size, matrix: vec![0.0; size * size], right: vec![0.0; size] }
    }

    fn add(&mut self, row: &[f64], target: f64) {
        for (i, &x) in row.iter().enumerate() {
            self.right[i] += x * target;
            let into = &mut self.matrix[i * self.size..i * self.size + i + 1];
            into.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
        }
    }

    /// The ridge solution; zeros if none of the λ that are tried gives a finite one.
    fn solve(&self) -> Vec<f64> {
        let mut ridge = RIDGE;
        for _ in 0..TRIES {
            let weights = self.cholesky(ridge).map(|factor| self.substitute(&factor));
            if let Some(weights) = weights.filter(|weights| weights.iter().all(|w| w.is_finite())) {
                return weights;
            }
            ridge *= 10.0;
        }
        vec![0.0; self.size]
    }

    /// The lower factor of `ΦᵀΦ + λI`, if that is positive definite in floating point.
    fn cholesky(&self, ridge: f64) -> Option<Vec<f64>> {
        let n = self.size;
        let mut l = self.matrix.clone();
        (0..n).for_each(|i| l[i * n + i] += ridge);
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                let rest = l[i * n + j] - dot;
                l[i * n + j] = if i == j { rest.sqrt() } else { rest / l[j * n + j] };
            }
            if !(l[i * n + i] > 0.0 && l[i * n + i].is_finite()) {
                return None;
            }
        }
        Some(l)
    }

    /// `L Lᵀ w = Φᵀ G`.
    fn substitute(&self, l: &[f64]) -> Vec<f64> {
        let n = self.size;
        let mut w = self.right.clone();
        for i in 0..n {
            let dot: f64 = (0..i).map(|k| l[i * n + k] * w[k]).sum();
            w[i] = (w[i] - dot) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|k| l[k * n + i] * w[k]).sum();
            w[i] = (w[i] - dot) / l[i * n + i];
        }
        w
    }
}
