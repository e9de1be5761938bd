//! Black boxes: recurrent learners, and what holds for all of them.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::conformance::Suite;
use rekindle_meta::{
    BlackBox, BlackBoxLearner, Cell, EvalConfig, Examples, MetaLearner, Prequential, Recurrent, RecurrentConfig,
    Result, Setting, Targets, TrainConfig, Trainer, evaluate,
};
use rekindle_nn::{Conv4Body, Conv4Config};
use rekindle_optim::Adam;
use rekindle_tasks::{Batch, FewShot, FewShotSampler, Glyphs, Line, Shuffle, Sinusoid, TaskSampler};

/// Images of 16×16 and a body for them.
pub(crate) fn characters(ways: usize) -> FewShotSampler<Glyphs> {
    FewShotSampler::new(Glyphs { size: 16, ..Glyphs::default() }, FewShot { ways, ..FewShot::default() }).unwrap()
}

pub(crate) fn body(channels: usize) -> Conv4Body {
    Conv4Body::new(Conv4Config { image: (16, 16), channels, ..Conv4Config::omniglot() }).unwrap()
}

/// Nearly flat lines. The best function that ignores the task costs E a² E x² + E b² = 1.444.
pub(crate) fn lines() -> Line {
    Line { slope: -0.2..0.2, offset: -2.0..2.0, shots: 5, queries: 5, ..Line::default() }
}

/// The whole suite, with finite differences where the gradient is exact, on lines.
///
/// A fresh network does not fit anything, so the rule about fitting the support set asks for parameters that were trained
/// a little; all rules are checked at those. The suite does not compare types: gradients in f32, on the fused kernels, are
/// held against those in f64.
#[track_caller]
pub(crate) fn passes(core: impl BlackBox, exact_gradient: bool) {
    let learner = BlackBoxLearner::new(core);
    let meta = trained(&learner, lines(), (200, 5e-3)).unwrap();
    let suite = Suite { exact_gradient, meta: Some(meta.clone()), ..Suite::default() };
    suite.check(&learner, &lines()).unwrap();

    let tasks = lines().sample(&mut ChaCha8Rng::seed_from_u64(3), 3).unwrap();
    let grads = |dtype| {
        let (meta, tasks) = (meta.to_dtype(dtype).unwrap(), tasks.to_dtype(dtype).unwrap());
        learner.meta_grad(&meta, &tasks, 0).unwrap().grads
    };
    let (single, double) = (grads(DType::F32), grads(DType::F64));
    crate::assert_close(&crate::elements(&single), &crate::elements(&double), 1e-3);
}

/// The suite on images with a convolutional embedding and fresh weights. Its ReLU has kinks, so without finite differences.
#[track_caller]
pub(crate) fn passes_with_images(core: impl BlackBox) {
    let learner = BlackBoxLearner::with_embedding(core, body(5));
    Suite { adapt_tasks: 0, ..Suite::default() }.check(&learner, &characters(3)).unwrap();
}

/// Parameters after some iterations of 16 tasks, by Adam with a rate.
pub(crate) fn trained(
    learner: &dyn MetaLearner,
    tasks: impl TaskSampler + 'static,
    (iterations, rate): (u64, f64),
) -> Result<Params> {
    let initial = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let config = TrainConfig { iterations, meta_batch: 16, ..TrainConfig::default() };
    let trainer = Trainer { learner, optimiser: &Adam::new(rate), config: &config };
    Ok(trainer.run(&initial, Arc::new(tasks), None, &mut ())?.last)
}

/// Oracle: adaptation to each prefix on its own, and a query after it.
#[track_caller]
pub(crate) fn outputs_are_answers_after_prefixes(core: impl Prequential) {
    let learner = BlackBoxLearner::new(core);
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(1), DType::F64, &Device::Cpu).unwrap();
    let tasks = Sinusoid::maml(6).sample(&mut ChaCha8Rng::seed_from_u64(2), 3).unwrap();
    let Batch { x, y } = tasks.to_dtype(DType::F64).unwrap().support;
    let outputs = learner.outputs(&params, &Batch { x: x.clone(), y: y.clone() }).unwrap();
    assert_eq!(outputs.dims(), [3, 6, 1]);
    for t in 1..6 {
        let cut = |v: &Value, start, len| v.narrow(1, start, len).unwrap();
        let prefix = Batch { x: cut(&x, 0, t), y: cut(&y, 0, t) };
        let adapted = learner.adapt(&params, &prefix).unwrap();
        let alone = learner.predict(&adapted, &prefix, &cut(&x, t, 1), Setting::Inductive).unwrap();
        let among = outputs.narrow(1, t, 1).unwrap();
        crate::assert_close(&alone.to_vec_f64().unwrap(), &among.to_vec_f64().unwrap(), 1e-12);
    }
}

/// The mean squared error on 200 new tasks after a short training.
pub(crate) fn error_after(core: impl BlackBox, tasks: impl TaskSampler + 'static, training: (u64, f64)) -> Result<f64> {
    let (learner, tasks) = (BlackBoxLearner::new(core), Arc::new(tasks));
    let params = trained(&learner, Arc::clone(&tasks), training)?;
    Ok(evaluate(&learner, &params, &tasks, &EvalConfig { n_tasks: 200, ..EvalConfig::default() })?.mean)
}

fn recurrent(cell: Cell, targets: Targets, every_step: bool) -> Recurrent {
    let inputs = if targets == Targets::Values(1) { 1 } else { 5 };
    Recurrent::new(RecurrentConfig { cell, units: 6, every_step, ..RecurrentConfig::lstm(inputs, targets) }).unwrap()
}

const CELLS: [Cell; 2] = [Cell::Lstm, Cell::Gru];

#[test]
fn recurrent_learners_follow_the_rules() {
    for cell in CELLS {
        for every_step in [false, true] {
            passes(recurrent(cell, Targets::Values(1), every_step), true);
        }
        passes_with_images(recurrent(cell, Targets::Classes(3), false));
        outputs_are_answers_after_prefixes(recurrent(cell, Targets::Values(1), false));
    }
}

/// Reading twice a target is reading the target of twice the size.
pub(crate) fn targets_are_scaled<B: Prequential>(scaled: &B, plain: &B) -> Result<()> {
    let params = plain.init(&mut ChaCha8Rng::seed_from_u64(7), DType::F64, &Device::Cpu)?;
    let numbers = |f: f64| (0..8).map(|i| (f64::from(i) * f).cos()).collect::<Vec<f64>>();
    let x = Tensor::from_vec(numbers(1.3), (2, 4, 1))?;
    let y = Value::from_vec(numbers(0.7), (2, 4, 1), &Device::Cpu)?;
    let outputs =
        |of: &B, y: &Value| -> Result<Vec<f64>> { Ok(of.outputs(&params, Examples { x: &x, y })?.to_vec_f64()?) };
    crate::assert_close(&outputs(scaled, &y)?, &outputs(plain, &(&y * 2.0)?)?, 1e-12);
    assert_ne!(outputs(scaled, &y)?, outputs(plain, &y)?);
    Ok(())
}

#[test]
fn recurrent_learners_scale_targets() -> Result<()> {
    for cell in CELLS {
        let of = |target_scale| {
            Recurrent::new(RecurrentConfig {
                cell,
                units: 6,
                target_scale,
                ..RecurrentConfig::lstm(1, Targets::Values(1))
            })
        };
        targets_are_scaled(&of(2.0)?, &of(1.0)?)?;
        assert!(of(f64::NAN).unwrap_err().to_string().contains("target_scale = NaN"));
    }
    Ok(())
}

/// With `every_step`, the training loss is the mean over all support and query examples, here of outputs and answers that
/// were taken apart.
#[test]
fn training_on_every_step_is_the_mean_over_all_examples() -> Result<()> {
    let learner = BlackBoxLearner::new(recurrent(Cell::Lstm, Targets::Values(1), true));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(3), DType::F64, &Device::Cpu)?;
    let tasks = Sinusoid { queries: 2, ..Sinusoid::maml(4) };
    let tasks = tasks.sample(&mut ChaCha8Rng::seed_from_u64(4), 2)?.to_dtype(DType::F64)?;
    let support = learner.outputs(&params, &tasks.support)?;
    let adapted = learner.adapt(&params, &tasks.support)?;
    let query = learner.predict(&adapted, &tasks.support, &tasks.query.x, Setting::Inductive)?;
    let all = Tensor::cat(&[&support, &query], 1)?;
    let targets = Value::cat(&[&tasks.support.y, &tasks.query.y], 1)?;
    let expected = all.mse(&Tensor::new(targets))?.to_vec_f64()?;
    crate::assert_close(&learner.meta_grad(&params, &tasks, 0)?.losses.to_vec_f64()?, &expected, 1e-12);
    Ok(())
}

/// A function that ignores the task costs at least 3.006 on sine waves (closed form, see `Sinusoid`).
#[test]
fn an_lstm_learns_to_learn_sine_waves() -> Result<()> {
    let config = RecurrentConfig { units: 40, every_step: true, ..RecurrentConfig::lstm(1, Targets::Values(1)) };
    let error = error_after(Recurrent::new(config)?, Sinusoid::maml(10), (1200, 5e-3))?;
    assert!(error < 2.3, "{error}");
    Ok(())
}

/// Misfits say what they are.
#[test]
fn tasks_of_another_kind_are_refused() -> Result<()> {
    let learner = BlackBoxLearner::with_embedding(recurrent(Cell::Gru, Targets::Values(1), false), body(5));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(5), DType::F32, &Device::Cpu)?;
    let tasks = characters(3).then(Shuffle).sample(&mut ChaCha8Rng::seed_from_u64(6), 2)?;
    let error = learner.adapt(&params, &tasks.support).unwrap_err().to_string();
    assert!(error.contains("Values(1)") && error.contains("own kind of targets"), "{error}");
    let nothing = Batch { x: tasks.support.x.narrow(1, 0, 0)?, y: tasks.support.y.narrow(1, 0, 0)? };
    assert!(learner.adapt(&params, &nothing).is_err());
    for bad in [RecurrentConfig::lstm(0, Targets::Values(1)), RecurrentConfig::gru(1, Targets::Classes(0))] {
        assert!(Recurrent::new(bad).unwrap_err().to_string().contains("at least 1"));
    }
    Ok(())
}

/// A frozen embedding has no gradient; all else has the one that it would have anyway.
#[test]
fn a_frozen_embedding_has_no_gradient() -> Result<()> {
    let learner = BlackBoxLearner::with_embedding(recurrent(Cell::Lstm, Targets::Classes(3), false), body(5));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(9), DType::F64, &Device::Cpu)?;
    let tasks = characters(3).sample(&mut ChaCha8Rng::seed_from_u64(10), 2)?.to_dtype(DType::F64)?;
    let gradients = |learner: &BlackBoxLearner<Recurrent>| -> Result<(Vec<f64>, Vec<f64>)> {
        let (embed, core) = learner.meta_grad(&params, &tasks, 0)?.grads.partition(|name| name.starts_with("embed."));
        let flat = |part: Params| part.leaves().iter().map(Tensor::to_vec_f64).collect::<Result<Vec<_>, _>>();
        Ok((flat(embed)?.concat(), flat(core)?.concat()))
    };
    let ((embed, core), (frozen, same)) = (gradients(&learner)?, gradients(&learner.clone().frozen())?);
    assert!(embed.iter().any(|g| *g != 0.0) && frozen.iter().all(|g| *g == 0.0));
    assert_eq!((frozen.len(), same), (embed.len(), core));
    Ok(())
}

/// Adapted parameters are plain parameters: they can be saved, and answer the same after loading.
#[test]
fn a_learned_state_survives_a_file() -> Result<()> {
    let learner = BlackBoxLearner::new(recurrent(Cell::Lstm, Targets::Values(1), false));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(7), DType::F32, &Device::Cpu)?;
    let tasks = Sinusoid::maml(4).sample(&mut ChaCha8Rng::seed_from_u64(8), 2)?;
    let adapted = learner.adapt(&params, &tasks.support)?;
    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("adapted.safetensors");
    adapted.save(&path)?;
    let loaded = Params::load(&path, &Device::Cpu)?;
    let answer = |adapted| -> Result<Vec<f64>> {
        Ok(learner.predict(adapted, &tasks.support, &tasks.query.x, Setting::Inductive)?.to_vec_f64()?)
    };
    assert_eq!(answer(&adapted)?, answer(&loaded)?);
    Ok(())
}
