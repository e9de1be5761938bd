//! One step of natural gradient with a limit on how far the policy moves, for any objective.
//!
//! ```text
//! min_θ L(θ)  s.t.  KL(θ) ≤ δ        d = F⁻¹ ∇L        θ ← θ − κʲ √(2δ / dᵀFd) d
//! ```
//! F is the Hessian of the mean divergence (plus damping), d comes from conjugate gradients, and j is the first number of
//! backtracks with which the loss falls and the limit holds. Schulman, Levine, Moritz, Jordan & Abbeel, *Trust Region
//! Policy Optimization*, 2015, §6 and appendix C.
//!
//! What is minimised is a closure, so that MAML can put adaptation inside of it. Leaves `[P, …]` are P separate problems,
//! solved side by side, each with its own step length.

use std::cell::RefCell;

use rekindle_autodiff::{CgConfig, Order, Params, Tensor, conjugate_gradient, partial_vjp};

use crate::error::{at_least_one, in_range, positive};
use crate::{Error, Result};

/// How products with the Hessian of the divergence are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum HessianProduct {
    /// Exact, from the tape: the gradient of the divergence is recorded once and differentiated for each product.
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
    objective: impl Fn(&Params) -> Result<Objective>,
) -> Result<TrustRegionStep> {
    config.validate()?;
    let n_problems = n_problems(params)?;
    let theta = params.leaf();
    let Objective { loss, kl } = objective(&theta)?;
    if loss.dims() != [n_problems] || kl.dims() != [n_problems] {
        return Err(Error::shape(
            "the loss of a trust region",
            loss.dims(),
            format!("[{n_problems}], as its divergence"),
        ));
    }
    let gradient = theta.grad(&loss.sum_all()?, Order::First)?;
    check_finite(&gradient)?;
    let product = Product::new(&theta, &kl, config, &objective)?;
    let cg = CgConfig { iterations: config.cg_iterations, ..CgConfig::default() };
    let direction = conjugate_gradient(|v| product.apply(v), &gradient, cg)?;
    let along = direction.dot_tasks(&product.apply(&direction)?)?.to_vec_f64()?;
    product.error()?;
    let full: Vec<f64> =
        along.iter().map(|&dfd| if dfd > 0.0 { (2.0 * config.max_kl / dfd).sqrt() } else { 0.0 }).collect();
    line_search(&theta.detach(), &direction.detach(), &full, &loss.to_vec_f64()?, config, objective)
}

/// The first axis that all leaves share.
fn n_problems(params: &Params) -> Result<usize> {
    let n = params.n_tasks();
    match params.iter().find(|(_, leaf)| leaf.dims().first() != Some(&n)) {
        Some((_, leaf)) => {
            Err(Error::shape("a leaf", leaf.dims(), format!("[{n}, …] as the others: expand the shared ones")))
        }
        None => Ok(n),
    }
}

fn check_finite(gradient: &Params) -> Result<()> {
    let norm = gradient.dot(gradient)?.to_f64()?;
    if norm.is_finite() {
        Ok(())
    } else {
        Err(Error::NotFinite { what: "squared norm of the policy gradient", value: norm })
    }
}

/// `v ↦ F v + damping · v`.
struct Product<'a, F> {
    theta: &'a Params,
    /// The gradient of the divergence, recorded; none with differences.
    gradient: Option<Params>,
    config: &'a TrustRegionConfig,
    objective: &'a F,
    /// An error of the objective's, which conjugate gradients have no place for.
    failed: RefCell<Option<Error>>,
}

impl<'a, F: Fn(&Params) -> Result<Objective>> Product<'a, F> {
    fn new(theta: &'a Params, kl: &Tensor, config: &'a TrustRegionConfig, objective: &'a F) -> Result<Self> {
        let gradient = match config.hessian {
            HessianProduct::Exact => Some(theta.grad(&kl.sum_all()?, Order::Higher)?),
            HessianProduct::Differences { .. } => None,
        };
        Ok(Self { theta, gradient, config, objective, failed: RefCell::new(None) })
    }

    fn apply(&self, v: &Params) -> rekindle_autodiff::Result<Params> {
        let fv = match (&self.gradient, self.config.hessian) {
            (Some(gradient), _) => self.exact(gradient, v)?,
            (None, HessianProduct::Differences { step }) => match self.differences(v, step) {
                Ok(fv) => fv,
                Err(error) => {
                    self.failed.borrow_mut().get_or_insert(error);
                    v.zeros_like()?
                }
            },
            (None, HessianProduct::Exact) => unreachable!("an exact product has a gradient"),
        };
        fv.add_scaled(v, self.config.damping)
    }

    fn exact(&self, gradient: &Params, v: &Params) -> rekindle_autodiff::Result<Params> {
        let seeds: Vec<_> = gradient.leaves().iter().zip(v.leaves()).collect();
        let targets: Vec<_> = self.theta.leaves().iter().collect();
        let rows = partial_vjp(&seeds, &targets, Order::First)?;
        let filled = rows.into_iter().zip(&targets).map(|(row, leaf)| row.map_or_else(|| leaf.zeros_like(), Ok));
        self.theta.with_leaves(filled.collect::<rekindle_autodiff::Result<_>>()?)
    }

    fn differences(&self, v: &Params, step: f64) -> Result<Params> {
        let norm = v.dot(v)?.to_f64()?.sqrt();
        if norm == 0.0 {
            return Ok(v.zeros_like()?);
        }
        let h = step / norm;
        let gradient_at = |s: f64| -> Result<Params> {
            let point = self.theta.detach().add_scaled(v, s)?.leaf();
            let kl = (self.objective)(&point)?.kl.sum_all()?;
            Ok(point.grad(&kl, Order::First)?)
        };
        Ok(gradient_at(h)?.sub(&gradient_at(-h)?)?.scale(0.5 / h)?)
    }

    fn error(&self) -> Result<()> {
        self.failed.borrow_mut().take().map_or(Ok(()), Err)
    }
}

/// Shortens each problem's step until its loss falls and its limit holds.
fn line_search(
    theta: &Params,
    direction: &Params,
    full: &[f64],
    before: &[f64],
    config: &TrustRegionConfig,
    objective: impl Fn(&Params) -> Result<Objective>,
) -> Result<TrustRegionStep> {
    let n = full.len();
    let mut fraction = vec![1.0; n];
    let mut accepted = vec![false; n];
    let (mut loss_after, mut kl_after) = (before.to_vec(), vec![0.0; n]);
    for _ in 0..config.max_backtracks {
        let Objective { loss, kl } = objective(&moved(theta, direction, full, &fraction)?)?;
        for (p, (loss, kl)) in loss.to_vec_f64()?.into_iter().zip(kl.to_vec_f64()?).enumerate() {
            if accepted[p] {
                continue;
            }
            // A number that is none fails both comparisons.
            accepted[p] = loss < before[p] && kl <= config.max_kl;
            match accepted[p] {
                true => (loss_after[p], kl_after[p]) = (loss, kl),
                false => fraction[p] *= config.backtrack,
            }
        }
        if accepted.iter().all(|&done| done) {
            break;
        }
    }
    fraction.iter_mut().zip(&accepted).filter(|(_, done)| !**done).for_each(|(fraction, _)| *fraction = 0.0);
    let params = moved(theta, direction, full, &fraction)?;
    Ok(TrustRegionStep { params, loss_before: before.to_vec(), loss_after, kl: kl_after, fraction })
}

/// `θ − fraction · full · d`, problem by problem.
fn moved(theta: &Params, direction: &Params, full: &[f64], fraction: &[f64]) -> Result<Params> {
    let lengths: Vec<f64> = full.iter().zip(fraction).map(|(full, fraction)| -full * fraction).collect();
    let lengths = Tensor::from_vec(lengths, full.len())?;
    Ok(theta.zip(direction, |leaf, d| {
        let mut dims = vec![1; leaf.rank()];
        dims[0] = full.len();
        let lengths = lengths.to_dtype(leaf.dtype())?.to_device(leaf.device())?.reshape(dims)?;
        leaf.add(&d.mul(&lengths)?)
    })?)
}
