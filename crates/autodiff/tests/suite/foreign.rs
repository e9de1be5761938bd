//! Functions that are written in candle, as one node: against the same function in tape operations, and against finite
//! differences.

use candle_core::Tensor as Value;
use rekindle_autodiff::{Check, Error, ForeignParams, Order, Params, Result, Tensor, check_gradients, foreign, vjp};

use crate::support::{assert_close, order, spread};

/// `tanh(x w + b)` of one task: x `[B, D]`, w `[D, O]`, b `[O]`.
fn layer(params: &ForeignParams, inputs: &[Value]) -> candle_core::Result<Value> {
    inputs[0].matmul(&params["w"])?.broadcast_add(&params["b"])?.tanh()
}

/// The same with a task axis, in tape operations.
fn on_the_tape(params: &Params, x: &Tensor) -> Result<Tensor> {
    x.linear(params.get("w")?, Some(params.get("b")?))?.tanh()
}

fn params(m: usize) -> Params {
    let leaves = [("w", spread(&[m, 3, 2], 1)), ("b", spread(&[m, 2], 2))];
    Params::new(leaves.map(|(name, leaf)| (name.to_owned(), leaf))).expect("different names").leaf()
}

#[test]
fn values_and_gradients_are_those_of_the_tape() -> Result<()> {
    // Leaves of each task's own or shared by all, inputs likewise.
    for (mw, mx) in [(1, 1), (3, 3), (1, 3), (3, 1)] {
        let (params, x) = (params(mw), spread(&[mx, 4, 3], 3).leaf());
        let (got, want) = (foreign(&params, &[&x], layer)?, on_the_tape(&params, &x)?);
        assert_close("value", &got, &want, 1e-14);
        let seed = spread(got.dims(), 4);
        let targets: Vec<&Tensor> = params.leaves().iter().chain([&x]).collect();
        let got = vjp(&[(&got, &seed)], &targets, Order::First)?;
        for (got, want) in got.iter().zip(&vjp(&[(&want, &seed)], &targets, Order::First)?) {
            assert_close(&format!("gradients, {mw} and {mx} tasks"), got, want, 1e-13);
        }
    }
    Ok(())
}

#[test]
fn gradients_match_finite_differences() {
    let check = Check { order: 1, ..order(1) };
    let inputs = [spread(&[1, 3, 2], 1), spread(&[2, 2], 2), spread(&[2, 2, 3], 3)];
    let run = |x: &[Tensor]| {
        let params = Params::new([("w".to_owned(), x[0].clone()), ("b".to_owned(), x[1].clone())])?;
        foreign(&params, &[&x[2]], layer)
    };
    check_gradients(run, &inputs, check).expect("candle's first order is right");
    let twice = check_gradients(run, &inputs, order(2));
    assert!(matches!(twice, Err(Error::OnceDifferentiable { op: "foreign" })));
}

/// The node stands in the middle: gradients pass through it to what made its inputs.
#[test]
fn a_foreign_function_within_an_expression() -> Result<()> {
    let (params, x) = (params(1), spread(&[1, 2, 3], 3).leaf());
    let through = |f: &dyn Fn(&Tensor) -> Result<Tensor>| {
        let y = f(&x.sin()?)?.sqr()?.sum_all()?;
        Ok::<_, Error>(rekindle_autodiff::grad(&y, &[&x], Order::First)?.remove(0))
    };
    let got = through(&|h| foreign(&params, &[h], layer))?;
    assert_close("through", &got, &through(&|h| on_the_tape(&params, h))?, 1e-13);
    Ok(())
}

#[test]
fn an_unused_leaf_has_zeros_and_a_frozen_one_nothing() -> Result<()> {
    let (params, x) = (params(1), spread(&[1, 2, 3], 3));
    let y = foreign(&params, &[&x], |params, inputs| inputs[0].matmul(&params["w"]))?.sum_all()?;
    assert_eq!(params.grad(&y, Order::First)?.get("b")?.to_vec_f64()?, [0.0; 2]);
    assert!(!foreign(&params.detach(), &[&x], layer)?.is_tracked());
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() {
    let error = foreign(&params(2), &[&spread(&[3, 2, 3], 1)], layer).expect_err("two tasks and three");
    assert!(matches!(&error, Error::Shape { op: "foreign", .. }), "{error}");
    let error = foreign(&params(1), &[&spread(&[1, 2, 4], 1)], layer).expect_err("candle's own error");
    assert!(matches!(error, Error::Candle(_)));
}
