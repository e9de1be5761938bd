//! Evaluation against formulas and known values.

use candle_core::{DType, Device, Tensor as Value};
use rand::{RngCore, SeedableRng};
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::{
    EvalConfig, Evaluation, Loss, Maml, MamlConfig, MetaGrad, MetaLearner, Result, Runner, Setting, evaluate,
    evaluate_steps,
};
use rekindle_tasks::{Batch, Sinusoid, TaskBatch};

use crate::{assert_close, normalised_mlp, parameters, smooth_mlp};

/// Scores 1, 2, 3, 4 have the mean 2.5 and the sample variance 5/3; the interval is 1.96·√(5/3)/√4.
#[test]
fn the_interval_is_that_of_the_sample_variance() -> Result<()> {
    let evaluation = Evaluation::new(vec![1.0, 2.0, 3.0, 4.0])?;
    assert_close(&[evaluation.mean, evaluation.ci95], &[2.5, 1.96 * (5.0f64 / 3.0).sqrt() / 2.0], 1e-15);
    assert_eq!(Evaluation::new(vec![0.5])?.ci95, 0.0);
    let message = Evaluation::new(Vec::new()).unwrap_err().to_string();
    assert_eq!(message, "n_tasks = 0, but must be at least 1 for an evaluation");
    Ok(())
}

/// Learns nothing and predicts zero.
#[derive(Debug)]
struct Zero;

impl MetaLearner for Zero {
    fn init(&self, _: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        Ok(Params::new([("nothing".to_owned(), Tensor::zeros(1, dtype, device)?)])?)
    }

    fn adapt(&self, meta: &Params, _: &Batch) -> Result<Params> {
        Ok(meta.clone())
    }

    fn predict(&self, _: &Params, support: &Batch, x: &Value, _: Setting) -> Result<Tensor> {
        let (m, b, _) = x.dims3()?;
        Ok(Tensor::zeros((m, b, support.y.dim(2)?), x.dtype(), x.device())?)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, _: u64) -> Result<MetaGrad> {
        let m = tasks.n_tasks()?;
        Ok(MetaGrad { losses: Tensor::zeros(m, DType::F32, &Device::Cpu)?, grads: meta.zeros_like()?.expand_tasks(m)? })
    }

    fn loss(&self) -> Loss {
        Loss::MeanSquaredError
    }
}

/// `E[A²]/2` for A uniform on [0.1, 5] is 4.2517.
#[test]
fn predicting_zero_costs_half_the_mean_square_of_the_amplitude() -> Result<()> {
    let meta = Zero.init(&mut rand_chacha::ChaCha8Rng::from_seed([0; 32]), DType::F32, &Device::Cpu)?;
    let config = EvalConfig { n_tasks: 20_000, ..EvalConfig::default() };
    let evaluation = evaluate(&Zero, &meta, &Sinusoid::maml(10), &config)?;
    assert_eq!(evaluation.scores.len(), 20_000);
    let expected = (5.0f64.powi(3) - 0.1f64.powi(3)) / (3.0 * 4.9) / 2.0;
    assert!((expected - 4.252).abs() < 1e-3);
    // Three standard errors: a right sampler fails this for one seed in 400.
    assert!(
        (evaluation.mean - expected).abs() < 3.0 / 1.96 * evaluation.ci95,
        "{} ± {}",
        evaluation.mean,
        evaluation.ci95
    );
    assert!(evaluation.ci95 < 0.08);
    Ok(())
}

#[test]
fn batch_normalisation_makes_the_two_settings_differ_and_nothing_else_does() -> Result<()> {
    let score = |model: rekindle_nn::Mlp, setting| -> Result<Vec<f64>> {
        let meta = parameters(&model, DType::F64);
        let learner = Maml::new(model, MamlConfig { inner_lr: 0.05, ..MamlConfig::sinusoid() })?;
        let config = EvalConfig { n_tasks: 10, setting, ..EvalConfig::default() };
        Ok(evaluate(&learner, &meta, &Sinusoid::maml(5), &config)?.scores)
    };
    let [with, without] = [normalised_mlp(), smooth_mlp()];
    let (transductive, inductive) = (score(with.clone(), Setting::Transductive)?, score(with, Setting::Inductive)?);
    assert!(transductive.iter().zip(&inductive).all(|(t, i)| (t - i).abs() > 1e-6), "{transductive:?} {inductive:?}");
    assert_close(&score(without.clone(), Setting::Transductive)?, &score(without, Setting::Inductive)?, 1e-13);
    Ok(())
}

#[test]
fn scores_do_not_depend_on_chunks_and_threads_and_are_those_of_the_last_step() -> Result<()> {
    let meta = parameters(&smooth_mlp(), DType::F32);
    let learner = Maml::new(smooth_mlp(), MamlConfig { eval_steps: 3, ..MamlConfig::sinusoid() })?;
    // More than one batch of tasks, the last one not full.
    let config = EvalConfig { n_tasks: 130, ..EvalConfig::default() };
    let whole = evaluate(&learner, &meta, &Sinusoid::maml(5), &config)?;
    for (chunk, threads) in [(1, 1), (7, 2), (100, 2)] {
        let runner = Runner { chunk: Some(chunk), threads };
        let split = evaluate(&learner, &meta, &Sinusoid::maml(5), &EvalConfig { runner, ..config })?;
        assert_eq!(split, whole);
        let steps = evaluate_steps(&learner, &meta, &Sinusoid::maml(5), 3, &EvalConfig { runner, ..config })?;
        assert_eq!(steps.len(), 4);
        assert_eq!(steps[3], whole);
        assert!(steps[3].mean < steps[0].mean, "adaptation should help: {} then {}", steps[0].mean, steps[3].mean);
    }
    Ok(())
}
