//! Gradients that are masked, added up, summed over tasks or stepped in the product that makes them, against the same
//! done one after the other.

use candle_core::DType;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{ComposedScope, Order, Result, Tensor, grad, grad_step, partial_vjp};

fn draw(rng: &mut ChaCha8Rng, shape: &[usize], dtype: DType) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape).unwrap().to_dtype(dtype).unwrap()
}

const TASKS: usize = 3;
const ROWS: usize = 7;

/// Weights and biases of a net 4-6-2, one for all tasks, and inputs and targets of each.
fn problem(dtype: DType) -> (Vec<Tensor>, Tensor, Tensor) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let leaves = [&[1, 4, 6][..], &[1, 6], &[1, 6, 2], &[1, 2]].map(|shape| draw(&mut rng, shape, dtype));
    (leaves.to_vec(), draw(&mut rng, &[TASKS, ROWS, 4], dtype), draw(&mut rng, &[TASKS, ROWS, 2], dtype))
}

fn loss(w: &[Tensor], x: &Tensor, y: &Tensor, fused: bool) -> Result<Tensor> {
    let h = if fused { x.linear_relu(&w[0], Some(&w[1]))? } else { x.linear(&w[0], Some(&w[1]))?.relu()? };
    h.linear(&w[2], Some(&w[3]))?.mse(y)?.sum_all()
}

fn expand(leaves: &[Tensor]) -> Vec<Tensor> {
    let each = |leaf: &Tensor| leaf.broadcast_to([&[TASKS], &leaf.dims()[1..]].concat()).unwrap();
    leaves.iter().map(each).collect()
}

fn refs(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

fn close(a: &Tensor, b: &Tensor, bound: f64) {
    assert_eq!(a.dims(), b.dims());
    for (a, b) in a.to_vec_f64().unwrap().iter().zip(b.to_vec_f64().unwrap()) {
        assert!((a - b).abs() <= bound * (1.0 + b.abs()), "{a} against {b}");
    }
}

#[test]
fn a_fused_relu_has_the_values_and_derivatives_of_two_operations() -> Result<()> {
    for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let (leaves, x, y) = problem(dtype);
        let derivatives = |fused: bool| -> Result<Vec<Tensor>> {
            let w: Vec<Tensor> = leaves.iter().map(Tensor::leaf).collect();
            let first = grad(&loss(&w, &x, &y, fused)?, &refs(&w), Order::Higher)?;
            let squares = first.iter().map(|g| g.sqr()?.sum_all()).collect::<Result<Vec<_>>>()?;
            let total = squares[1..].iter().try_fold(squares[0].clone(), |sum, s| sum.add(s))?;
            let second = grad(&total, &refs(&w), Order::First)?;
            Ok([first, second].concat())
        };
        for (fused, plain) in derivatives(true)?.iter().zip(&derivatives(false)?) {
            close(fused, plain, bound);
        }
    }
    Ok(())
}

/// Parameters after a step, and the gradients of the loss there; the step in the pass that makes the gradient or after it.
fn stepped(dtype: DType, fused: bool) -> Result<Vec<Tensor>> {
    let (leaves, x, y) = problem(dtype);
    let shared: Vec<Tensor> = leaves.iter().map(Tensor::leaf).collect();
    let w = expand(&shared);
    let inner = loss(&w, &x, &y, true)?;
    let stepped = if fused {
        grad_step(&inner, &refs(&w), -0.3)?
    } else {
        let g = grad(&inner, &refs(&w), Order::Higher)?;
        w.iter().zip(&g).map(|(w, g)| w.add_scaled(g, -0.3)).collect::<Result<_>>()?
    };
    let outer = grad(&loss(&stepped, &x, &y, true)?, &refs(&shared), Order::First)?;
    Ok([stepped, outer].concat())
}

#[test]
fn a_step_is_the_gradient_added_and_so_are_its_derivatives() -> Result<()> {
    for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let apart = stepped(dtype, false)?;
        let composed = {
            let _scope = ComposedScope::new();
            stepped(dtype, true)?
        };
        for ((fused, composed), apart) in stepped(dtype, true)?.iter().zip(&composed).zip(&apart) {
            close(fused, apart, bound);
            close(composed, apart, bound);
        }
    }
    Ok(())
}

#[test]
fn a_shared_leaf_has_the_bits_of_the_sum_over_tasks() -> Result<()> {
    let (leaves, x, y) = problem(DType::F32);
    let shared: Vec<Tensor> = leaves.iter().map(Tensor::leaf).collect();
    let own: Vec<Tensor> = expand(&leaves).iter().map(Tensor::leaf).collect();
    let adapted = |w: &[Tensor]| -> Result<Tensor> {
        let stepped = grad_step(&loss(w, &x, &y, true)?, &refs(w), -0.3)?;
        loss(&stepped, &x, &y, true)
    };
    let sums = grad(&adapted(&expand(&shared))?, &refs(&shared), Order::First)?;
    let apart = grad(&adapted(&own)?, &refs(&own), Order::First)?;
    for (sum, apart) in sums.iter().zip(&apart) {
        assert_eq!(sum.to_vec_f64()?, apart.sum_keepdim(&[0])?.to_vec_f64()?);
    }
    Ok(())
}

#[test]
fn the_gradient_at_a_relu_itself_is_not_masked() -> Result<()> {
    let (w, x, _) = problem(DType::F64);
    let h = x.leaf().linear_relu(&w[0], Some(&w[1]))?;
    let y = h.linear(&w[2], None)?.sum_all()?;
    let at_h = grad(&y, &[&h], Order::First)?.remove(0);
    let whole = w[2].broadcast_to((TASKS, 6, 2))?.sum(&[2])?.to_vec_f64()?; // each row of ∂y/∂h
    for row in at_h.to_vec_f64()?.chunks(6) {
        for (found, expected) in row.iter().zip(&whole) {
            assert!((found - expected).abs() < 1e-12, "{found} against {expected}");
        }
    }
    Ok(())
}

#[test]
fn a_relu_that_feeds_a_product_and_something_else_is_masked_once() -> Result<()> {
    let (w, x, _) = problem(DType::F64);
    let gradient = |fused: bool| -> Result<Tensor> {
        let x = x.leaf();
        let h = if fused { x.linear_relu(&w[0], Some(&w[1]))? } else { x.linear(&w[0], Some(&w[1]))?.relu()? };
        let seeds = [h.linear(&w[2], None)?.sum_all()?, h.exp()?.sum_all()?, h.linear(&w[2], None)?.sqr()?.sum_all()?];
        let one = seeds[0].ones_like()?;
        let pairs: Vec<(&Tensor, &Tensor)> = seeds.iter().map(|y| (y, &one)).collect();
        Ok(partial_vjp(&pairs, &[&x], Order::First)?.remove(0).expect("x is used"))
    };
    close(&gradient(true)?, &gradient(false)?, 1e-12);
    Ok(())
}
