//! Direct solutions of small systems.

use candle_core::DType;
use rekindle_autodiff::{Error, Order, Result, Tensor, Transpose, grad};

use crate::support::{assert_gradients, spread};

/// `C Cᵀ + I`, positive definite for any C `[M, n, n]`.
fn definite(c: &Tensor) -> Result<Tensor> {
    let n = c.dim(1)?;
    let identity = (0..n * n).map(|i| f64::from(u8::from(i % (n + 1) == 0))).collect::<Vec<_>>();
    c.product(Transpose::No, c, Transpose::Yes)?.add(&Tensor::from_vec(identity, (1, n, n))?)
}

/// The defining equation `A X = B`, for two tasks and two right sides, and in single precision.
#[test]
fn the_solution_solves_the_system() -> Result<()> {
    let (a, b) = (definite(&spread(&[2, 4, 4], 1))?, spread(&[2, 4, 2], 2));
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let (a, b) = (a.to_dtype(dtype)?, b.to_dtype(dtype)?);
        let x = a.solve_spd(&b)?;
        assert_eq!(x.dtype(), dtype);
        let rest = a.matmul(&x)?.sub(&b)?.to_vec_f64()?;
        assert!(rest.iter().all(|r| r.abs() < tolerance), "{dtype:?}: {rest:?}");
    }
    Ok(())
}

/// Task by task, the bits are those of all tasks at once.
#[test]
fn tasks_do_not_mix() -> Result<()> {
    let (a, b) = (definite(&spread(&[3, 3, 3], 3))?, spread(&[3, 3, 1], 4));
    let all = a.solve_spd(&b)?;
    for task in 0..3 {
        let one = a.narrow(0, task, 1)?.solve_spd(&b.narrow(0, task, 1)?)?;
        assert_eq!(one.to_vec_f64()?, all.narrow(0, task, 1)?.to_vec_f64()?);
    }
    Ok(())
}

/// Finite differences up to the third order, in both operands, elements of the upper triangle among them.
#[test]
fn derivatives_agree_with_differences() -> Result<()> {
    let (a, b) = (definite(&spread(&[2, 2, 2], 5))?, spread(&[2, 2, 2], 6));
    assert_gradients("solve_spd", 3, &[a, b.clone()], |t| t[0].solve_spd(&t[1]));
    assert_gradients("solve_spd of a product", 2, &[spread(&[2, 2, 2], 7), b], |t| definite(&t[0])?.solve_spd(&t[1]));
    Ok(())
}

/// In one dimension `x = b/a`, so `∂x/∂a = −b/a²` and `∂²x/∂a² = 2b/a³`.
#[test]
fn one_dimension_by_hand() -> Result<()> {
    let a = Tensor::from_vec(vec![2f64], (1, 1, 1))?.leaf();
    let x = a.solve_spd(&Tensor::from_vec(vec![3f64], (1, 1, 1))?)?;
    let first = grad(&x, &[&a], Order::Higher)?.remove(0);
    let second = grad(&first, &[&a], Order::First)?.remove(0);
    for (found, expected) in [(x, 1.5), (first, -0.75), (second, 0.75)] {
        assert!((found.to_f64()? - expected).abs() < 1e-14, "{found:?} is not {expected}");
    }
    Ok(())
}

#[test]
fn what_is_not_positive_definite_names_the_task() -> Result<()> {
    let a = Tensor::from_vec(vec![1f64, 0., 0., 1., 1., 2., 2., 1.], (2, 2, 2))?;
    let error = a.solve_spd(&spread(&[2, 2, 1], 8)).unwrap_err();
    assert!(matches!(error, Error::NotPositiveDefinite { task: 1, row: 1, .. }), "{error}");
    let nan = Tensor::from_vec(vec![f64::NAN], (1, 1, 1))?;
    assert!(matches!(nan.solve_spd(&nan), Err(Error::NotPositiveDefinite { task: 0, row: 0, .. })));
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    for (a, b) in [([2, 3, 2], [2, 3, 1]), ([2, 3, 3], [2, 2, 1]), ([2, 3, 3], [1, 3, 1])] {
        assert!(matches!(spread(&a, 1).solve_spd(&spread(&b, 2)), Err(Error::Shape { .. })), "{a:?} {b:?}");
    }
    assert!(spread(&[3, 3], 1).solve_spd(&spread(&[3, 1], 2)).is_err());
}
