//! MAML on quadratics, where everything has a closed form.
//!
//! The support loss of a task is `½ Σ a(θ − c)²`, its query loss `½ Σ b(θ − d)²`; all elements go their own way. One
//! step of the inner loop, with rate α and proximal strength λ, is
//!
//! ```text
//! θₖ₊₁ = θₖ − α a(θₖ − c) − αλ(θₖ − φ)
//! ```
//! * Without the proximal term `θ_K = c + rᴷ(φ − c)` with `r = 1 − αa`. So `dθ_K/dφ = rᴷ` and the meta-gradient is
//!   `rᴷ b (θ_K − d)`; for a = b = 1 and c = d that is `(1 − α)²ᴷ (φ − c)`.
//! * If only the last T steps are differentiated, those before leave `dθ/dφ = 1`: the meta-gradient is `rᵀ b (θ_K − d)`,
//!   with T = 0 that of FOMAML.
//! * With the proximal term adaptation contracts by `ρ = 1 − α(a + λ)` towards `θ* = (a c + λφ)/(a + λ)`, whose derivative
//!   is `J* = λ/(a + λ)`: `θ_K = θ* + ρᴷ(φ − θ*)` and `dθ_K/dφ = J* + ρᴷ(1 − J*)`. The implicit gradient is `J* b (θ* − d)`.

use candle_core::{DType, Device, Tensor as Value};
use rand::{RngCore, SeedableRng};
use rekindle_autodiff::{CgConfig, NormStats, Params, Tensor};
use rekindle_meta::{Adjoint, Maml, MamlConfig, MetaGrad, MetaLearner, Result};
use rekindle_nn::Model;
use rekindle_tasks::{Batch, TaskBatch};

use crate::{assert_close, elements};

/// `ŷ = x ∘ θ`. With one example x = √(aD/2) and y = x∘c its mean squared error is `½ Σ a(θ − c)²`.
#[derive(Debug)]
struct Scale;

impl Model for Scale {
    fn init(&self, _: &mut dyn RngCore, _: DType, _: &Device) -> rekindle_nn::Result<Params> {
        Ok(Params::new([("theta".to_owned(), Tensor::from_vec(PHI.to_vec(), (1, 1, D))?)])?)
    }

    fn forward(&self, params: &Params, x: &Tensor, _: NormStats) -> rekindle_nn::Result<Tensor> {
        Ok(x.mul(params.get("theta")?)?)
    }
}

const D: usize = 3;
const PHI: [f64; D] = [0.5, -1.0, 2.0];

/// Curvature and centre of the support loss, and of the query loss, element by element.
#[derive(Clone, Copy)]
struct Task {
    a: [f64; D],
    c: [f64; D],
    b: [f64; D],
    d: [f64; D],
}

const TASKS: [Task; 2] = [
    Task { a: [1.0, 0.5, 2.0], c: [0.3, 0.7, -1.0], b: [0.9, 1.1, 0.4], d: [0.0, 1.0, -0.5] },
    Task { a: [0.2, 1.5, 0.8], c: [-2.0, 0.1, 0.6], b: [1.3, 0.3, 0.7], d: [-1.5, 0.4, 0.8] },
];

fn batch(tasks: &[Task], part: impl Fn(&Task) -> ([f64; D], [f64; D])) -> Batch {
    let rows = tasks.iter().map(|task| {
        let (curvature, centre) = part(task);
        let x = curvature.map(|a| (a * D as f64 / 2.0).sqrt());
        (x, [0, 1, 2].map(|i| x[i] * centre[i]))
    });
    let (x, y): (Vec<_>, Vec<_>) = rows.unzip();
    let value = |rows: Vec<[f64; D]>| Value::from_vec(rows.concat(), (tasks.len(), 1, D), &Device::Cpu).unwrap();
    Batch { x: value(x), y: value(y) }
}

fn meta_grad(config: MamlConfig, tasks: &[Task]) -> Result<MetaGrad> {
    let learner = Maml::new(Scale, config)?;
    let meta = learner.init(&mut rand_chacha::ChaCha8Rng::from_seed([0; 32]), DType::F64, &Device::Cpu)?;
    let batches = TaskBatch { support: batch(tasks, |t| (t.a, t.c)), query: batch(tasks, |t| (t.b, t.d)) };
    learner.meta_grad(&meta, &batches, 0)
}

fn config(n_steps: usize, proximal: f64, adjoint: Adjoint) -> MamlConfig {
    MamlConfig { inner_lr: 0.2, n_steps, proximal, adjoint, ..MamlConfig::sinusoid() }
}

/// Checks losses and gradients for closed forms of `θ_K` and `dθ_K/dφ`, each a function of (a, c, φ).
#[track_caller]
fn check(config: MamlConfig, theta: impl Fn(f64, f64, f64) -> f64, slope: impl Fn(f64) -> f64, tolerance: f64) {
    let MetaGrad { losses, grads } = meta_grad(config, &TASKS).unwrap();
    let mut expected = (Vec::new(), Vec::new());
    for Task { a, c, b, d } in TASKS {
        let error = [0, 1, 2].map(|i| theta(a[i], c[i], PHI[i]) - d[i]);
        expected.0.push((0..D).map(|i| 0.5 * b[i] * error[i].powi(2)).sum());
        expected.1.extend((0..D).map(|i| slope(a[i]) * b[i] * error[i]));
    }
    assert_close(&losses.to_vec_f64().unwrap(), &expected.0, tolerance);
    assert_close(&elements(&grads), &expected.1, tolerance);
}

const STEPS: [usize; 4] = [1, 2, 5, 10];

#[test]
fn equal_support_and_query_give_the_textbook_formula() -> Result<()> {
    for n_steps in STEPS {
        let c = [0.3, 0.7, -1.0];
        let task = Task { a: [1.0; D], c, b: [1.0; D], d: c };
        let grads = meta_grad(config(n_steps, 0.0, Adjoint::Unrolled), &[task])?.grads;
        let expected = [0, 1, 2].map(|i| (1.0f64 - 0.2).powi(2 * n_steps as i32) * (PHI[i] - c[i]));
        assert_close(&elements(&grads), &expected, 1e-14);
    }
    Ok(())
}

#[test]
fn exact_adjoints_match_the_closed_form() {
    for n_steps in STEPS {
        let power = |a: f64| (1.0 - 0.2 * a).powi(n_steps as i32);
        for adjoint in [Adjoint::Unrolled, Adjoint::Checkpointed, Adjoint::Truncated { last: n_steps }] {
            check(config(n_steps, 0.0, adjoint), |a, c, phi| c + power(a) * (phi - c), power, 1e-14);
        }
    }
}

#[test]
fn truncated_and_first_order_leave_out_the_early_steps() {
    let n_steps = 5;
    let power = |a: f64, n: usize| (1.0 - 0.2 * a).powi(n as i32);
    let theta = |a, c, phi| c + power(a, n_steps) * (phi - c);
    for last in 1..n_steps {
        check(config(n_steps, 0.0, Adjoint::Truncated { last }), theta, |a| power(a, last), 1e-14);
    }
    check(config(n_steps, 0.0, Adjoint::FirstOrder), theta, |_| 1.0, 1e-14);
}

#[test]
fn the_proximal_term_pulls_adaptation_and_its_derivative_back() {
    let lambda = 0.7;
    for n_steps in STEPS {
        let power = |a: f64| (1.0 - 0.2 * (a + lambda)).powi(n_steps as i32);
        let theta = |a: f64, c: f64, phi: f64| {
            let end = (a * c + lambda * phi) / (a + lambda);
            end + power(a) * (phi - end)
        };
        let slope = |a: f64| {
            let end = lambda / (a + lambda);
            end + power(a) * (1.0 - end)
        };
        for adjoint in [Adjoint::Unrolled, Adjoint::Checkpointed] {
            check(config(n_steps, lambda, adjoint), theta, slope, 1e-14);
        }
        // The proximal gradient is linear in θ − φ, and both move as φ does.
        check(config(n_steps, lambda, Adjoint::FirstOrder), theta, |_| 1.0, 1e-14);
    }
}

/// 200 steps contract by less than 10⁻¹¹, and three conjugate gradients solve for three elements.
#[test]
fn the_implicit_gradient_is_that_of_the_fixed_point() {
    let lambda = 0.7;
    let adjoint = Adjoint::Implicit(CgConfig { iterations: D, tolerance: 0.0 });
    let theta = |a, c, phi| (a * c + lambda * phi) / (a + lambda);
    check(config(200, lambda, adjoint), theta, |a| lambda / (a + lambda), 1e-11);
}
