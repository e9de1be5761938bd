//! Normalisation layers.

use candle_core::{DType, Device};
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{BatchNorm, Conv4, Conv4Config, Error, Layer, LayerNorm, Model, Result};

use crate::common::{Apply, assert_close, assert_gradients, assert_tasks_are_independent, random, rng};

#[test]
fn tasks_are_independent_and_gradients_agree_with_finite_differences() -> Result<()> {
    let (batch, layer) = (BatchNorm::new("", 3, 1e-2)?, LayerNorm::new("", 3, 1e-2)?);
    let fresh = batch.init(&mut rng(1), DType::F64, &Device::Cpu)?;
    let x = random(&mut rng(2), &[2, 4, 2, 3]);
    let whole = |params: &Params, x: &Tensor| batch.forward(params, x, NormStats::Batch);
    let support = |params: &Params, x: &Tensor| batch.forward(params, x, NormStats::FirstRows(2));
    let each = |params: &Params, x: &Tensor| layer.forward(params, x);
    for apply in [&whole as Apply<'_>, &support, &each] {
        assert_tasks_are_independent(apply, &fresh, &x, 3)?;
        assert_gradients(apply, &fresh, &x, 2, 4)?;
    }
    Ok(())
}

/// Changes query 4 and looks at query 3, with three support examples before them.
#[test]
fn queries_see_each_other_through_batch_statistics_and_not_through_those_of_the_support_set() -> Result<()> {
    let net = Conv4::new(Conv4Config { image: (8, 8), channels: 4, ..Conv4Config::omniglot() }, 2)?;
    let params = net.init(&mut rng(5), DType::F64, &Device::Cpu)?;
    let x = random(&mut rng(6), &[2, 5, 8, 8, 1]);
    let other = Tensor::cat(&[&x.narrow(1, 0, 4)?, &random(&mut rng(7), &[2, 1, 8, 8, 1])], 1)?;
    let query = |x: &Tensor, stats| net.forward(&params, x, stats)?.narrow(1, 3, 1)?.to_vec_f64().map_err(Error::from);

    assert_eq!(query(&x, NormStats::FirstRows(3))?, query(&other, NormStats::FirstRows(3))?);
    let (before, after) = (query(&x, NormStats::Batch)?, query(&other, NormStats::Batch)?);
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() > 1e-3), "{before:?} {after:?}");
    Ok(())
}

/// Oracle: the definition, with γ = 1 and β = 0 as they start.
#[test]
fn fresh_layers_give_zero_mean_and_unit_variance() -> Result<()> {
    let x = random(&mut rng(8), &[2, 6, 5, 3]).affine(3.0, 2.0)?;
    let moments =
        |y: &Tensor, axes: &[usize]| -> Result<(Tensor, Tensor)> { Ok((y.mean(axes)?, y.sqr()?.mean(axes)?)) };
    let eps = 1e-12;
    let batch = BatchNorm::new("n", 3, eps)?;
    let y = batch.forward(&batch.init(&mut rng(9), DType::F64, &Device::Cpu)?, &x, NormStats::Batch)?;
    let (mean, square) = moments(&y, &[1, 2])?;
    assert_close(&mean, &mean.zeros_like()?, 1e-10);
    assert_close(&square, &square.ones_like()?, 1e-10);

    let layer = LayerNorm::new("n", 3, eps)?;
    let y = layer.forward(&layer.init(&mut rng(9), DType::F64, &Device::Cpu)?, &x)?;
    let (mean, square) = moments(&y, &[3])?;
    assert_close(&mean, &mean.zeros_like()?, 1e-10);
    assert_close(&square, &square.ones_like()?, 1e-9);
    Ok(())
}

#[test]
fn an_epsilon_that_is_not_positive_and_too_many_rows_are_refused() -> Result<()> {
    for eps in [0.0, -1.0, f64::NAN] {
        assert!(matches!(BatchNorm::new("n", 3, eps), Err(Error::Config { field: "eps", .. })));
    }
    let norm = BatchNorm::new("n", 3, 1e-5)?;
    let params = norm.init(&mut rng(10), DType::F64, &Device::Cpu)?;
    let error = norm.forward(&params, &random(&mut rng(11), &[1, 4, 3]), NormStats::FirstRows(5)).unwrap_err();
    assert!(error.to_string().contains("first 5 rows of 4"), "{error}");
    Ok(())
}
