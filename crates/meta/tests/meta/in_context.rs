//! Learning in context, and the estimators beside it.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_meta::{
    Baseline, BlackBoxLearner, InContext, InContextConfig, MetaLearner, Result, Setting, Targets, Tokens, TrainConfig,
    Trainer,
};
use rekindle_nn::{Activation, Init, TransformerConfig};
use rekindle_optim::{Adam, Schedule};
use rekindle_tasks::{Batch, FunctionTasks, TaskSampler};

use crate::black_box::{outputs_are_answers_after_prefixes, passes, passes_with_images};

fn small(context: usize) -> TransformerConfig {
    let weight = Init::Normal { std: 0.5 };
    TransformerConfig { width: 4, layers: 2, heads: 2, hidden: 6, context, weight, ..TransformerConfig::tiny() }
}

fn learner(inputs: usize, targets: Targets, tokens: Tokens, every_prefix: bool) -> InContext {
    let transformer = small(if tokens == Tokens::Interleaved { 13 } else { 7 });
    InContext::new(InContextConfig { inputs, targets, tokens, transformer, every_prefix }).unwrap()
}

#[test]
fn in_context_learners_follow_the_rules() {
    for tokens in [Tokens::Interleaved, Tokens::Joined] {
        for every_prefix in [false, true] {
            passes(learner(1, Targets::Values(1), tokens, every_prefix), true);
        }
        passes_with_images(learner(5, Targets::Classes(3), tokens, false));
        outputs_are_answers_after_prefixes(learner(1, Targets::Values(1), tokens, false));
    }
}

/// What training makes small is the mean over all answers, in one pass. Oracle: the answers after prefixes, and queries after
/// the cache.
#[test]
fn the_objective_is_the_loss_of_the_answers() -> Result<()> {
    for (tokens, every_prefix) in
        [(Tokens::Interleaved, true), (Tokens::Interleaved, false), (Tokens::Joined, true), (Tokens::Joined, false)]
    {
        let learner = BlackBoxLearner::new(learner(2, Targets::Values(1), tokens, every_prefix));
        let params = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
        let tasks = FunctionTasks { queries: 3, ..FunctionTasks::linear(2, 4) };
        let tasks = tasks.sample(&mut ChaCha8Rng::seed_from_u64(1), 5)?.to_dtype(DType::F64)?;
        let adapted = learner.adapt(&params, &tasks.support)?;
        let asked = learner.predict(&adapted, &tasks.support, &tasks.query.x, Setting::Inductive)?;
        let asked = learner.loss().per_task(&asked, &tasks.query.y)?.to_vec_f64()?;
        let on_the_way = learner.outputs(&params, &tasks.support)?;
        let on_the_way = learner.loss().per_task(&on_the_way, &tasks.support.y)?.to_vec_f64()?;
        let expected: Vec<f64> = match every_prefix {
            true => on_the_way.iter().zip(&asked).map(|(s, q)| (4.0 * s + 3.0 * q) / 7.0).collect(),
            false => asked,
        };
        crate::assert_close(&learner.meta_grad(&params, &tasks, 0)?.losses.to_vec_f64()?, &expected, 1e-12);
    }
    Ok(())
}

/// A prompt is longer than the context, before it is wrong.
#[test]
fn prompts_beyond_the_context_are_refused() -> Result<()> {
    let learner = BlackBoxLearner::new(learner(2, Targets::Values(1), Tokens::Interleaved, false));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let fits = FunctionTasks::linear(2, 6).sample(&mut ChaCha8Rng::seed_from_u64(1), 1)?;
    let adapted = learner.adapt(&params, &fits.support)?;
    learner.predict(&adapted, &fits.support, &fits.query.x, Setting::Inductive)?;
    let long = FunctionTasks::linear(2, 7).sample(&mut ChaCha8Rng::seed_from_u64(1), 1)?;
    let error = learner.adapt(&params, &long.support).unwrap_err().to_string();
    assert!(error.contains("step 14") && error.contains("13 positions"), "{error}");
    Ok(())
}

/// Squared errors after k examples, over that of answering zero, of n tasks.
fn relative_errors(outputs: &rekindle_autodiff::Tensor, targets: &Value, dims: f64) -> Vec<f64> {
    let (m, t) = (targets.dim(0).unwrap(), targets.dim(1).unwrap());
    let (a, y) = (outputs.to_vec_f64().unwrap(), targets.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    let error = |task: usize, k: usize| (a[task * t + k] - f64::from(y[task * t + k])).powi(2);
    (0..t).map(|k| (0..m).map(|task| error(task, k)).sum::<f64>() / (m as f64 * dims)).collect()
}

/// Closed forms for d = 5 (see `Baseline`): (d − k)/d of least squares, then nothing; (d + 1)/k of averaging; 1 of zero.
/// 4,000 prompts: standard errors of the relative errors are below 0.04.
#[test]
fn baselines_have_their_closed_forms() -> Result<()> {
    let d = 5.0;
    let prompts = FunctionTasks::linear(5, 12).sample(&mut ChaCha8Rng::seed_from_u64(2), 4000)?.support;
    let errors = |baseline: Baseline| {
        Ok::<_, rekindle_meta::Error>(relative_errors(&baseline.outputs(&prompts)?, &prompts.y, d))
    };
    let (zero, squares, averaging) =
        (errors(Baseline::Zero)?, errors(Baseline::LeastSquares)?, errors(Baseline::Averaging)?);
    for k in 0..12 {
        let exact = ((d - k as f64) / d).max(0.0);
        assert!((zero[k] - 1.0).abs() < 0.1, "zero after {k}: {}", zero[k]);
        assert!((squares[k] - exact).abs() < 0.1 * exact + 1e-6, "least squares after {k}: {}", squares[k]);
        let exact = if k == 0 { 1.0 } else { (d + 1.0) / k as f64 };
        assert!((averaging[k] / exact - 1.0).abs() < 0.15, "averaging after {k}: {}", averaging[k]);
    }
    let neighbours = errors(Baseline::Neighbours(3))?;
    assert!(neighbours[11] < neighbours[3] && neighbours[11] < 0.9, "{neighbours:?}");
    Ok(())
}

/// Worked out by hand: three points on a line, and one that is not.
#[test]
fn baselines_on_four_points() -> Result<()> {
    let tensor = |values: &[f64], d: usize| Value::from_slice(values, (1, values.len() / d, d), &Device::Cpu);
    let sequence = Batch { x: tensor(&[1., 2., 3., 2.5], 1)?, y: tensor(&[2., 4., 9., 0.], 1)? };
    let outputs = |baseline: Baseline| Ok::<_, rekindle_meta::Error>(baseline.outputs(&sequence)?.to_vec_f64()?);
    let close = |a: &[f64], b: &[f64]| crate::assert_close(a, b, 1e-9);
    // ŵ = 2, 2, and (2 + 8 + 27)/14.
    close(&outputs(Baseline::LeastSquares)?, &[0., 4., 6., 2.5 * 37. / 14.]);
    close(&outputs(Baseline::Averaging)?, &[0., 4., 15., 2.5 * 37. / 3.]);
    close(&outputs(Baseline::Neighbours(2))?, &[0., 2., 3., 6.5]);
    // Least norm: from x = (3, 4) with y = 5, ŵ = (3, 4)/5; the same point again tells nothing new.
    let plane = Batch { x: tensor(&[3., 4., 3., 4., 1., 0.], 2)?, y: tensor(&[5., 5., 0.], 1)? };
    close(&Baseline::LeastSquares.outputs(&plane)?.to_vec_f64()?, &[0., 5., 0.6]);
    assert!(Baseline::Neighbours(0).outputs(&sequence).is_err());
    let misfit = Batch { y: tensor(&[1., 2., 3.], 1)?, ..sequence };
    assert!(Baseline::Zero.outputs(&misfit).unwrap_err().to_string().contains("[M, T, D]"));
    Ok(())
}

/// Two-dimensional linear functions for a few seconds. A function that ignores the examples has a relative error of 1.
#[test]
fn a_transformer_learns_to_fit_lines_in_context() -> Result<()> {
    let transformer = TransformerConfig {
        width: 32,
        layers: 2,
        heads: 2,
        hidden: 64,
        context: 13,
        activation: Activation::Relu,
        weight: Init::LeCunNormal,
        ..TransformerConfig::tiny()
    };
    let config = InContextConfig { transformer, ..InContextConfig::functions(2) };
    let learner = BlackBoxLearner::new(InContext::new(config)?);
    let initial = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let config = TrainConfig { iterations: 1500, meta_batch: 32, ..TrainConfig::default() };
    let optimiser = Adam::new(Schedule::Cosine { start: 3e-3, end: 1e-4, steps: 1500 });
    let trainer = Trainer { learner: &learner, optimiser: &optimiser, config: &config };
    let trained = trainer.run(&initial, Arc::new(FunctionTasks::linear(2, 6)), None, &mut ())?;
    let prompts = FunctionTasks::linear(2, 6).sample(&mut ChaCha8Rng::seed_from_u64(9), 500)?.support;
    let errors = relative_errors(&learner.outputs(&trained.last, &prompts)?, &prompts.y, 2.0);
    assert!(errors[5] < 0.25 && errors[5] < 0.5 * errors[1], "{errors:?}");
    Ok(())
}
