//! States as data.

use candle_core::{DType, Device};
use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::{Adam, Chain, ClipNorm, Error, Grouped, Momentum, Result, Select, Sgd, State, Transform};

use crate::{descend, named, theta, values};

fn network() -> Result<Params> {
    Ok(named(&[("body.weight", &[1.0, -2.0]), ("head.bias", &[0.3])])?.to_dtype(DType::F32)?)
}

fn nested() -> Chain {
    Chain::new()
        .then(ClipNorm::new(1.0))
        .then(Grouped::new(Adam::new(0.1)).with(Select::prefix(["head"]), Momentum::new(0.1)))
}

fn bits(params: &Params) -> Result<Vec<u64>> {
    Ok(values(params)?.into_iter().map(f64::to_bits).collect())
}

#[test]
fn a_state_through_a_file_takes_the_same_next_steps() -> Result<()> {
    let slope = |i: usize, x: f64| f64::from((x * (1.0 + i as f64) + 0.1) as f32);
    let optimiser = nested();
    let start = network()?;
    let grads = start.map(|leaf| leaf.affine(0.37, 0.011))?;
    let mut state = optimiser.init(&start)?;
    for _ in 0..3 {
        state = optimiser.update(&grads, &state, &start)?.1;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("state.safetensors");
    state.to_params()?.save(&path)?;
    let mut restored = State::from_params(&Params::load(&path, &Device::Cpu)?)?;
    assert_eq!(restored.step(), 3);
    for k in 0..3 {
        let grads = grads.map(|leaf| leaf.shift(slope(k, 0.2)))?;
        let (a, next) = optimiser.update(&grads, &state, &start)?;
        let (b, next_restored) = optimiser.update(&grads, &restored, &start)?;
        (state, restored) = (next, next_restored);
        assert_eq!(bits(&a)?, bits(&b)?);
        assert_eq!(bits(&state.to_params()?)?, bits(&restored.to_params()?)?);
    }
    Ok(())
}

#[test]
fn the_stored_names_are_those_documented() -> Result<()> {
    let stored = nested().init(&network()?)?.to_params()?;
    let names: Vec<&str> = stored.names().collect();
    let steps = ["step", "0.step", "1.step", "1.0.step", "1.1.step"];
    assert_eq!(names, [&steps[..], &["1.0.b.head.bias", "1.1.m.body.weight", "1.1.v.body.weight"]].concat());
    Ok(())
}

#[test]
fn leaves_go_out_and_back() -> Result<()> {
    let (_, state) = descend(&nested(), &named(&[("body.weight", &[1.0]), ("head.bias", &[2.0])])?, 2, |_, x| x)?;
    let doubled = state.with_leaves(&state.leaves()?.scale(2.0)?)?;
    assert_eq!(values(&doubled.leaves()?)?, values(&state.leaves()?)?.iter().map(|x| 2.0 * x).collect::<Vec<_>>());
    assert_eq!(doubled.step(), 2);
    assert!(state.with_leaves(&theta(&[1.0])?).is_err());
    assert!(!state.map(|slot| Ok(slot.leaf()))?.detach()?.leaves()?.is_tracked());
    Ok(())
}

#[test]
fn a_shared_state_is_expanded_to_tasks() -> Result<()> {
    let adam = Adam::new(0.1);
    let state = adam.init(&theta(&[1.0, 2.0])?)?.map(|slot| slot.expand_tasks(3))?;
    assert_eq!(state.slot("m")?.leaves()[0].dims(), [3, 2]);
    let params = theta(&[1.0, 2.0])?.expand_tasks(3)?;
    assert_eq!(adam.update(&params, &state, &params)?.0.leaves()[0].dims(), [3, 2]);
    Ok(())
}

#[test]
fn another_transformations_state_is_an_error() -> Result<()> {
    let params = network()?;
    let momentum = Momentum::new(0.1).init(&params)?;
    let error = Adam::new(0.1).update(&params, &momentum, &params).unwrap_err();
    assert!(matches!(&error, Error::MissingSlot { name, available } if name == "m" && available == "b"), "{error}");
    let error = nested().update(&params, &momentum, &params).unwrap_err();
    assert!(matches!(error, Error::Children { transform: "Chain", expected: 2, found: 0 }), "{error}");
    // The same optimiser on another model.
    let other = Adam::new(0.1).init(&theta(&[1.0])?)?;
    assert!(matches!(Adam::new(0.1).update(&params, &other, &params), Err(Error::Autodiff(_))));
    Ok(())
}

#[test]
fn gradients_of_another_shape_are_an_error() -> Result<()> {
    let sgd = Sgd::new(0.1);
    let params = theta(&[1.0, 2.0])?;
    let error = sgd.update(&theta(&[1.0])?, &sgd.init(&params)?, &params).unwrap_err();
    assert!(error.to_string().contains("theta"), "{error}");
    Ok(())
}

#[test]
fn tensors_that_are_no_state_are_refused() -> Result<()> {
    let step = |dtype| Ok::<_, Error>(Tensor::from_vec(vec![3i64], 1)?.value().to_dtype(dtype)?.into());
    let stored = |name: &str, dtype| Ok::<_, Error>(Params::new([(name.to_owned(), step(dtype)?)])?);
    assert_eq!(State::from_params(&stored("step", DType::I64)?)?.step(), 3);
    let negative = Params::new([("step".to_owned(), Tensor::from_vec(vec![-1i64], 1)?)])?;
    let none = Params::new(Vec::new())?;
    for wrong in
        [stored("steps", DType::I64)?, stored("step", DType::F32)?, stored("1.step", DType::I64)?, negative, none]
    {
        assert!(matches!(State::from_params(&wrong), Err(Error::NotAState { .. })), "{wrong:?}");
    }
    for slot in ["", "a.b", "7"] {
        let state = State::new().with_slot(slot, theta(&[1.0])?);
        assert!(matches!(state.to_params(), Err(Error::NotAState { .. })), "{slot}");
    }
    Ok(())
}
