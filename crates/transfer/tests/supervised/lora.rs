//! Differences of low rank.

use candle_core::DType;
use rekindle_autodiff::{Check, NormStats, Order, Tensor, check_gradients};
use rekindle_nn::{Conv4, Conv4Config, Model};
use rekindle_optim::{Adam, Select};
use rekindle_transfer::{Error, Fit, FitConfig, Freezing, Lora, LoraConfig};

use super::{Result, bits, close, init, normal, quadrants, rng, smooth};

fn config(train: Option<Select>) -> LoraConfig {
    LoraConfig { rank: 2, alpha: 3.0, weights: Select::names(["fc1.weight", "fc2.weight"]), train }
}

/// B is zero at first, so the model is the base's to the bit; then `W + (α/r) A B`, written out.
#[test]
fn it_begins_as_the_base_and_is_the_sum_of_both() -> Result<()> {
    let model = smooth(&[3, 6, 4]);
    let base = init(&model, 0, DType::F64);
    let lora = Lora::new(model.clone(), config(None))?;
    let params = lora.attach(&base, &mut rng(1))?;
    assert_eq!(bits(&lora.merge(&params)?), bits(&base));

    let moved = params
        .map_named(|name, leaf| if name.starts_with("lora") { Ok(normal(leaf.dims(), 5)) } else { Ok(leaf.clone()) })?;
    let x = normal(&[1, 5, 3], 2);
    let dense = |layer: &str, h: &Tensor| -> Result<Tensor> {
        let (a, b) = (moved.get(&format!("lora.{layer}.weight.a"))?, moved.get(&format!("lora.{layer}.weight.b"))?);
        let (plain, low) = (h.matmul(moved.get(&format!("{layer}.weight"))?)?, h.matmul(a)?.matmul(b)?.scale(1.5)?);
        Ok(plain.add(&low)?.add(&moved.get(&format!("{layer}.bias"))?.unsqueeze(1)?)?)
    };
    let by_hand = dense("fc2", &dense("fc1", &x)?.tanh()?)?.to_vec_f64()?;
    assert!(close(&lora.forward(&moved, &x, NormStats::Batch)?.to_vec_f64()?, &by_hand, 1e-12));
    let merged = model.forward(&lora.merge(&moved)?, &x, NormStats::Batch)?.to_vec_f64()?;
    assert!(close(&merged, &by_hand, 1e-12));
    Ok(())
}

/// Finite differences by the factors; and the base, though a leaf, has no gradient.
#[test]
fn derivatives_flow_to_the_factors_alone() -> Result<()> {
    let model = smooth(&[3, 6, 4]);
    let lora = Lora::new(model, config(None))?;
    let base = init(&smooth(&[3, 6, 4]), 0, DType::F64);
    let params = lora.attach(&base, &mut rng(1))?.map(|leaf| leaf.add(&normal(leaf.dims(), 3).scale(0.1)?))?;
    let x = normal(&[1, 5, 3], 2);
    let (factors, rest) = params.partition(|name| name.starts_with("lora"));
    let f = |leaves: &[Tensor]| {
        let all = rest.leaf().merge(&factors.with_leaves(leaves.to_vec())?)?;
        Ok(lora.forward(&all, &x, NormStats::Batch).expect("the shapes fit"))
    };
    check_gradients(f, factors.leaves(), Check::default())?;

    let leaf = params.leaf();
    let y = lora.forward(&leaf, &x, NormStats::Batch)?.sqr()?.sum_all()?;
    let of = |name: &str| rekindle_autodiff::grad(&y, &[leaf.get(name)?], Order::First);
    for (name, _) in leaf.iter() {
        assert_eq!(of(name).is_ok(), name.starts_with("lora"), "{name}");
    }
    Ok(())
}

/// Fine-tuning the factors and a head: the loss falls, the rest keeps its bits, and the merged model answers the same.
#[test]
fn factors_and_a_head_are_fine_tuned_and_merged() -> Result<()> {
    let model = smooth(&[2, 8, 4]);
    let base = init(&model, 0, DType::F32);
    let settings = LoraConfig { weights: Select::names(["fc1.weight"]), ..config(Some(Select::prefix(["fc2"]))) };
    let lora = Lora::new(model.clone(), settings)?;
    let start = lora.attach(&base, &mut rng(1))?;
    let data = quadrants(1, 100, 1, DType::F32);
    let config = FitConfig { epochs: 10, freezing: Freezing::Always(lora.frozen()), ..FitConfig::default() };
    let fit = Fit { model: &lora, optimiser: &Adam::new(0.02), config: &config };
    let mut losses = Vec::new();
    let tuned = fit.run(fit.start(&start)?, &data, &mut |_, loss| {
        losses.push(loss);
        true
    })?;
    assert!(losses[9] < 0.6 * losses[0], "{losses:?}");
    let same = bits(&start).into_iter().zip(bits(&tuned.params)).filter(|(a, b)| a == b).map(|(a, _)| a.0);
    assert_eq!(same.collect::<Vec<_>>(), ["fc1.weight", "fc1.bias"]);
    let x = Tensor::new(data.x.clone());
    let (a, b) = (
        lora.forward(&tuned.params, &x, NormStats::Batch)?,
        model.forward(&lora.merge(&tuned.params)?, &x, NormStats::Batch)?,
    );
    assert!(close(&a.to_vec_f64()?, &b.to_vec_f64()?, 1e-6));
    Ok(())
}

#[test]
fn settings_and_selections_that_do_not_fit_are_refused() -> Result<()> {
    let refused = |config| Lora::new(smooth(&[2, 4]), config).unwrap_err().to_string();
    assert!(refused(LoraConfig { rank: 0, ..LoraConfig::default() }).contains("rank"));
    assert!(refused(LoraConfig { alpha: 0.0, ..LoraConfig::default() }).contains("alpha"));
    let attach = |weights| -> Result<Error> {
        let net = Conv4::new(Conv4Config { channels: 2, ..Conv4Config::omniglot() }, 3)?;
        let base = init(&net, 0, DType::F32);
        let lora = Lora::new(net, LoraConfig { weights, ..LoraConfig::default() })?;
        Ok(lora.attach(&base, &mut rng(0)).unwrap_err())
    };
    assert!(matches!(attach(Select::prefix(["fc9"]))?, Error::Optim(_)));
    let kernel = attach(Select::All)?;
    assert!(matches!(kernel, Error::Shape { .. }) && kernel.to_string().contains("block1.conv.weight"), "{kernel}");
    Ok(())
}
