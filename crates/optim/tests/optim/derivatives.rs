//! Derivatives through updates, against closed forms.

use candle_core::DType;
use rekindle_autodiff::{NoRecord, Order, Params, Tensor, grad};
use rekindle_optim::{Adagrad, Adam, ClipNorm, Momentum, Result, RmsProp, Sgd, Transform, apply_updates, safe_sqrt};

use crate::{assert_close, theta, values};

/// ∂θ₁/∂θ₀ of one step on `½θ²`, whose gradient is θ itself.
fn slope_of_one_step(transform: &dyn Transform, at: &[f64], dtype: DType) -> Result<Vec<f64>> {
    let start = theta(at)?.to_dtype(dtype)?.leaf();
    let grads = start.grad(&start.dot(&start)?.scale(0.5)?, Order::Higher)?;
    let (updates, _) = transform.update(&grads, &transform.init(&start)?, &start)?;
    let end = apply_updates(&start, &updates)?;
    let total = end.leaves()[0].sum_all()?;
    values(&start.grad(&total, Order::First)?)
}

/// At the first step `u = −ηg/(|g| + ε)`, so ∂u/∂g = −ηε/(|g| + ε)², which is −η/ε at zero.
#[test]
fn adam_at_a_zero_gradient_has_its_true_derivative() -> Result<()> {
    for dtype in [DType::F64, DType::F32] {
        let (lr, eps) = (0.1, 1e-3);
        let adam = Adam { eps, ..Adam::new(lr) };
        let found = slope_of_one_step(&adam, &[0.0, 0.5, -0.25], dtype)?;
        let expected = [0.0, 0.5, 0.25f64].map(|g| 1.0 - lr * eps / (g + eps).powi(2));
        assert_close(&found, &expected, if dtype == DType::F64 { 1e-12 } else { 1e-5 });
    }
    Ok(())
}

/// The same for the others that divide by a root: Adagrad and RMSProp without decay are `−ηg/(|g| + ε)` at first.
#[test]
fn other_roots_at_a_zero_gradient() -> Result<()> {
    let (lr, eps) = (0.1, 1e-2);
    let adagrad = Adagrad { eps, ..Adagrad::new(lr) };
    let rmsprop = RmsProp { eps, decay: 0.0, ..RmsProp::new(lr) };
    for transform in [&adagrad as &dyn Transform, &rmsprop] {
        let found = slope_of_one_step(transform, &[0.0, 0.5], DType::F64)?;
        assert_close(&found, &[1.0 - lr / eps, 1.0 - lr * eps / (0.5 + eps).powi(2)], 1e-12);
    }
    Ok(())
}

/// The default ε and single precision: steep, but finite.
#[test]
fn adam_with_default_settings_is_finite_at_zero() -> Result<()> {
    let found = slope_of_one_step(&Adam::new(0.1), &[0.0, 1e-30, 1e-18, 1e-12, 1.0], DType::F32)?;
    assert!(found.iter().all(|slope| slope.is_finite()), "{found:?}");
    assert_close(&found[..1], &[1.0 - 0.1 / 1e-8], 1e-5);
    Ok(())
}

/// On `½aθ²` gradient descent multiplies with `1 − ηa` each time, so `∂L(θ₃)/∂θ₀ = a(1 − ηa)⁶θ₀`, and its derivative
/// has the same factor without θ₀.
#[test]
fn gradient_descent_on_a_bowl_to_second_order() -> Result<()> {
    let (lr, a) = (0.1, 1.7);
    let start = theta(&[0.8])?.leaf();
    let (sgd, mut x) = (Sgd::new(lr), start.clone());
    let loss = |x: &Params| x.dot(x)?.scale(0.5 * a);
    let mut state = sgd.init(&x)?;
    for _ in 0..3 {
        let (updates, next) = sgd.update(&x.grad(&loss(&x)?, Order::Higher)?, &state, &x)?;
        (x, state) = (apply_updates(&x, &updates)?, next);
    }
    let first = start.grad(&loss(&x)?, Order::Higher)?;
    let second = start.grad(&first.leaves()[0].sum_all()?, Order::First)?;
    let factor = a * (1.0f64 - lr * a).powi(6);
    assert_close(&values(&first)?, &[factor * 0.8], 1e-12);
    assert_close(&values(&second)?, &[factor], 1e-12);
    Ok(())
}

/// `∂b₂/∂b₀ = μ²` for momentum: gradients flow through the state.
#[test]
fn a_state_can_be_differentiated_by() -> Result<()> {
    let momentum = Momentum { momentum: 0.7, ..Momentum::new(0.1) };
    let params = theta(&[1.0, 2.0])?;
    let first = momentum.init(&params)?.map(|slot| Ok(slot.leaf()))?;
    let (_, state) = momentum.update(&params, &first, &params)?;
    let (_, state) = momentum.update(&params, &state, &params)?;
    let total = state.slot("b")?.leaves()[0].sum_all()?;
    assert_close(&values(&first.leaves()?.grad(&total, Order::First)?)?, &[0.49, 0.49], 1e-12);
    Ok(())
}

#[test]
fn the_one_pass_form_of_adam_equals_that_on_the_tape() -> Result<()> {
    for dtype in [DType::F64, DType::F32] {
        let adam = Adam::new(0.1);
        let params = theta(&[1.0, -2.0, 0.0, 1e-6])?.to_dtype(dtype)?;
        let (mut plain, mut taped) = (adam.init(&params)?, adam.init(&params)?);
        for scale in [1.0, -3.0, 0.2] {
            let grads = params.scale(scale)?;
            let (a, next) = adam.update(&grads, &plain, &params)?;
            let (b, next_taped) = adam.update(&grads.leaf(), &taped, &params)?;
            (plain, taped) = (next, next_taped);
            assert!(!a.is_tracked() && b.is_tracked());
            let tolerance = if dtype == DType::F64 { 1e-14 } else { 1e-6 };
            assert_close(&values(&a)?, &values(&b)?, tolerance);
            assert_close(&values(&plain.leaves()?)?, &values(&taped.leaves()?)?, tolerance);
        }
    }
    Ok(())
}

#[test]
fn nothing_is_recorded_where_recording_is_off() -> Result<()> {
    let params = theta(&[1.0, -2.0])?.leaf();
    let adam = Adam::new(0.1);
    let state = adam.init(&params)?;
    let _scope = NoRecord::new();
    let (updates, next) = adam.update(&params, &state, &params)?;
    assert!(!updates.is_tracked() && !next.leaves()?.is_tracked());
    Ok(())
}

#[test]
fn the_safe_root_is_the_root_with_a_flat_zero() -> Result<()> {
    let x = Tensor::from_vec(vec![0.0, 4.0, 1e-250, 1e-10], 4)?.leaf();
    let root = safe_sqrt(&x)?;
    assert_close(&root.to_vec_f64()?, &[0.0, 2.0, 1e-125, 1e-5], 1e-15);
    let first = grad(&root.sum_all()?, &[&x], Order::Higher)?.remove(0);
    assert_close(&first.to_vec_f64()?, &[0.0, 0.25, 0.0, 5e4], 1e-12);
    let second = grad(&first.sum_all()?, &[&x], Order::First)?.remove(0);
    assert_close(&second.to_vec_f64()?, &[0.0, -1.0 / 32.0, 0.0, -0.25e15], 1e-12);
    Ok(())
}

/// `g·c/‖g‖` has the Jacobian `c/‖g‖ (I − ĝĝᵀ)`; at zero the gradient passes as it is.
#[test]
fn a_clipped_norm_is_differentiated_too() -> Result<()> {
    let clip = ClipNorm::new(2.5);
    let first_column = |g: &[f64]| -> Result<Vec<f64>> {
        let g = theta(g)?.leaf();
        let (u, _) = clip.update(&g, &clip.init(&g)?, &g)?;
        values(&g.grad(&u.leaves()[0].narrow(1, 0, 1)?.sum_all()?, Order::First)?)
    };
    // ‖(3, 4)‖ = 5, so the factor is ½ and ĝ = (0.6, 0.8).
    assert_close(&first_column(&[3.0, 4.0])?, &[0.5 * (1.0 - 0.36), -0.5 * 0.48], 1e-12);
    assert_close(&first_column(&[0.0, 0.0])?, &[1.0, 0.0], 0.0);
    Ok(())
}
