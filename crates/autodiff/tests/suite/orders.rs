//! Derivatives of derivatives: models, inner loops, products with Hessians and Jacobians, and what is refused.

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::{
    Check, Error, NoRecord, NormStats, Order, Result, Tensor, check_gradients, grad, hvp, is_recording, jvp,
    partial_vjp, value_and_grad, vjp,
};

use crate::support::{assert_close, assert_gradients, ids, order, spread, uniform};

/// `[M, B, 2] → [M, B, 1]` by one hidden layer of tanh units; parameters `w1, b1, w2, b2`.
fn mlp(p: &[Tensor], x: &Tensor) -> Result<Tensor> {
    x.linear(&p[0], Some(&p[1]))?.tanh()?.linear(&p[2], Some(&p[3]))
}

fn mlp_params(m: usize) -> Vec<Tensor> {
    [vec![m, 2, 3], vec![m, 3], vec![m, 3, 1], vec![m, 1]].iter().zip(1..).map(|(d, seed)| spread(d, seed)).collect()
}

#[test]
fn third_order_of_an_mlp() {
    let (x, y) = (spread(&[1, 4, 2], 7), spread(&[1, 4, 1], 8));
    assert_gradients("mlp", 3, &mlp_params(1), |p| mlp(p, &x)?.mse(&y));
}

#[test]
fn second_order_of_a_small_convolutional_network() {
    let classes = ids(&[0, 1], &[1, 2]);
    let inputs = [spread(&[1, 2, 4, 4, 1], 1), spread(&[1, 3, 3, 1, 2], 2), spread(&[1, 2], 3), spread(&[1, 2], 4)];
    assert_gradients("conv block", 2, &inputs, |x| {
        let h = x[0].conv2d(&x[1], 1, 1)?.batch_norm(&x[2], &x[3], 0.1, NormStats::Batch)?;
        h.softplus()?.max_pool2d(2, 2)?.mean(&[2, 3])?.cross_entropy(&classes)
    });
}

/// Support and query inputs and targets of `m` tasks.
fn tasks(m: usize) -> [Tensor; 4] {
    [spread(&[m, 3, 2], 11), spread(&[m, 3, 1], 12), spread(&[m, 4, 2], 13), spread(&[m, 4, 1], 14)]
}

/// MAML's meta-loss of each task, `[M]`: the query loss after `k` steps of gradient descent on the support loss.
fn maml(params: &[Tensor], [sx, sy, qx, qy]: &[Tensor; 4], k: usize) -> Result<Tensor> {
    let m = sx.dim(0)?;
    let spread = |p: &Tensor| p.broadcast_to([&[m], &p.dims()[1..]].concat());
    let mut theta = params.iter().map(spread).collect::<Result<Vec<_>>>()?;
    for _ in 0..k {
        let loss = mlp(&theta, sx)?.mse(sy)?.sum_all()?;
        let g = grad(&loss, &theta.iter().collect::<Vec<_>>(), Order::Higher)?;
        theta = theta.iter().zip(&g).map(|(t, g)| t.add_scaled(g, -0.1)).collect::<Result<_>>()?;
    }
    mlp(&theta, qx)?.mse(qy)
}

#[test]
fn maml_gradients_match_finite_differences() {
    for k in [1, 5] {
        let tasks = tasks(2);
        let check = Check { order: 1, tolerance: 1e-7, ..Check::default() };
        check_gradients(|p| maml(p, &tasks, k), &mlp_params(1), check).expect("the meta-gradient is right");
    }
}

#[test]
fn maml_over_a_batch_of_tasks_is_the_loop_over_tasks() -> Result<()> {
    let m = 3;
    let tasks = tasks(m);
    for k in [1, 5] {
        let (_, batched) = value_and_grad(|p| maml(p, &tasks, k)?.sum_all(), &mlp_params(1), Order::First)?;
        let mut looped: Vec<Tensor> = batched.iter().map(Tensor::zeros_like).collect::<Result<_>>()?;
        for i in 0..m {
            let task = [0, 1, 2, 3].map(|j: usize| tasks[j].narrow(0, i, 1).expect("a task"));
            let (_, one) = value_and_grad(|p| maml(p, &task, k)?.sum_all(), &mlp_params(1), Order::First)?;
            looped = looped.iter().zip(&one).map(|(a, b)| a.add(b)).collect::<Result<_>>()?;
        }
        for (batched, looped) in batched.iter().zip(&looped) {
            assert_close("batched and looped", batched, looped, 1e-12);
        }
    }
    Ok(())
}

/// For `L(θ) = ½ ‖θ − c‖²` gradient descent contracts by `1 − α` a step, so the MAML gradient is `(1 − α)²ᴷ (φ − c)`
/// when support and query are the same.
#[test]
fn maml_on_a_quadratic_has_its_closed_form() -> Result<()> {
    let (phi, c, alpha, k) = (spread(&[4], 1).leaf(), spread(&[4], 2), 0.3, 4);
    let loss = |theta: &Tensor| theta.sub(&c)?.sqr()?.sum_all()?.scale(0.5);
    let mut theta = phi.clone();
    for _ in 0..k {
        let g = grad(&loss(&theta)?, &[&theta], Order::Higher)?.remove(0);
        theta = theta.add_scaled(&g, -alpha)?;
    }
    let got = grad(&loss(&theta)?, &[&phi], Order::First)?.remove(0);
    assert_close("closed form", &got, &phi.detach().sub(&c)?.scale((1.0 - alpha).powi(2 * k))?, 1e-14);
    Ok(())
}

#[test]
fn a_quadratic_form_has_its_closed_forms() -> Result<()> {
    // ½ xᵀ A x: gradient ½ (A + Aᵀ) x, Hessian ½ (A + Aᵀ).
    let (a, x, v) = (spread(&[3, 3], 1), spread(&[3, 1], 2).leaf(), spread(&[3, 1], 3));
    let y = x.transpose(0, 1)?.matmul(&a)?.matmul(&x)?.sum_all()?.scale(0.5)?;
    let symmetric = a.add(&a.transpose(0, 1)?)?.scale(0.5)?;
    assert_close("∇", &grad(&y, &[&x], Order::First)?[0], &symmetric.matmul(&x.detach())?, 1e-14);
    assert_close("∇²v", &hvp(&y, &[&x], &[&v], Order::First)?[0], &symmetric.matmul(&v)?, 1e-14);
    let third = partial_vjp(&[(&hvp(&y, &[&x], &[&v], Order::Higher)?[0], &v)], &[&x], Order::First)?.remove(0);
    assert!(third.is_none_or(|t| t.to_vec_f64().expect("on the host").iter().all(|&v| v == 0.0)));
    Ok(())
}

/// Rows of the Jacobian of `y` at `x`, one gradient for each element.
fn jacobian(y: &Tensor, x: &Tensor) -> Result<Vec<Vec<f64>>> {
    let flat = y.reshape(y.elem_count())?;
    let row = |i| grad(&flat.narrow(0, i, 1)?, &[x], Order::First)?.remove(0).to_vec_f64();
    (0..flat.elem_count()).map(row).collect()
}

fn times(matrix: &[Vec<f64>], v: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
}

#[test]
fn products_with_jacobians_and_hessians_are_those_of_the_whole_matrices() -> Result<()> {
    let (x, w, v) = (spread(&[2, 3], 1).leaf(), spread(&[3, 2], 2), spread(&[2, 3], 3));
    let y = x.matmul(&w)?.tanh()?.mul(&x.narrow(1, 0, 2)?)?;
    let forward = jvp(&y, &[&x], &[&v], Order::First)?;
    let want = Tensor::from_vec(times(&jacobian(&y, &x)?, &v.to_vec_f64()?), y.shape())?;
    assert_close("J v", &forward, &want, 1e-13);

    let loss = y.sqr()?.sum_all()?;
    let gradient = grad(&loss, &[&x], Order::Higher)?.remove(0);
    let hessian = jacobian(&gradient, &x)?;
    for (i, j) in (0..6).flat_map(|i| (0..i).map(move |j| (i, j))) {
        assert!((hessian[i][j] - hessian[j][i]).abs() < 1e-12, "the Hessian is symmetric");
    }
    let want = Tensor::from_vec(times(&hessian, &v.to_vec_f64()?), x.shape())?;
    assert_close("∇² v", &hvp(&loss, &[&x], &[&v], Order::First)?[0], &want, 1e-13);
    Ok(())
}

#[test]
fn products_of_several_inputs_add_up() -> Result<()> {
    // y = x₁ ∘ x₂ with tangents v₁, v₂: J v = v₁ ∘ x₂ + x₁ ∘ v₂, and the tangents of a JVP can be recorded too.
    let [x1, x2, v1, v2] = [1, 2, 3, 4].map(|seed| spread(&[3], seed).leaf());
    let y = x1.mul(&x2)?;
    let forward = jvp(&y, &[&x1, &x2], &[&v1, &v2], Order::Higher)?;
    assert_close("J v", &forward, &v1.mul(&x2)?.add(&x1.mul(&v2)?)?, 1e-15);
    assert_close("by v₁", &grad(&forward.sum_all()?, &[&v1], Order::First)?[0], &x2, 1e-15);
    assert_close("by x₁", &grad(&forward.sum_all()?, &[&x1], Order::First)?[0], &v2, 1e-15);
    let linear = x1.scale(2.0)?.sum_all()?;
    assert_eq!(hvp(&linear, &[&x1], &[&v1], Order::First)?[0].to_vec_f64()?, [0.0; 3]);
    Ok(())
}

#[test]
fn a_gradient_at_a_tensor_on_the_way() -> Result<()> {
    // θ' = θ − α g is no leaf, and ∂L/∂θ' is what a first-order learner takes.
    let theta = spread(&[3], 1).leaf();
    let adapted = theta.add_scaled(&theta.sqr()?, -0.1)?;
    let loss = adapted.powf(3.0)?.sum_all()?;
    let got = grad(&loss, &[&adapted, &theta], Order::First)?;
    let at_adapted = adapted.detach().sqr()?.scale(3.0)?;
    assert_close("∂L/∂θ'", &got[0], &at_adapted, 1e-14);
    assert_close("∂L/∂θ", &got[1], &at_adapted.mul(&theta.detach().affine(-0.2, 1.0)?)?, 1e-14);
    // The walk may start at the point itself, and name it twice.
    let one = grad(&adapted.sum_all()?, &[&adapted, &adapted], Order::First)?;
    assert_eq!((one[0].to_vec_f64()?, one[1].to_vec_f64()?), (vec![1.0; 3], vec![1.0; 3]));
    Ok(())
}

#[test]
fn an_alias_sees_its_own_uses_only() -> Result<()> {
    let x = Tensor::scalar(3f64)?.leaf();
    let alias = x.alias();
    let y = x.mul(&alias)?;
    let g = grad(&y, &[&alias, &x], Order::First)?;
    assert_eq!((g[0].to_f64()?, g[1].to_f64()?), (3.0, 6.0));
    Ok(())
}

#[test]
fn seeds_of_several_outputs_add_up() -> Result<()> {
    let x = spread(&[3], 1).leaf();
    let (a, b) = (x.sin()?, x.exp()?);
    let (u, v) = (spread(&[3], 2), spread(&[3], 3));
    let got = vjp(&[(&a, &u), (&b, &v), (&x, &u)], &[&x], Order::First)?.remove(0);
    let want = u.mul(&x.detach().cos()?)?.add(&v.mul(&x.detach().exp()?)?)?.add(&u)?;
    assert_close("sum of seeds", &got, &want, 1e-15);
    Ok(())
}

#[test]
fn a_scope_without_recording() -> Result<()> {
    let x = spread(&[2], 1).leaf();
    {
        let _outer = NoRecord::new();
        {
            let _inner = NoRecord::new();
            assert!(!is_recording());
        }
        assert!(!is_recording() && !x.sqr()?.is_tracked());
        let elsewhere = std::thread::spawn(is_recording).join().expect("the thread did not die");
        assert!(elsewhere, "a scope is its own thread's");
    }
    assert!(is_recording() && x.sqr()?.is_tracked());
    let g = grad(&x.powf(3.0)?.sum_all()?, &[&x], Order::First)?.remove(0);
    assert!(!g.is_tracked(), "a first-order gradient is a constant");
    Ok(())
}

#[test]
fn an_input_that_nothing_depends_on() -> Result<()> {
    let (x, other) = (spread(&[2], 1).leaf(), spread(&[3], 2).leaf());
    let y = x.sqr()?.sum_all()?;
    let found = partial_vjp(&[(&y, &y.ones_like()?)], &[&other, &x], Order::First)?;
    assert!(found[0].is_none() && found[1].is_some());
    let error = grad(&y, &[&x, &other], Order::First).expect_err("nothing depends on it");
    assert!(matches!(&error, Error::NotConnected { index: 1, shape } if shape.dims() == [3]), "{error}");
    assert!(error.to_string().contains("partial_vjp"));
    // Younger than the output, and in front of a path that was cut.
    assert!(matches!(grad(&y, &[&y.sqr()?], Order::First), Err(Error::NotConnected { .. })));
    assert!(matches!(grad(&x.detach().leaf().sum_all()?, &[&x], Order::First), Err(Error::NotConnected { .. })));
    Ok(())
}

#[test]
fn what_is_refused_says_so() -> Result<()> {
    let x = spread(&[2], 1).leaf();
    let y = x.sqr()?;
    assert!(matches!(grad(&y, &[&x], Order::First), Err(Error::NotScalar { shape }) if shape.dims() == [2]));
    let total = y.sum_all()?;
    assert!(matches!(grad(&total, &[&x.detach()], Order::First), Err(Error::NotTracked { index: 0, .. })));
    assert!(matches!(vjp(&[(&y, &spread(&[3], 2))], &[&x], Order::First), Err(Error::Shape { .. })));
    assert!(matches!(hvp(&total, &[&x], &[&spread(&[3], 2)], Order::First), Err(Error::Shape { .. })));
    assert!(matches!(jvp(&y, &[&x], &[&spread(&[1], 2)], Order::First), Err(Error::Shape { .. })));
    assert!(x.to_f64().is_err() && x.dim(1).is_err() && x.sum(&[1]).is_err() && x.reshape(3).is_err());
    assert!(x.narrow(0, 1, 2).is_err() && x.squeeze(0).is_err() && x.permute(&[1]).is_err() && x.chunk(3, 0).is_err());
    assert!(x.clamp(1.0, 0.0).is_err() && x.clamp(f64::NAN, 0.0).is_err() && Tensor::cat(&[], 0).is_err());
    assert!(x.matmul(&x).is_err() && x.sum_to(3).is_err() && x.add(&spread(&[3], 1)).is_err());
    let image = spread(&[1, 1, 2, 2, 1], 1);
    assert!(image.max_pool2d(3, 1).is_err() && image.avg_pool2d(1, 0).is_err() && x.unfold((1, 1), 1, 0).is_err());
    assert!(image.conv2d(&spread(&[1, 3, 3, 1, 1], 1), 1, 0).is_err());
    assert!(image.conv2d(&spread(&[1, 1, 1, 2, 1], 1), 1, 0).is_err());
    assert!(image.linear(&spread(&[1, 2, 2], 1), None).is_err());
    let (rows, c) = (spread(&[1, 3, 2], 1), spread(&[1, 2], 2));
    assert!(rows.batch_norm(&c, &c, 0.1, NormStats::FirstRows(0)).is_err());
    assert!(rows.batch_norm(&c, &c, 0.1, NormStats::FirstRows(4)).is_err());
    assert!(rows.batch_norm(&spread(&[1, 3], 1), &c, 0.1, NormStats::Batch).is_err());
    let floats = Value::zeros(2, DType::F32, &Device::Cpu)?;
    assert!(spread(&[2, 3], 1).cross_entropy(&floats).is_err());
    assert!(spread(&[2, 3], 1).cross_entropy(&ids(&[0, 1, 2], &[3])).is_err());
    Ok(())
}

#[test]
fn the_checker_refuses_what_it_cannot_check() -> Result<()> {
    let x = spread(&[2], 1);
    let single = x.to_dtype(DType::F32)?;
    let refused = |f: fn(&[Tensor]) -> Result<Tensor>, xs: &[Tensor], check: Check| {
        let error = check_gradients(f, xs, check).expect_err("refused").to_string();
        assert!(error.starts_with("check_gradients: "), "{error}");
    };
    refused(|x| x[0].sqr(), &[single], Check::default());
    refused(|x| x[0].to_dtype(DType::F32), std::slice::from_ref(&x), Check::default());
    refused(|_| Tensor::scalar(1f64), &[], Check::default());
    for check in [order(0), Check { step: 0.0, ..order(1) }, Check { tolerance: f64::NAN, ..order(1) }] {
        refused(|x| x[0].sqr(), std::slice::from_ref(&x), check);
    }
    // A gradient of another shape than its input, and a NaN.
    let broad = |x: &[Tensor]| {
        Ok(Tensor::custom(x[0].value().broadcast_as((3, 2))?, &[&x[0]], |up| {
            Ok([Some(up.grad().clone())].into_iter().collect())
        }))
    };
    assert!(matches!(check_gradients(broad, std::slice::from_ref(&x), order(1)), Err(Error::Shape { .. })));
    let nan = check_gradients(|x| x[0].abs()?.neg()?.sqrt(), &[x], order(1));
    assert!(matches!(nan, Err(Error::GradientCheck { order: 1, input: 0, element: 0, .. })));
    Ok(())
}

/// An error that shows at one order only is found there.
#[test]
fn the_checker_names_the_order_that_is_wrong() {
    let half_right = |x: &[Tensor]| {
        let held = x[0].detach(); // The first derivative is right, and then wrongly constant.
        Ok(Tensor::custom(x[0].value().sqr()?, &[&x[0]], move |up| {
            Ok([Some(up.grad().mul(&held)?.scale(2.0)?)].into_iter().collect())
        }))
    };
    let x = [spread(&[2], 1)];
    assert!(check_gradients(half_right, &x, order(1)).is_ok());
    assert!(matches!(check_gradients(half_right, &x, order(2)), Err(Error::GradientCheck { order: 2, .. })));
}

/// Batch normalisation has a kernel for its first derivative; both must be the same function as its composite, which
/// `FirstRows` of all rows runs on.
#[test]
fn a_fused_operation_has_the_derivatives_of_its_composite() -> Result<()> {
    let (gamma, beta) = (spread(&[2, 3], 2).leaf(), spread(&[2, 3], 3).leaf());
    let x = uniform(&[2, 5, 3], &mut crate::support::rng(1)).leaf();
    let seed = spread(&[2, 5, 3], 4);
    let xs = [&x, &gamma, &beta];
    let fused = x.batch_norm(&gamma, &beta, 1e-3, NormStats::Batch)?;
    let composite = x.batch_norm(&gamma, &beta, 1e-3, NormStats::FirstRows(5))?;
    assert_close("value", &fused, &composite, 1e-13);
    let first = |y: &Tensor, order| vjp(&[(y, &seed)], &xs, order);
    let second = |y: &Tensor| {
        let total = first(y, Order::Higher)?
            .iter()
            .try_fold(Tensor::scalar(0f64)?, |sum, g| sum.add(&g.powf(3.0)?.sum_all()?))?;
        grad(&total, &[&x, &gamma], Order::First)
    };
    for order in [Order::First, Order::Higher] {
        for (a, b) in first(&fused, order)?.iter().zip(&first(&composite, order)?) {
            assert_close("first order", a, b, 1e-11);
        }
    }
    for (a, b) in second(&fused)?.iter().zip(&second(&composite)?) {
        assert_close("second order", a, b, 1e-10);
    }
    Ok(())
}

/// A class that is not there must not pass as a row of zeros, whose loss would be 0.
#[test]
fn cross_entropy_refuses_classes_out_of_range() {
    let logits = Tensor::from_vec(vec![0f64; 6], (1, 2, 3)).unwrap();
    let targets = candle_core::Tensor::from_vec(vec![2u32, 3], (1, 2), &candle_core::Device::Cpu).unwrap();
    let error = logits.cross_entropy(&targets).unwrap_err().to_string();
    assert!(error.contains("class 3 of 3"), "{error}");
}
