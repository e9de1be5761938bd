//! What is frozen stays to the bit, and what a selection finds.

use candle_core::DType;
use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::{Adam, AdamW, Chain, DecoupledDecay, Select, Sgd};
use rekindle_transfer::{Error, Fit, FitConfig, Freezing, LayerGroups};

use super::{Result, bits, init, quadrants, smooth};

fn fitted(freezing: Freezing, epochs: u64, start: &Params) -> Result<Params> {
    let model = smooth(&[2, 6, 5, 4]);
    let config = FitConfig { epochs, batch: 8, freezing, ..FitConfig::default() };
    // Decay moves every parameter that it reaches, whatever its gradient.
    let optimiser = Chain::new().then(Adam::new(0.01)).then(DecoupledDecay::new(0.01));
    Ok(Fit { model: &model, optimiser: &optimiser, config: &config }.train(start, &quadrants(1, 30, 1, DType::F32))?)
}

/// Which leaves have other bits than before.
fn moved(before: &Params, after: &Params) -> Vec<String> {
    let pairs = bits(before).into_iter().zip(bits(after));
    pairs.filter(|(a, b)| a != b).map(|(a, _)| a.0).collect()
}

/// A frozen weight of −0 would become +0 if zero were added to it.
#[test]
fn frozen_parameters_keep_their_bits_under_adam_with_weight_decay() -> Result<()> {
    let start = init(&smooth(&[2, 6, 5, 4]), 0, DType::F32).map_named(|name, leaf| {
        if name == "fc1.bias" { Tensor::from_vec(vec![-0f32; 6], (1, 6)) } else { Ok(leaf.clone()) }
    })?;
    let layers = LayerGroups::of(&start);
    let after = fitted(Freezing::bottom(&layers, 2)?, 5, &start)?;
    assert_eq!(moved(&start, &after), ["fc3.weight", "fc3.bias"]);
    let after = fitted(Freezing::Always(Select::suffix(["bias"])), 5, &start)?;
    assert_eq!(moved(&start, &after), ["fc1.weight", "fc2.weight", "fc3.weight"]);
    let after = fitted(Freezing::Nothing, 5, &start)?;
    assert_eq!(moved(&start, &after).len(), 6);
    Ok(())
}

/// The frozen layers cost their gradients nothing, and give the others the same ones: SGD's step with all but the head
/// frozen is that of the head without freezing.
#[test]
fn freezing_leaves_the_other_gradients_as_they_are() -> Result<()> {
    let model = smooth(&[2, 6, 4]);
    let start = init(&model, 0, DType::F64);
    let data = quadrants(1, 20, 1, DType::F64);
    let head = |freezing| -> Result<Vec<f64>> {
        let config = FitConfig { epochs: 1, freezing, ..FitConfig::default() };
        let after = Fit { model: &model, optimiser: &Sgd::new(0.1), config: &config }.train(&start, &data)?;
        Ok(after.get("fc2.weight")?.to_vec_f64()?)
    };
    let frozen = head(Freezing::all_but_top(&LayerGroups::of(&start), 1)?)?;
    assert!(super::close(&frozen, &head(Freezing::Nothing)?, 1e-12));
    Ok(())
}

#[test]
fn gradual_unfreezing_opens_a_layer_every_so_many_epochs_from_the_top() -> Result<()> {
    let start = init(&smooth(&[2, 6, 5, 4]), 0, DType::F32);
    let gradual = || Freezing::Gradual { layers: LayerGroups::of(&start), every: 2 };
    let shut = |epoch| gradual().at(epoch).map(|s| ["fc1.bias", "fc2.bias", "fc3.bias"].map(|name| s.matches(name)));
    assert_eq!(shut(0), Some([true, true, false]));
    assert_eq!(shut(1), Some([true, true, false]));
    assert_eq!(shut(2), Some([true, false, false]));
    assert_eq!((shut(4), shut(9)), (None, None));
    assert_eq!(moved(&start, &fitted(gradual(), 2, &start)?), ["fc3.weight", "fc3.bias"]);
    assert_eq!(moved(&start, &fitted(gradual(), 4, &start)?).len(), 4);
    assert_eq!(moved(&start, &fitted(gradual(), 5, &start)?).len(), 6);
    Ok(())
}

#[test]
fn a_pattern_that_matches_nothing_or_everything_is_refused() -> Result<()> {
    let start = init(&smooth(&[2, 6, 5, 4]), 0, DType::F32);
    let error = |freezing| fitted(freezing, 1, &start).unwrap_err().to_string();
    let message = error(Freezing::Always(Select::prefix(["fc1", "conv"])));
    assert!(message.contains("conv") && message.contains("fc2.weight"), "{message}");
    assert!(error(Freezing::Always(Select::All)).contains("leaves something to train"));
    assert!(error(Freezing::Gradual { layers: LayerGroups::of(&start), every: 0 }).contains("`every` is 0"));
    assert!(LayerGroups::of(&start).bottom(4).is_err() && LayerGroups::of(&start).top(0).is_err());
    Ok(())
}

/// Rates by hand: with SGD an update is the gradient times its layer's rate, η/2.6², η/2.6 and η.
#[test]
fn rates_fall_by_their_factor_from_layer_to_layer() -> Result<()> {
    let model = smooth(&[2, 6, 5, 4]);
    let start = init(&model, 0, DType::F64);
    let data = quadrants(1, 20, 1, DType::F64);
    let config = FitConfig { epochs: 1, ..FitConfig::default() };
    let step = |optimiser: &dyn rekindle_optim::Transform| -> Result<Params> {
        Ok(Fit { model: &model, optimiser, config: &config }.train(&start, &data)?.sub(&start)?)
    };
    let layers = LayerGroups::of(&start);
    let full = step(&Sgd::new(0.1))?;
    let scaled = step(&Chain::new().then(Sgd::new(0.1)).then(layers.discriminative(2.6)?))?;
    for (name, rate) in [("fc1.weight", 1.0 / 6.76), ("fc2.bias", 1.0 / 2.6), ("fc3.weight", 1.0)] {
        let expected = full.get(name)?.scale(rate)?.to_vec_f64()?;
        assert!(super::close(&scaled.get(name)?.to_vec_f64()?, &expected, 1e-12), "{name}");
    }
    assert!(layers.discriminative(0.5).is_err() && layers.discriminative(f64::NAN).is_err());
    Ok(())
}

/// Rates by layer and frozen layers go together: the optimiser still knows the frozen ones by name.
#[test]
fn rates_by_layer_and_freezing_go_together() -> Result<()> {
    let model = smooth(&[2, 6, 5, 4]);
    let start = init(&model, 0, DType::F32);
    let layers = LayerGroups::of(&start);
    let config = FitConfig { epochs: 2, freezing: Freezing::bottom(&layers, 1)?, ..FitConfig::default() };
    let optimiser = Chain::new().then(AdamW::default()).then(layers.discriminative(2.6)?);
    let after = Fit { model: &model, optimiser: &optimiser, config: &config }
        .train(&start, &quadrants(1, 20, 1, DType::F32))?;
    assert_eq!(moved(&start, &after), ["fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"]);
    Ok(())
}

#[test]
fn layers_are_read_off_the_names() -> Result<()> {
    let leaf = || Tensor::from_vec(vec![0f64], (1, 1)).expect("one value");
    let names = ["body.a.weight", "body.a.bias", "body.b.weight", "norm", "head.weight"];
    let params = Params::new(names.map(|name| (name.to_owned(), leaf())))?;
    let list = |layers: &LayerGroups| layers.names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(list(&LayerGroups::of(&params)), ["body", "norm", "head"]);
    let fine = LayerGroups::cut(&params, 2);
    assert_eq!(list(&fine), ["body.a", "body.b", "norm", "head"]);
    assert!(fine.top(2)?.matches("norm") && !fine.top(2)?.matches("body.b.weight"));

    let own = LayerGroups::new(&params, &[&["body.b"], &["body.a", "norm"], &["head"]])?;
    assert!(own.bottom(1)?.matches("body.b.weight") && own.bottom(2)?.matches("norm"));
    let refused = |layers: &[&[&str]]| LayerGroups::new(&params, layers).unwrap_err().to_string();
    assert!(refused(&[&["body"], &["head"]]).contains("norm in 0 layers"));
    assert!(refused(&[&["body"], &["body.a", "norm"], &["head"]]).contains("body.a.weight in 2 layers"));
    assert!(matches!(LayerGroups::new(&params, &[&["tail"]]), Err(Error::Optim(_))));
    Ok(())
}
