//! A source's parameters in a target model.

use candle_core::DType;
use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::Select;
use rekindle_transfer::{Error, adopt, with_task_axis};

use super::{Result, bits, init, smooth};

#[test]
fn a_new_head_is_drawn_and_the_rest_is_the_sources() -> Result<()> {
    let source = init(&smooth(&[2, 6, 5, 4]), 0, DType::F64);
    let fresh = init(&smooth(&[2, 6, 5, 3]), 1, DType::F32);
    let tuned = adopt(&source, &fresh, Some(&Select::prefix(["fc3"])))?;
    tuned.check_like(&fresh)?;
    assert!(tuned.leaves().iter().all(|leaf| leaf.dtype() == DType::F32 && !leaf.is_tracked()));
    for (name, leaf) in tuned.iter() {
        let from = if name.starts_with("fc3") { fresh.get(name)? } else { &source.get(name)?.to_dtype(DType::F32)? };
        assert_eq!(leaf.to_vec_f64()?, from.to_vec_f64()?, "{name}");
    }
    Ok(())
}

#[test]
fn a_head_of_the_same_size_can_be_reset() -> Result<()> {
    let source = init(&smooth(&[2, 6, 4]), 0, DType::F64);
    let fresh = init(&smooth(&[2, 6, 4]), 1, DType::F64);
    let reset = adopt(&source, &fresh, Some(&Select::prefix(["fc2"])))?;
    assert_eq!(bits(&reset)[2..], bits(&fresh)[2..]);
    assert_eq!(bits(&adopt(&source, &fresh, None)?), bits(&source));
    Ok(())
}

/// One error for all: missing, left over, and of another shape.
#[test]
fn every_parameter_that_does_not_fit_is_named() -> Result<()> {
    let (source, target) =
        (init(&smooth(&[2, 6, 5, 4]), 0, DType::F64), init(&smooth(&[3, 6, 5, 5, 7]), 1, DType::F64));
    let (source, _) = source.partition(|name| name != "fc2.bias");
    let source = source.merge(&Params::new([("extra".to_owned(), Tensor::from_vec(vec![0f64], (1, 1))?)])?)?;
    let error = adopt(&source, &target, Some(&Select::prefix(["fc4"]))).unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }));
    let message = error.to_string();
    for part in [
        "`fc1.weight` has shape [1, 2, 6], expected [1, 3, 6]",
        "`fc2.bias` is missing",
        "`fc3.weight` has shape [1, 5, 4], expected [1, 5, 5]",
        "`fc3.bias` has shape [1, 4], expected [1, 5]",
        "`extra` is not in the target",
        "start afresh",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!message.contains("fc4") && !message.contains("fc1.bias"), "{message}");
    Ok(())
}

#[test]
fn a_selection_of_fresh_layers_that_finds_nothing_is_refused() -> Result<()> {
    let params = init(&smooth(&[2, 4]), 0, DType::F64);
    assert!(matches!(adopt(&params, &params, Some(&Select::prefix(["head"]))), Err(Error::Optim(_))));
    Ok(())
}

#[test]
fn leaves_of_other_programs_get_a_task_axis() -> Result<()> {
    let plain = Params::new([("w".to_owned(), Tensor::from_vec(vec![1f64, 2.], (2, 1))?)])?;
    assert_eq!(with_task_axis(&plain)?.get("w")?.dims(), [1, 2, 1]);
    Ok(())
}
