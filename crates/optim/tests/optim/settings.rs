//! Settings outside of their range are refused at `init`, with the value.

use rekindle_optim::{
    Adadelta, Adagrad, Adam, AdamW, ClipNorm, ClipValue, DecoupledDecay, Error, GroupRates, Momentum, Result, RmsProp,
    Scale, Schedule, Select, Sgd, Transform, WeightDecay,
};

use crate::theta;

fn assert_refused(transform: &dyn Transform, setting: &str) -> Result<()> {
    match transform.init(&theta(&[1.0])?) {
        Err(Error::Setting { setting: found, .. }) => assert_eq!(found, setting, "{transform:?}"),
        other => panic!("{transform:?}: {other:?}"),
    }
    Ok(())
}

#[test]
fn learning_rates() -> Result<()> {
    for lr in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let cases: [Box<dyn Transform>; 7] = [
            Box::new(Sgd::new(lr)),
            Box::new(Momentum::new(lr)),
            Box::new(Adagrad::new(lr)),
            Box::new(Adadelta::new(lr)),
            Box::new(RmsProp::new(lr)),
            Box::new(Adam::new(lr)),
            Box::new(AdamW::new(lr, 0.1)),
        ];
        for transform in cases {
            let error = transform.init(&theta(&[1.0])?).unwrap_err();
            let Error::Setting { value, .. } = error else { panic!("{error}") };
            assert!(value == lr || lr.is_nan() && value.is_nan());
        }
    }
    Ok(())
}

#[test]
fn decays_below_one() -> Result<()> {
    for decay in [-0.1, 1.0, f64::NAN] {
        assert_refused(&Adam { beta1: decay, ..Adam::default() }, "beta1")?;
        assert_refused(&Adam { beta2: decay, ..Adam::default() }, "beta2")?;
        assert_refused(&Momentum { momentum: decay, ..Momentum::default() }, "momentum")?;
        assert_refused(&RmsProp { decay, ..RmsProp::default() }, "decay")?;
        assert_refused(&Adadelta { rho: decay, ..Adadelta::default() }, "rho")?;
    }
    Ok(())
}

#[test]
fn numbers_above_zero() -> Result<()> {
    for value in [0.0, -1.0, f64::NAN] {
        assert_refused(&Adam { eps: value, ..Adam::default() }, "eps")?;
        assert_refused(&RmsProp { eps: value, ..RmsProp::default() }, "eps")?;
        assert_refused(&Adagrad { eps: value, ..Adagrad::default() }, "eps")?;
        assert_refused(&Adadelta { eps: value, ..Adadelta::default() }, "eps")?;
        assert_refused(&ClipValue::new(value), "limit")?;
        assert_refused(&ClipNorm::new(value), "max_norm")?;
        assert_refused(&WeightDecay::new(value), "strength")?;
        assert_refused(&DecoupledDecay::new(value), "rate")?;
    }
    assert_refused(&Adagrad { initial: -0.1, ..Adagrad::default() }, "initial")?;
    assert_refused(&AdamW::new(0.1, -0.1), "weight_decay")?;
    assert_refused(&GroupRates::new().with(Select::All, -0.1), "a group's rate")
}

#[test]
fn schedules() -> Result<()> {
    assert_refused(&Sgd::new(Schedule::linear(0.1, 0.0, 0)), "steps")?;
    assert_refused(&Sgd::new(Schedule::linear(0.1, f64::NAN, 3)), "lr")?;
    assert_refused(&Sgd::new(Schedule::linear(0.1, -0.1, 3)), "lr")?;
    assert_refused(&Sgd::new(Schedule::cosine(0.0, 3)), "lr")?;
    assert_refused(&Sgd::new(Schedule::from(-1.0).after_warmup(3)), "lr")?;
    assert_refused(&Sgd::new(Schedule::StepDecay { start: 0.1, factor: 0.0, every: 1 }), "factor")?;
    assert_refused(&Sgd::new(Schedule::StepDecay { start: 0.1, factor: 0.5, every: 0 }), "every")?;
    assert_refused(&Scale::new(f64::NAN), "value")?;
    Sgd::new(Schedule::linear(0.0, 0.1, 3)).validate()?;
    Scale::new(-1.0).validate()
}

/// A function cannot be checked beforehand, so it is checked at each step.
#[test]
fn a_function_that_turns_negative() -> Result<()> {
    let sgd = Sgd::new(Schedule::custom(|step| 1.0 - step as f64));
    let params = theta(&[1.0])?;
    let mut state = sgd.init(&params)?;
    for _ in 0..2 {
        state = sgd.update(&params, &state, &params)?.1;
    }
    let error = sgd.update(&params, &state, &params).unwrap_err();
    assert_eq!(error.to_string(), "Sgd: lr must be a finite number of at least 0, but is -1");
    Ok(())
}
