//! The perceptron and the composition of models.

use candle_core::{DType, Device};
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Activation, Conv4Body, Conv4Config, Error, Mlp, MlpConfig, Model, Norm, Result, Sequential};

use crate::common::{assert_close, assert_model, fresh, per_task, random, rng};

fn small(norm: Norm, activation: Activation) -> Mlp {
    Mlp::new(&MlpConfig { sizes: vec![3, 4, 4, 2], norm, activation, ..MlpConfig::default() }).unwrap()
}

#[test]
fn tasks_are_independent_and_gradients_agree_with_finite_differences_to_second_order() -> Result<()> {
    for norm in [Norm::None, Norm::Batch { eps: 1e-2 }, Norm::Layer { eps: 1e-2 }] {
        assert_model(&small(norm, Activation::Relu), &random(&mut rng(4), &[2, 4, 3]), 2)?;
    }
    Ok(())
}

#[test]
fn every_activation_is_differentiable() -> Result<()> {
    use Activation::{Elu, Gelu, Identity, LeakyRelu, Relu, Sigmoid, Silu, Softplus, Tanh};
    for activation in [Relu, LeakyRelu { slope: 0.1 }, Elu, Gelu, Silu, Softplus, Tanh, Sigmoid, Identity] {
        assert_model(&small(Norm::None, activation), &random(&mut rng(5), &[2, 2, 3]), 1)?;
    }
    Ok(())
}

/// Oracle: the net of the paper written as scalar loops.
#[test]
fn the_sinusoid_net_is_three_affine_maps_with_relus_between() -> Result<()> {
    let (net, x) = (Mlp::sinusoid(), [-4.5, 0.25, 3.0]);
    let params = per_task(&fresh(&net, 6), 1, &mut rng(7));
    let leaf = |name: &str| params.get(name).unwrap().to_vec_f64().unwrap();
    let affine = |h: &[f64], layer: &str| -> Vec<f64> {
        let (w, b) = (leaf(&format!("{layer}.weight")), leaf(&format!("{layer}.bias")));
        let sum = |j: usize| h.iter().enumerate().map(|(i, h)| h * w[i * b.len() + j]).sum::<f64>();
        (0..b.len()).map(|j| b[j] + sum(j)).collect()
    };
    let relu = |h: Vec<f64>| -> Vec<f64> { h.into_iter().map(|h| h.max(0.0)).collect() };
    let expected: Vec<f64> =
        x.iter().map(|&x| affine(&relu(affine(&relu(affine(&[x], "fc1")), "fc2")), "fc3")[0]).collect();
    let y = net.forward(&params, &Tensor::from_vec(x.to_vec(), (1, 3, 1))?, NormStats::Batch)?;
    assert_close(&y, &Tensor::from_vec(expected, (1, 3, 1))?, 1e-12);
    Ok(())
}

#[test]
fn presets_have_the_sizes_of_the_papers() -> Result<()> {
    // (1·40 + 40) + (40·40 + 40) + (40·1 + 1), and two inputs more.
    assert_eq!(fresh(&Mlp::sinusoid(), 0).count(), 1_761);
    assert_eq!(fresh(&Mlp::sinusoid_oracle(), 0).count(), 1_761 + 2 * 40);
    // Weights, γ and β: 784·256 + 2·256 + 256·128 + 2·128 + 128·64 + 2·64 + 64·64 + 2·64; head: 64·5 + 5.
    assert_eq!(fresh(&Mlp::omniglot(5)?, 0).count(), 246_784 + 325);
    let names: Vec<String> = fresh(&Mlp::sinusoid(), 0).names().map(str::to_owned).collect();
    assert_eq!(names, ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"]);
    Ok(())
}

#[test]
fn images_are_flattened() -> Result<()> {
    let net = Mlp::omniglot(5)?;
    let (params, x) = (fresh(&net, 8), random(&mut rng(9), &[2, 3, 28, 28, 1]));
    let flat = net.forward(&params, &x.reshape((2, 3, 784))?, NormStats::Batch)?;
    assert_eq!(flat.dims(), [2, 3, 5]);
    assert_close(&net.forward(&params, &x, NormStats::Batch)?, &flat, 0.0);
    Ok(())
}

#[test]
fn the_head_is_the_last_layer() -> Result<()> {
    let net = Mlp::omniglot(5)?;
    let heads: Vec<String> = fresh(&net, 0).names().filter(|n| net.is_head(n)).map(str::to_owned).collect();
    assert_eq!(heads, ["fc5.weight", "fc5.bias"]);
    Ok(())
}

#[test]
fn a_sequence_runs_its_parts_on_parameters_below_their_names() -> Result<()> {
    let config = Conv4Config { channels: 2, image: (6, 6), ..Conv4Config::omniglot() };
    let body = Conv4Body::new(config)?;
    let head = Mlp::new(&MlpConfig { sizes: vec![2, 3], ..MlpConfig::default() })?;
    let parts: [(String, Box<dyn Model>); 2] =
        [("encoder".into(), Box::new(body.clone())), ("head".into(), Box::new(head.clone()))];
    let both = Sequential::new(parts)?;

    let x = random(&mut rng(10), &[2, 3, 6, 6, 1]);
    let params = per_task(&fresh(&both, 11), 2, &mut rng(12));
    assert!(params.contains("encoder.block1.conv.weight") && params.contains("head.fc1.bias"));
    let h = body.forward(&params.sub_params("encoder")?, &x, NormStats::Batch)?;
    let expected = head.forward(&params.sub_params("head")?, &h, NormStats::Batch)?;
    assert_close(&both.forward(&params, &x, NormStats::Batch)?, &expected, 0.0);
    Ok(())
}

#[test]
fn wrong_sizes_names_and_shapes_are_refused_with_their_values() -> Result<()> {
    let error = Mlp::new(&MlpConfig { sizes: vec![3, 0], ..MlpConfig::default() }).unwrap_err();
    assert_eq!(error.to_string(), "`sizes` is [3, 0], but must be at least two sizes, each at least 1");

    let twin = || ("a".to_owned(), Box::new(Mlp::sinusoid()) as Box<dyn Model>);
    let error = Sequential::new([twin(), twin()]).unwrap_err();
    assert!(error.to_string().contains(r#"["a", "a"]"#), "{error}");
    assert!(matches!(Sequential::new([]), Err(Error::Config { .. })));

    let (net, x) = (Mlp::sinusoid(), random(&mut rng(13), &[1, 5, 2]));
    let error = net.forward(&fresh(&net, 0), &x, NormStats::Batch).unwrap_err();
    assert!(error.to_string().contains("[1, 5, 2], expected [M, B, 1]"), "{error}");

    let error = net.forward(&Params::new([])?, &random(&mut rng(14), &[1, 5, 1]), NormStats::Batch).unwrap_err();
    assert!(error.to_string().starts_with("no parameter is named `fc1."), "{error}");
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_model_in_f64_and_rounded_in_f32() -> Result<()> {
    let draw = |seed, dtype| Mlp::sinusoid().init(&mut rng(seed), dtype, &Device::Cpu);
    let values = |params: Params| -> Result<Vec<f64>> {
        let leaves = params.leaves().iter().map(|leaf| Ok(leaf.to_vec_f64()?)).collect::<Result<Vec<_>>>()?;
        Ok(leaves.concat())
    };
    let wide = values(draw(15, DType::F64)?)?;
    assert_eq!(wide, values(draw(15, DType::F64)?)?);
    assert_ne!(wide, values(draw(16, DType::F64)?)?);
    let rounded: Vec<f64> = wide.iter().map(|&v| f64::from(v as f32)).collect();
    assert_eq!(rounded, values(draw(15, DType::F32)?)?);
    // Pins the draw: a seed that someone published must mean the same model on every machine and in every release.
    assert_eq!(wide[..2], [0.015_307_436_614_879_598, 0.009_016_559_422_565_283]);
    Ok(())
}
