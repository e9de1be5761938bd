//! ResNet-12.

use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Error, Init, Model, ResNet12, ResNet12Body, ResNet12Config, Result};

use crate::common::{
    assert_close, assert_parameter_gradients, assert_tasks_are_independent, fresh, per_task, random, rng,
};

/// Two or three channels a block. ε is large so that finite differences stay accurate with a few examples in a batch.
fn tiny() -> ResNet12Config {
    ResNet12Config { image: (16, 17), in_channels: 2, widths: [2, 3, 2, 2], norm_eps: 0.1, ..ResNet12Config::default() }
}

#[test]
fn tasks_are_independent_and_gradients_agree_with_finite_differences() -> Result<()> {
    for mean in [false, true] {
        let net = ResNet12::new(ResNet12Config { mean, ..tiny() }, 2)?;
        let (fresh, x) = (fresh(&net, 1), random(&mut rng(2), &[2, 3, 16, 17, 2]));
        let apply = |params: &Params, x: &Tensor| net.forward(params, x, NormStats::Batch);
        assert_tasks_are_independent(&apply, &fresh, &x, 3)?;
        assert_parameter_gradients(&apply, &fresh, &x, 1, 4)?;
    }
    Ok(())
}

/// Oracle: the paper's order (the sum, φ, then pooling), written out.
#[test]
fn blocks_are_those_of_the_paper() -> Result<()> {
    let body = ResNet12Body::new(tiny())?;
    let params = per_task(&fresh(&body, 5), 1, &mut rng(6));
    let x = random(&mut rng(7), &[1, 3, 16, 17, 2]);
    let mut h = x.clone();
    for block in 1..=4 {
        let leaf = |name: &str| params.get(&format!("block{block}.{name}"));
        let layer = |x: &Tensor, conv: &str, norm: &str, padding| -> Result<Tensor> {
            let y = x.conv2d(leaf(&format!("{conv}.weight"))?, 1, padding)?;
            let (gamma, beta) = (leaf(&format!("{norm}.gamma"))?, leaf(&format!("{norm}.beta"))?);
            Ok(y.batch_norm(gamma, beta, 0.1, NormStats::Batch)?)
        };
        let first = layer(&h, "conv1", "norm1", 1)?.leaky_relu(0.1)?;
        let second = layer(&first, "conv2", "norm2", 1)?.leaky_relu(0.1)?;
        let third = layer(&second, "conv3", "norm3", 1)?;
        h = third.add(&layer(&h, "skip", "skip_norm", 0)?)?.leaky_relu(0.1)?.max_pool2d(2, 2)?;
    }
    assert_eq!(h.dims(), [1, 3, 1, 1, 2]);
    assert_close(&body.forward(&params, &x, NormStats::Batch)?, &h.reshape((1, 3, 2))?, 1e-12);
    Ok(())
}

/// 12,424,320 weights without a head: the figure that the literature gives as 12.4 million.
#[test]
fn the_net_of_the_paper_has_its_size() -> Result<()> {
    let config = ResNet12Config::default();
    let body = ResNet12Body::new(config.clone())?;
    assert_eq!(fresh(&body, 0).count(), 12_424_320);
    assert_eq!(body.features(), 16_000); // 5 · 5 · 640
    assert_eq!(ResNet12Config { mean: true, ..config }.features(), 640);
    let small = fresh(&ResNet12::new(ResNet12Config::small(), 5)?, 0);
    let names: Vec<&str> = small.names().take(4).collect();
    assert_eq!(names, ["block1.conv1.weight", "block1.norm1.gamma", "block1.norm1.beta", "block1.conv2.weight"]);
    Ok(())
}

/// Kernels start with variance 2/n, n being 9·O or, for the shortcut, O.
#[test]
fn weights_start_as_in_the_papers_code() -> Result<()> {
    let params = fresh(&ResNet12Body::new(ResNet12Config::small())?, 8);
    for (name, n) in [("block2.conv1.weight", 9 * 40), ("block4.conv3.weight", 9 * 160), ("block4.skip.weight", 160)] {
        let values = params.get(name)?.to_vec_f64()?;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        // Five standard deviations of the estimate.
        let tolerance = 5.0 * (2.0 / values.len() as f64).sqrt();
        assert!((variance * n as f64 / 2.0 - 1.0).abs() < tolerance, "{name}: {variance}");
    }
    assert!(params.get("block3.norm2.gamma")?.to_vec_f64()?.iter().all(|&v| v == 1.0));
    Ok(())
}

#[test]
fn wrong_sizes_are_refused() -> Result<()> {
    let refused = |config: ResNet12Config| ResNet12Body::new(config).unwrap_err();
    assert!(matches!(refused(ResNet12Config { widths: [1, 0, 1, 1], ..tiny() }), Error::Config { .. }));
    assert!(matches!(refused(ResNet12Config { in_channels: 0, ..tiny() }), Error::Config { .. }));
    assert!(matches!(refused(ResNet12Config { slope: -0.1, ..tiny() }), Error::Config { field: "slope", .. }));
    assert!(matches!(refused(ResNet12Config { norm_eps: 0.0, ..tiny() }), Error::Config { field: "eps", .. }));
    assert!(matches!(refused(ResNet12Config { head: Init::Normal { std: -1.0 }, ..tiny() }), Error::Config { .. }));
    let small = refused(ResNet12Config { image: (15, 16), ..tiny() });
    assert!(matches!(small, Error::ImageTooSmall { height: 15, width: 16 }));
    assert!(matches!(ResNet12::new(tiny(), 0), Err(Error::Config { field: "ways", .. })));
    let net = ResNet12::new(tiny(), 2)?;
    let wrong = net.forward(&fresh(&net, 0), &random(&mut rng(9), &[1, 2, 16, 16, 2]), NormStats::Batch);
    assert!(matches!(wrong, Err(Error::Shape { .. })));
    Ok(())
}
