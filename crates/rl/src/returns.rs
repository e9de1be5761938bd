//! Returns and advantages, over plain slices in the order `[T, N]` with N rows.
//!
//! All of them walk backwards in time once. An end of either kind cuts the recursion. What lies beyond it is in the
//! *next values*: 0 where the decision process terminated, the value of the observation that was reached where it was
//! truncated, and likewise after the last step. Only bootstrapping treats the two ends differently, which is the whole
//! difference between them.

use crate::{Error, Result};

/// Rewards and ends of N rows, `[T, N]` each.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// Rewards.
    pub rewards: &'a [f32],
    /// Where the decision process came to its end.
    pub terminated: &'a [bool],
    /// Where a limit cut it.
    pub truncated: &'a [bool],
    /// Rows N.
    pub n_rows: usize,
}

impl Path<'_> {
    fn check(&self, what: &'static str, others: &[&[f32]]) -> Result<()> {
        let len = self.rewards.len();
        if self.n_rows == 0 || !len.is_multiple_of(self.n_rows) {
            return Err(Error::shape("the rewards", &[len], format!("[T, {}]", self.n_rows)));
        }
        let lengths = [self.terminated.len(), self.truncated.len()];
        match lengths.into_iter().chain(others.iter().map(|other| other.len())).find(|&other| other != len) {
            Some(other) => Err(Error::shape(what, &[other], format!("[{len}], as the rewards"))),
            None => Ok(()),
        }
    }

    /// Whether anything follows step i within the same decision process and rollout.
    fn goes_on(&self, i: usize) -> bool {
        i + self.n_rows < self.rewards.len() && !self.terminated[i] && !self.truncated[i]
    }

    /// Walks backwards: `f(i, later)` makes the number of step i from that of the step after it, or from `None` where
    /// nothing goes on.
    fn backwards(&self, mut f: impl FnMut(usize, Option<f32>) -> f32) -> Vec<f32> {
        let mut out = vec![0.0; self.rewards.len()];
        for i in (0..out.len()).rev() {
            let later = self.goes_on(i).then(|| out[i + self.n_rows]);
            out[i] = f(i, later);
        }
        out
    }
}

/// Discounts and decays lie between 0 and 1.
pub(crate) fn check_unit(name: &'static str, value: f64) -> Result<()> {
    crate::error::in_range(name, value, [0.0, 1.0], "from 0 to 1")
}

/// Discounted sums of the rewards to come:
///
/// ```text
/// G_t = r_t + γ G_{t+1},      and r_t + γ v' where something ends, with v' of `next_values` (0 without them)
/// ```
///
/// # Errors
/// If the lengths differ, or γ is not from 0 to 1.
pub fn discounted_returns(path: Path<'_>, next_values: Option<&[f32]>, gamma: f64) -> Result<Vec<f32>> {
    check_unit("gamma", gamma)?;
    path.check("the values", next_values.as_slice())?;
    let gamma = gamma as f32;
    let beyond = |i: usize| next_values.map_or(0.0, |values| values[i]);
    Ok(path.backwards(|i, later| path.rewards[i] + gamma * later.unwrap_or_else(|| beyond(i))))
}

/// Generalised advantage estimates:
///
/// ```text
/// δ_t = r_t + γ v'_t − v_t        A_t = δ_t + γλ A_{t+1}, and δ_t where something ends
/// ```
/// Schulman, Moritz, Levine, Jordan & Abbeel, *High-Dimensional Continuous Control Using Generalized Advantage
/// Estimation*, 2016, eq. 16. λ = 1 gives the returns less the value; λ = 0 the one-step error.
///
/// # Errors
/// If the lengths differ, or γ or λ is not from 0 to 1.
pub fn gae(path: Path<'_>, values: &[f32], next_values: &[f32], gamma: f64, lambda: f64) -> Result<Vec<f32>> {
    check_unit("gamma", gamma)?;
    check_unit("lambda", lambda)?;
    path.check("the values", &[values, next_values])?;
    let (gamma, lambda) = (gamma as f32, lambda as f32);
    Ok(path.backwards(|i, later| {
        let delta = path.rewards[i] + gamma * next_values[i] - values[i];
        delta + gamma * lambda * later.unwrap_or(0.0)
    }))
}

/// λ-returns, the targets that go with [`gae`]: `G_t = A_t + v_t`, or
///
/// ```text
/// G_t = r_t + γ [ (1 − λ) v'_t + λ G_{t+1} ],      and r_t + γ v'_t where something ends
/// ```
/// Sutton & Barto 2018, §12.1.
///
/// # Errors
/// As [`gae`].
pub fn lambda_returns(
    path: Path<'_>,
    values: &[f32],
    next_values: &[f32],
    gamma: f64,
    lambda: f64,
) -> Result<Vec<f32>> {
    let mut returns = gae(path, values, next_values, gamma, lambda)?;
    returns.iter_mut().zip(values).for_each(|(g, v)| *g += v);
    Ok(returns)
}

/// Settings of [`v_trace`]. The defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VTraceConfig {
    /// Discount γ, from 0 to 1.
    pub gamma: f64,
    /// Decay λ of the traces, from 0 to 1.
    pub lambda: f64,
    /// The most that an importance weight ρ counts in an error, `> 0`: decides what is estimated.
    pub rho_max: f64,
    /// The most that an importance weight c counts in a trace, `> 0`: decides how fast.
    pub c_max: f64,
}

impl Default for VTraceConfig {
    fn default() -> Self {
        Self { gamma: 0.99, lambda: 1.0, rho_max: 1.0, c_max: 1.0 }
    }
}

/// What [`v_trace`] answers, `[T, N]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct VTrace {
    /// Targets for the values, v_s.
    pub targets: Vec<f32>,
    /// Advantages for the policy gradient, `ρ (r + γ v_{s+1} − V)`.
    pub advantages: Vec<f32>,
}

/// Values corrected for actions that another policy chose:
///
/// ```text
/// ρ_t = min(ρ̄, π/μ)     c_t = λ min(c̄, π/μ)     δ_t = ρ_t (r_t + γ V'_t − V_t)
/// v_t = V_t + δ_t + γ c_t (v_{t+1} − V_{t+1}),      and V_t + δ_t where something ends
/// ```
/// Espeholt et al., *IMPALA*, 2018, eq. 1. `log_ratios` are `log π − log μ`.
///
/// # Errors
/// If the lengths differ, or a setting is out of its range.
pub fn v_trace(
    path: Path<'_>,
    values: &[f32],
    next_values: &[f32],
    log_ratios: &[f32],
    config: VTraceConfig,
) -> Result<VTrace> {
    check_unit("gamma", config.gamma)?;
    check_unit("lambda", config.lambda)?;
    crate::error::positive("rho_max", config.rho_max)?;
    crate::error::positive("c_max", config.c_max)?;
    path.check("the values or ratios", &[values, next_values, log_ratios])?;
    let (gamma, lambda) = (config.gamma as f32, config.lambda as f32);
    let capped = |i: usize, most: f64| libm::expf(log_ratios[i]).min(most as f32);
    // How far the targets are above the values.
    let above = path.backwards(|i, later| {
        let delta = capped(i, config.rho_max) * (path.rewards[i] + gamma * next_values[i] - values[i]);
        delta + gamma * lambda * capped(i, config.c_max) * later.unwrap_or(0.0)
    });
    let targets: Vec<f32> = above.iter().zip(values).map(|(above, v)| v + above).collect();
    let advantage = |i: usize| {
        let next = if path.goes_on(i) { targets[i + path.n_rows] } else { next_values[i] };
        capped(i, config.rho_max) * (path.rewards[i] + gamma * next - values[i])
    };
    let advantages = (0..targets.len()).map(advantage).collect();
    Ok(VTrace { targets, advantages })
}

/// Mean 0 and deviation 1 for the numbers of each task, `[T, M, B]`; those of weight 0 stay out of both. A task whose
/// numbers are all equal gets zeros.
///
/// # Errors
/// If the lengths differ.
pub fn normalise_tasks(numbers: &mut [f32], [t, m, b]: [usize; 3], weights: Option<&[f32]>) -> Result<()> {
    let len = t * m * b;
    if numbers.len() != len || weights.is_some_and(|weights| weights.len() != len) {
        return Err(Error::shape("the numbers to normalise", &[numbers.len()], format!("[{t}, {m}, {b}]")));
    }
    let weight = |i: usize| weights.map_or(1.0, |weights| f64::from(weights[i]));
    for task in 0..m {
        let places = || (0..t).flat_map(move |step| (0..b).map(move |copy| (step * m + task) * b + copy));
        let total: f64 = places().map(weight).sum();
        let mean = places().map(|i| weight(i) * f64::from(numbers[i])).sum::<f64>() / total.max(1.0);
        let square = |i: usize| weight(i) * (f64::from(numbers[i]) - mean) * (f64::from(numbers[i]) - mean);
        let std = (places().map(square).sum::<f64>() / total.max(1.0)).sqrt();
        // Below this the spread is that of rounding.
        let scale = if std > 1e-8 { 1.0 / std } else { 0.0 };
        places().for_each(|i| numbers[i] = ((f64::from(numbers[i]) - mean) * scale) as f32);
    }
    Ok(())
}
