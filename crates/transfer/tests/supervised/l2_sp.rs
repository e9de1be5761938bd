//! Decay towards the source.

use candle_core::DType;
use rekindle_autodiff::{Check, Order, Tensor, check_gradients};
use rekindle_optim::{Chain, Sgd, Transform, apply_updates};
use rekindle_transfer::L2Sp;

use super::{Result, close, init, normal, smooth};

/// What is added to the gradient is the penalty's derivative by the tape, and that is the one of finite differences.
#[test]
fn the_pull_is_the_gradient_of_the_penalty() -> Result<()> {
    let all = init(&smooth(&[2, 3, 4]), 0, DType::F64);
    let (source, _) = all.partition(|name| name.starts_with("fc1"));
    let pull = L2Sp::new(&source, 0.3, 0.05)?;
    let params = all.map(|leaf| leaf.add(&normal(leaf.dims(), 7)))?.leaf();
    let by_tape = params.grad(&pull.penalty(&params)?.sum_all()?, Order::First)?;
    let zeros = params.zeros_like()?;
    let (added, _) = pull.update(&zeros, &pull.init(&params)?, &params)?;
    for ((name, a), b) in added.iter().zip(by_tape.leaves()) {
        assert!(close(&a.to_vec_f64()?, &b.to_vec_f64()?, 1e-12), "{name}");
    }
    let names = params.detach();
    let f = |leaves: &[Tensor]| Ok(pull.penalty(&names.with_leaves(leaves.to_vec())?).expect("the shapes fit"));
    check_gradients(f, names.leaves(), Check::default())?;
    Ok(())
}

/// Without a loss, descent at rate η goes to the source by (1 − ηα) a step, and a new head to zero by (1 − ηβ).
#[test]
fn without_a_loss_it_returns_to_the_source() -> Result<()> {
    let all = init(&smooth(&[2, 3, 4]), 0, DType::F64);
    let (source, _) = all.partition(|name| name.starts_with("fc1"));
    let optimiser = Chain::new().then(L2Sp::new(&source, 0.5, 0.2)?).then(Sgd::new(0.1));
    let mut params = all.map(|leaf| leaf.shift(1.0))?;
    let start = params.clone();
    let mut state = optimiser.init(&params)?;
    for _ in 0..10 {
        let (updates, next) = optimiser.update(&params.zeros_like()?, &state, &params)?;
        (params, state) = (apply_updates(&params, &updates)?, next);
    }
    let away = params.get("fc1.weight")?.sub(source.get("fc1.weight")?)?.to_vec_f64()?;
    assert!(away.iter().all(|d| (d - 0.95f64.powi(10)).abs() < 1e-12), "{away:?}");
    let head = start.get("fc2.weight")?.scale(0.98f64.powi(10))?.to_vec_f64()?;
    assert!(close(&params.get("fc2.weight")?.to_vec_f64()?, &head, 1e-12));
    Ok(())
}

#[test]
fn strengths_out_of_range_and_sources_that_do_not_fit_are_refused() -> Result<()> {
    let source = init(&smooth(&[2, 3, 4]), 0, DType::F64);
    assert!(L2Sp::new(&source, -1.0, 0.0).unwrap_err().to_string().contains("alpha"));
    assert!(L2Sp::new(&source, 0.0, f64::NAN).unwrap_err().to_string().contains("beta"));
    let pull = L2Sp::new(&source, 0.1, 0.1)?;
    let other = pull.init(&init(&smooth(&[2, 3, 5]), 0, DType::F64)).unwrap_err().to_string();
    assert!(other.contains("fc2.weight"), "{other}");
    let missing = pull.init(&init(&smooth(&[2, 3]), 0, DType::F64)).unwrap_err().to_string();
    assert!(missing.contains("fc2.weight") || missing.contains("fc1.weight"), "{missing}");
    Ok(())
}
