//! What is chosen by name.

use rekindle_autodiff::Params;
use rekindle_optim::{
    AdamW, Chain, ClipNorm, DecoupledDecay, Error, Freeze, GroupRates, Grouped, Momentum, Result, Scale, Select, Sgd,
    Transform, WeightDecay,
};

use crate::{assert_close, descend, named, values};

fn network() -> Result<Params> {
    named(&[("body.weight", &[1.0, 2.0]), ("body.bias", &[3.0]), ("head.weight", &[4.0]), ("head.bias", &[5.0])])
}

/// The updates for gradients that are all 1.
fn updates(transform: &dyn Transform) -> Result<Vec<f64>> {
    let params = network()?;
    let ones = params.map(|leaf| leaf.ones_like())?;
    values(&transform.update(&ones, &transform.init(&params)?, &params)?.0)
}

#[test]
fn selections_take_whole_components() {
    let cases = [
        (Select::All, [true; 4]),
        (Select::prefix(["enc"]), [true, true, true, false]),
        (Select::suffix(["bias"]), [false, true, false, false]),
        (Select::names(["encoder.b"]), [false, false, false, true]),
        (Select::predicate(|name| name.contains("nb")), [false, false, true, false]),
        (Select::prefix(["enc"]).negate(), [false, false, false, true]),
    ];
    for (select, expected) in cases {
        let found = ["enc", "enc.bias", "enc.nbias", "encoder.b"].map(|name| select.matches(name));
        assert_eq!(found, expected, "{select:?}");
    }
}

#[test]
fn frozen_parameters_stay_whatever_came_before() -> Result<()> {
    let frozen = Chain::new()
        .then(Momentum::new(0.1))
        .then(DecoupledDecay::new(0.1))
        .then(Freeze::new(Select::prefix(["body"])));
    let (end, _) = descend(&frozen, &network()?, 4, |_, x| x)?;
    let end = values(&end)?;
    assert_eq!(end[..3], [1.0, 2.0, 3.0]);
    assert!(end[3] < 4.0 && end[4] < 5.0);
    Ok(())
}

#[test]
fn a_frozen_nan_does_no_harm() -> Result<()> {
    let params = network()?;
    let nan = params.map(|leaf| leaf.scale(f64::NAN))?;
    let freeze = Freeze::all();
    assert_eq!(values(&freeze.update(&nan, &freeze.init(&params)?, &params)?.0)?, [0.0; 5]);
    Ok(())
}

#[test]
fn the_first_group_that_fits_counts() -> Result<()> {
    let rates = GroupRates::new().with(Select::suffix(["bias"]), 2.0).with(Select::prefix(["body"]), 0.5);
    assert_eq!(updates(&rates)?, [0.5, 0.5, 2.0, 1.0, 2.0]);
    let grouped = Grouped::new(Scale::new(1.0))
        .with(Select::suffix(["bias"]), Scale::new(2.0))
        .with(Select::prefix(["body"]), Scale::new(0.5));
    assert_eq!(updates(&grouped)?, [0.5, 0.5, 2.0, 1.0, 2.0]);
    Ok(())
}

/// The norm of the head's two ones is √2; the body's three do not count.
#[test]
fn a_group_sees_itself_alone() -> Result<()> {
    let grouped = Grouped::new(ClipNorm::new(1.0)).with(Select::prefix(["body"]), Freeze::all());
    assert_close(&updates(&grouped)?, &[0.0, 0.0, 0.0, 0.5f64.sqrt(), 0.5f64.sqrt()], 1e-15);
    Ok(())
}

#[test]
fn groups_do_as_they_would_alone() -> Result<()> {
    let grouped = Grouped::new(Sgd::new(0.1)).with(Select::prefix(["head"]), AdamW::new(0.2, 0.1));
    let (end, _) = descend(&grouped, &network()?, 5, |_, x| x)?;
    let (body, head) = network()?.partition(|name| name.starts_with("body"));
    let (body, _) = descend(&Sgd::new(0.1), &body, 5, |_, x| x)?;
    let (head, _) = descend(&AdamW::new(0.2, 0.1), &head, 5, |_, x| x)?;
    assert_eq!(values(&end)?, [values(&body)?, values(&head)?].concat());
    Ok(())
}

#[test]
fn decay_leaves_out_what_is_not_selected() -> Result<()> {
    let select = Select::suffix(["bias"]).negate();
    let l2 = WeightDecay { select: select.clone(), ..WeightDecay::new(0.5) };
    assert_eq!(updates(&l2)?, [1.5, 2.0, 1.0, 3.0, 1.0]);
    let beside = DecoupledDecay { select, ..DecoupledDecay::new(0.5) };
    assert_eq!(updates(&beside)?, [0.5, 0.0, 1.0, -1.0, 1.0]);
    Ok(())
}

#[test]
fn a_misspelt_name_is_an_error() -> Result<()> {
    let params = network()?;
    let cases: [Box<dyn Transform>; 5] = [
        Box::new(Freeze::new(Select::prefix(["body", "haed"]))),
        Box::new(Freeze::new(Select::names(["body.wieght"]))),
        Box::new(GroupRates::new().with(Select::suffix(["gamma"]), 0.5)),
        Box::new(Grouped::new(Sgd::new(0.1)).with(Select::prefix(["haed"]), Sgd::new(0.2))),
        Box::new(WeightDecay { select: Select::suffix(["gamma"]).negate(), ..WeightDecay::new(0.1) }),
    ];
    for transform in cases {
        let error = transform.init(&params).unwrap_err();
        assert!(matches!(error, Error::Unmatched { .. }), "{error}");
        assert!(error.to_string().contains("there are: body.weight, body.bias"), "{error}");
    }
    Ok(())
}
