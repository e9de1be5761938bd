//! The vision transformer.

use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Error, Model, Result, Vit, VitConfig, attention};

use crate::common::{
    assert_close, assert_gradients, assert_parameter_gradients, assert_tasks_are_independent, fresh, per_task, random,
    rng,
};

/// Six patches of 2 × 2.
fn tiny() -> VitConfig {
    VitConfig {
        image: (4, 6),
        in_channels: 2,
        patch: 2,
        width: 4,
        depth: 1,
        heads: 2,
        hidden: 3,
        ..VitConfig::default()
    }
}

#[test]
fn tasks_are_independent_and_gradients_agree_with_finite_differences_to_second_order() -> Result<()> {
    let net = Vit::new(VitConfig { depth: 2, ..tiny() }, 2)?;
    let (start, x) = (fresh(&net, 1), random(&mut rng(2), &[2, 2, 4, 6, 2]));
    let apply = |params: &Params, x: &Tensor| net.forward(params, x, NormStats::Batch);
    assert_tasks_are_independent(&apply, &start, &x, 3)?;
    assert_gradients(&apply, &start, &x, 1, 4)?;
    let shallow = Vit::new(VitConfig { image: (2, 4), in_channels: 1, ..tiny() }, 2)?;
    let apply = |params: &Params, x: &Tensor| shallow.forward(params, x, NormStats::Batch);
    assert_parameter_gradients(&apply, &fresh(&shallow, 5), &random(&mut rng(6), &[1, 1, 2, 4, 1]), 2, 7)
}

/// Oracle: the equations, with patches as a convolution of stride P and one head.
#[test]
fn features_agree_with_the_equations() -> Result<()> {
    let config = VitConfig { heads: 1, ..tiny() };
    let net = Vit::new(config, 2)?;
    let params = per_task(&fresh(&net, 8), 1, &mut rng(9));
    let x = random(&mut rng(10), &[1, 3, 4, 6, 2]);
    let linear = |name: &str, x: &Tensor| -> Result<Tensor> {
        let (w, b) = (params.get(&format!("{name}.weight"))?, params.get(&format!("{name}.bias"))?);
        Ok(x.linear(w, Some(b))?)
    };
    let norm = |name: &str, x: &Tensor| -> Result<Tensor> {
        let (gamma, beta) = (params.get(&format!("{name}.gamma"))?, params.get(&format!("{name}.beta"))?);
        Ok(x.layer_norm(gamma, beta, 1e-6)?)
    };
    let kernel = params.get("patch.weight")?.reshape((1, 2, 2, 2, 4))?;
    let patches = x.conv2d(&kernel, 2, 0)?.reshape((1, 3, 6, 4))?;
    let patches = patches.add(&params.get("patch.bias")?.reshape((1, 1, 1, 4))?)?;
    let class = params.get("class")?.reshape((1, 1, 1, 4))?.broadcast_to((1, 3, 1, 4))?;
    let z = Tensor::cat(&[&class, &patches], 2)?.add(&params.get("position")?.reshape((1, 1, 7, 4))?)?;
    let h = norm("block1.norm1", &z)?;
    let project = |part: &str| linear(&format!("block1.attention.{part}"), &h);
    let attended = attention(&project("query")?, &project("key")?, &project("value")?, None)?;
    let z = z.add(&linear("block1.attention.out", &attended)?)?;
    let h = linear("block1.up", &norm("block1.norm2", &z)?)?.gelu()?;
    let z = z.add(&linear("block1.down", &h)?)?;
    let features = norm("norm", &z.narrow(2, 0, 1)?)?.reshape((1, 3, 4))?;
    assert_close(&net.embed(&params, &x)?, &features, 1e-12);
    assert_close(&net.forward(&params, &x, NormStats::Batch)?, &linear("head", &features)?, 1e-12);
    Ok(())
}

/// The class token sees patches as a set: without positions their order means nothing, with them it does.
#[test]
fn positions_alone_tell_patches_apart() -> Result<()> {
    let net = Vit::new(tiny(), 2)?;
    let params = per_task(&fresh(&net, 11), 1, &mut rng(12));
    let x = random(&mut rng(13), &[1, 2, 4, 6, 2]);
    let swapped = Tensor::cat(&[&x.narrow(2, 2, 2)?, &x.narrow(2, 0, 2)?], 2)?; // the two rows of patches
    let blind = params.map_named(|name, leaf| if name == "position" { leaf.scale(0.0) } else { Ok(leaf.clone()) })?;
    assert_close(&net.embed(&blind, &swapped)?, &net.embed(&blind, &x)?, 1e-12);
    let (a, b) = (net.embed(&params, &swapped)?.to_vec_f64()?, net.embed(&params, &x)?.to_vec_f64()?);
    assert!(a.iter().zip(&b).any(|(a, b)| (a - b).abs() > 1e-3));
    Ok(())
}

/// ViT-Ti/16 with 1000 classes: 5,717,416 parameters (Touvron et al. 2021 give 5 million).
#[test]
fn a_published_size_and_where_weights_start() -> Result<()> {
    let config = VitConfig { width: 192, heads: 3, hidden: 768, ..VitConfig::default() };
    let params = fresh(&Vit::new(config, 1000)?, 0);
    assert_eq!(params.count(), 5_717_416);
    let variance = |name: &str| -> Result<f64> {
        let values = params.get(name)?.to_vec_f64()?;
        Ok(values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64)
    };
    // Glorot's uniform distribution has variance 2/(n + m); estimates of 37,824 values or more are good to 2 %.
    for (name, expected) in [
        ("position", 0.02 * 0.02),
        ("patch.weight", 1.0 / 768.0),
        ("block7.up.weight", 2.0 / 960.0),
        ("block7.attention.key.weight", 2.0 / 384.0),
    ] {
        assert!((variance(name)? / expected - 1.0).abs() < 0.04, "{name}");
    }
    assert!(variance("class")? == 0.0 && variance("head.weight")? == 0.0 && variance("block1.down.bias")? == 0.0);
    Ok(())
}

#[test]
fn wrong_sizes_are_refused() -> Result<()> {
    let refused = |config| matches!(Vit::new(config, 2), Err(Error::Config { .. }));
    assert!(refused(VitConfig { image: (5, 6), ..tiny() }));
    assert!(refused(VitConfig { image: (0, 6), ..tiny() }));
    assert!(refused(VitConfig { patch: 0, ..tiny() }));
    assert!(refused(VitConfig { depth: 0, ..tiny() }));
    assert!(refused(VitConfig { hidden: 0, ..tiny() }));
    assert!(refused(VitConfig { heads: 3, ..tiny() }));
    assert!(matches!(Vit::new(tiny(), 0), Err(Error::Config { field: "ways", .. })));
    let net = Vit::new(tiny(), 2)?;
    let wrong = net.embed(&fresh(&net, 0), &random(&mut rng(14), &[1, 2, 6, 4, 2]));
    assert!(matches!(wrong, Err(Error::Shape { .. })));
    Ok(())
}
