//! The trainer.

use candle_core::{DType, Device};
use rekindle_autodiff::{NormStats, Order, Tensor};
use rekindle_meta::Loss;
use rekindle_nn::Model;
use rekindle_optim::{Adam, Sgd};
use rekindle_tasks::Batch;
use rekindle_transfer::{Error, Fit, FitConfig, FitState, score};

use super::{Result, bits, close, init, quadrants, smooth};

/// Two epochs of gradient descent on the whole data, by hand.
#[test]
fn full_batch_descent_is_the_loop_by_hand() -> Result<()> {
    let model = smooth(&[2, 6, 4]);
    let start = init(&model, 0, DType::F64);
    let data = quadrants(1, 20, 1, DType::F64);
    let config = FitConfig { epochs: 2, ..FitConfig::default() };
    let fitted = Fit { model: &model, optimiser: &Sgd::new(0.1), config: &config }.train(&start, &data)?;
    let mut theta = start;
    for _ in 0..2 {
        let leaf = theta.leaf();
        let loss = model.forward(&leaf, &Tensor::new(data.x.clone()), NormStats::Batch)?.cross_entropy(&data.y)?;
        theta = theta.add_scaled(&leaf.grad(&loss, Order::First)?, -0.1)?;
    }
    for ((name, a), b) in fitted.iter().zip(theta.leaves()) {
        assert!(close(&a.to_vec_f64()?, &b.to_vec_f64()?, 1e-12), "{name}");
    }
    Ok(())
}

/// Three copies that train at once against each alone.
#[test]
fn many_copies_train_as_each_alone() -> Result<()> {
    let model = smooth(&[2, 6, 4]);
    let start = init(&model, 0, DType::F64);
    let data = quadrants(3, 20, 1, DType::F64);
    let config = FitConfig { epochs: 3, batch: 6, ..FitConfig::default() };
    let fit = Fit { model: &model, optimiser: &Adam::new(0.01), config: &config };
    let together = fit.train(&start, &data)?;
    for task in 0..3 {
        let alone = fit.train(&start, &data.narrow(task, 1)?)?;
        for ((name, a), b) in together.narrow_tasks(task, 1)?.iter().zip(alone.leaves()) {
            assert!(close(&a.to_vec_f64()?, &b.to_vec_f64()?, 1e-10), "{name} of task {task}");
        }
    }
    let scores = score(&model, &together, &data.narrow(0, 1)?, Loss::CrossEntropy)?;
    assert_eq!(scores.len(), 3);
    Ok(())
}

/// Four quadrants of the plane are easy: at least 90 % of new points from 200.
#[test]
fn it_learns() -> Result<()> {
    let model = smooth(&[2, 16, 4]);
    let config = FitConfig { epochs: 30, ..FitConfig::default() };
    let fit = Fit { model: &model, optimiser: &Adam::new(0.02), config: &config };
    let trained = fit.train(&init(&model, 0, DType::F32), &quadrants(1, 200, 1, DType::F32))?;
    let accuracy = score(&model, &trained, &quadrants(1, 500, 2, DType::F32), Loss::CrossEntropy)?[0];
    assert!(accuracy > 0.9, "{accuracy}");
    Ok(())
}

/// A score over several chunks against the count by hand, and the mean squared error of a regression.
#[test]
fn scores_are_means_over_all_examples() -> Result<()> {
    let model = smooth(&[2, 4]);
    let params = init(&model, 0, DType::F64);
    let data = quadrants(1, 300, 1, DType::F64);
    let logits = model.forward(&params, &Tensor::new(data.x.clone()), NormStats::Batch)?;
    let right = logits.value().argmax(2)?.eq(&data.y)?.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>()?;
    assert!((score(&model, &params, &data, Loss::CrossEntropy)?[0] - right).abs() < 1e-12);
    let targets = Batch { x: data.x.clone(), y: logits.shift(0.5)?.into_value() };
    assert!((score(&model, &params, &targets, Loss::MeanSquaredError)?[0] - 0.25).abs() < 1e-12);
    Ok(())
}

#[test]
fn a_run_that_was_stopped_and_stored_goes_on_with_the_same_bits() -> Result<()> {
    let model = smooth(&[2, 6, 4]);
    let data = quadrants(1, 20, 1, DType::F32);
    let config = FitConfig { epochs: 6, batch: 7, ..FitConfig::default() };
    let fit = Fit { model: &model, optimiser: &Adam::new(0.01), config: &config };
    let whole = fit.run(fit.start(&init(&model, 0, DType::F32))?, &data, &mut |_, _| true)?;

    let mut losses = Vec::new();
    let state = fit.run(fit.start(&init(&model, 0, DType::F32))?, &data, &mut |state, loss| {
        losses.push(loss);
        state.epoch < 2
    })?;
    assert_eq!((state.epoch, losses.len()), (2, 2));
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state.safetensors");
    state.save(&path)?;
    let rest = fit.run(FitState::load(&path, &Device::Cpu)?, &data, &mut |_, _| true)?;
    assert_eq!(bits(&rest.params), bits(&whole.params));
    assert_eq!(rest.epoch, 6);

    state.params.save(&path)?;
    assert!(matches!(FitState::load(&path, &Device::Cpu), Err(Error::NotAState { .. })));
    Ok(())
}

#[test]
fn empty_sets_heads_of_too_few_classes_and_divergence_are_refused() -> Result<()> {
    let model = smooth(&[2, 6, 3]);
    let start = init(&model, 0, DType::F32);
    let config = FitConfig::default();
    let fit = Fit { model: &model, optimiser: &Adam::new(0.01), config: &config };
    let empty = Batch {
        x: candle_core::Tensor::zeros((1, 0, 2), DType::F32, &Device::Cpu)?,
        y: candle_core::Tensor::zeros((1, 0), DType::U32, &Device::Cpu)?,
    };
    assert!(matches!(fit.train(&start, &empty), Err(Error::Empty { what: "target set" })));
    assert!(matches!(score(&model, &start, &empty, config.loss), Err(Error::Empty { what: "test set" })));

    let error = fit.train(&start, &quadrants(1, 20, 1, DType::F32)).unwrap_err();
    assert!(matches!(error, Error::Classes { outputs: 3, classes: 4 }), "{error}");
    assert!(error.to_string().contains("new head"));

    let model = smooth(&[2, 6, 4]);
    let fit = Fit { model: &model, optimiser: &Sgd::new(f64::MAX), config: &config };
    let error = fit.train(&init(&model, 0, DType::F32), &quadrants(1, 20, 1, DType::F32)).unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
    let config = FitConfig { batch: 0, ..FitConfig::default() };
    let fit = Fit { model: &model, optimiser: &Adam::new(0.01), config: &config };
    assert!(fit.start(&init(&model, 0, DType::F32)).unwrap_err().to_string().contains("`batch` is 0"));
    Ok(())
}
