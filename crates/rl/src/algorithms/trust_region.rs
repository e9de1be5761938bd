//! One step of natural gradient with a limit on how far the policy moves, for any objective.
//!
//! ```text
//! min_θ L(θ)  s.t.  KL(θ) ≤ δ        d = F⁻¹ ∇L        θ ← θ − κʲ √(2δ / dᵀFd) d
//! ```
//! F is the Hessian of the mean divergence (plus damping), d comes from conjugate gradients, and j is the first number of
//! backtracks with which the loss falls and the limit holds. Schulman, Levine, Moritz, Jordan & Abbeel, *Trust Region
//! Policy Optimization*, 2015, §6 and appendix C.
//!
//! What is minimised is a closure, or the sum of parts of a policy's experience ([`PolicyPart`]), which may be worked on by
//! several threads. Leaves `[P, …]` are P separate problems, solved side by side, each with its own step length.

mod line_search;
mod linearised;
mod part;
mod policy_part;

use std::cell::RefCell;

use rekindle_autodiff::{CgConfig, Params, Tensor, conjugate_gradient};

use crate::error::{at_least_one, in_range, positive};
use crate::instances::for_each;
use crate::{Error, Result};

use line_search::{Direction, line_search};
use part::{Local, Part, Whole, near};
pub use policy_part::{Adaptation, PolicyPart};

/// How products with the Hessian of the divergence are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum HessianProduct {
    /// Exact, from the tape: first derivatives are recorded once and differentiated for each product.
    #[default]
    Exact,
    /// Central differences of the gradient, at `step` from where the parameters are: what rllab and MAML do, to do
    /// without third derivatives. Two more gradients for each product.
    Differences {
        /// Distance, `> 0`; 1e-3 suits f32.
        step: f64,
    },
}

/// Settings of TRPO. The defaults are those of rllab's `ConjugateGradientOptimizer`, which RL² and MAML used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrustRegionConfig {
    /// Largest mean divergence δ, `> 0`. Default 0.01 nats.
    pub max_kl: f64,
    /// Conjugate-gradient iterations, `>= 1`. Default 10.
    pub cg_iterations: usize,
    /// Added to the diagonal of F, `>= 0`. Default 1e-5.
    pub damping: f64,
    /// Factor κ of each backtrack, in (0, 1). Default 0.8.
    pub backtrack: f64,
    /// Most step lengths that are tried, `>= 1`. Default 15.
    pub max_backtracks: usize,
    /// Products with F. Default exact.
    pub hessian: HessianProduct,
}

impl Default for TrustRegionConfig {
    fn default() -> Self {
        Self {
            max_kl: 0.01,
            cg_iterations: 10,
            damping: 1e-5,
            backtrack: 0.8,
            max_backtracks: 15,
            hessian: HessianProduct::Exact,
        }
    }
}

impl TrustRegionConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Naming the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        positive("max_kl", self.max_kl)?;
        at_least_one("cg_iterations", self.cg_iterations)?;
        in_range("damping", self.damping, [0.0, f64::MAX], "a number of at least 0")?;
        in_range("backtrack", self.backtrack, [1e-6, 1.0 - 1e-6], "between 0 and 1")?;
        at_least_one("max_backtracks", self.max_backtracks)?;
        match self.hessian {
            HessianProduct::Differences { step } => positive("step", step),
            HessianProduct::Exact => Ok(()),
        }
    }
}

/// What is minimised and what is limited, one number for each problem, `[P]`.
#[derive(Clone, Debug)]
pub struct Objective {
    /// The loss.
    pub loss: Tensor,
    /// The mean divergence from the policy that acted: zero, with gradient zero, at the parameters of that policy.
    pub kl: Tensor,
}

/// A step, and how it went; one number for each problem.
#[derive(Clone, Debug)]
pub struct TrustRegionStep {
    /// The new parameters, constants.
    pub params: Params,
    /// Loss before the step.
    pub loss_before: Vec<f64>,
    /// Loss after it.
    pub loss_after: Vec<f64>,
    /// Divergence after it.
    pub kl: Vec<f64>,
    /// The part of the full step that was taken: κʲ, or 0 where no step length would do.
    pub fraction: Vec<f64>,
}

/// One step. `objective` is called with tracked parameters for derivatives, and with constants in the line search.
///
/// # Errors
/// If a setting is out of its range, if leaves differ in their first axis, if the gradient is not finite, and those of
/// the objective.
pub fn trust_region_step(
    params: &Params,
    config: &TrustRegionConfig,
    objective: impl Fn(&Params) -> Result<Objective> + Sync,
) -> Result<TrustRegionStep> {
    step(params, config, &[Whole(objective)], 1)
}

/// One step for a policy, down the sum of its parts, on up to `threads` threads; their number changes no bit.
///
/// # Errors
/// As [`trust_region_step`], and without parts.
pub fn policy_step(
    params: &Params,
    config: &TrustRegionConfig,
    parts: &[PolicyPart<'_>],
    threads: usize,
) -> Result<TrustRegionStep> {
    step(params, config, parts, threads)
}

fn step<P: Part>(params: &Params, config: &TrustRegionConfig, parts: &[P], threads: usize) -> Result<TrustRegionStep> {
    config.validate()?;
    at_least_one("parts", parts.len())?;
    check_leaves(params)?;
    let theta = params.detach();
    let locals = for_each(parts.len(), threads, |i| near(&parts[i], &theta, config.hessian))?;
    let before = sums(locals.iter().map(|local| &local.loss[..]));
    let gradient = total(locals.iter().map(|local| Ok(local.gradient.clone())))?;
    check_finite(&gradient)?;
    let direction = natural_direction(&locals, &gradient, config, threads)?;
    // Conjugate gradients leave a residual that is orthogonal to what they found, so dᵀFd = dᵀg: no product more.
    let along = direction.dot_tasks(&gradient)?.to_vec_f64()?;
    let full = along.iter().map(|&dfd| if dfd > 0.0 { (2.0 * config.max_kl / dfd).sqrt() } else { 0.0 }).collect();
    drop(locals);
    line_search(&Direction { theta, direction, full }, &before, config, |params| {
        let each = for_each(parts.len(), threads, |i| -> Result<_> {
            let Objective { loss, kl } = parts[i].objective(params)?;
            Ok((loss.to_vec_f64()?, kl.to_vec_f64()?))
        })?;
        Ok((sums(each.iter().map(|(loss, _)| &loss[..])), sums(each.iter().map(|(_, kl)| &kl[..]))))
    })
}

/// `(F + damping)⁻¹ g`.
fn natural_direction(
    locals: &[Local<'_>],
    gradient: &Params,
    config: &TrustRegionConfig,
    threads: usize,
) -> Result<Params> {
    // Conjugate gradients have no place for an error of ours.
    let failed = RefCell::new(None);
    let product = |v: &Params| {
        let rows = for_each(locals.len(), threads, |i| (locals[i].curvature)(v));
        let fv = rows.and_then(|rows| total(rows.into_iter().map(Ok)));
        match fv {
            Ok(fv) => fv.add_scaled(v, config.damping),
            Err(error) => {
                failed.borrow_mut().get_or_insert(error);
                v.zeros_like()
            }
        }
    };
    let cg = CgConfig { iterations: config.cg_iterations, ..CgConfig::default() };
    let direction = conjugate_gradient(product, gradient, cg)?;
    failed.into_inner().map_or(Ok(direction.detach()), Err)
}

/// The sum, in order.
fn total(mut terms: impl Iterator<Item = Result<Params>>) -> Result<Params> {
    let first = terms.next().ok_or_else(|| Error::setting("parts", 0, "at least 1"))??;
    terms.try_fold(first, |sum, term| Ok(sum.add(&term?)?))
}

/// The sum of rows, in order.
fn sums<'a>(rows: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let add = |mut sum: Vec<f64>, row: &[f64]| {
        sum.resize(row.len(), 0.0);
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        sum
    };
    rows.fold(Vec::new(), add)
}

/// All leaves share their first axis, the problems.
fn check_leaves(params: &Params) -> Result<()> {
    let n = params.n_tasks();
    match params.iter().find(|(_, leaf)| leaf.dims().first() != Some(&n)) {
        Some((_, leaf)) => {
            Err(Error::shape("a leaf", leaf.dims(), format!("[{n}, …] as the others: expand the shared ones")))
        }
        None => Ok(()),
    }
}

/// One loss and one divergence for each problem.
fn check_problems(params: &Params, loss: &Tensor, kl: &Tensor) -> Result<()> {
    let n = params.n_tasks();
    if loss.dims() == [n] && kl.dims() == [n] {
        return Ok(());
    }
    Err(Error::shape("the loss of a trust region", loss.dims(), format!("[{n}], as its divergence")))
}

fn check_finite(gradient: &Params) -> Result<()> {
    let norm = gradient.dot(gradient)?.to_f64()?;
    if norm.is_finite() {
        Ok(())
    } else {
        Err(Error::NotFinite { what: "squared norm of the policy gradient", value: norm })
    }
}
