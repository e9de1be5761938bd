//! Black boxes: recurrent learners, and what holds for all of them.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::conformance::Suite;
use rekindle_meta::{
    BlackBox, BlackBoxLearner, Cell, EvalConfig, MetaLearner, Prequential, Recurrent, RecurrentConfig, Result, Setting,
    Targets, TrainConfig, Trainer, evaluate,
};
use rekindle_nn::{Conv4Body, Conv4Config};
use rekindle_optim::Adam;
use rekindle_tasks::{Batch, FewShot, FewShotSampler, Glyphs, Shuffled, Sinusoid, TaskSampler};

/// Images of 16×16 and a body for them.
pub(crate) fn characters(ways: usize) -> FewShotSampler<Glyphs> {
    FewShotSampler::new(Glyphs { size: 16, ..Glyphs::default() }, FewShot { ways, ..FewShot::default() }).unwrap()
}

pub(crate) fn body(channels: usize) -> Conv4Body {
    Conv4Body::new(Conv4Config { image: (16, 16), channels, ..Conv4Config::omniglot() }).unwrap()
}

/// The whole suite, with finite differences, on sine waves.
///
/// A fresh network does not fit anything, so the rule about fitting the support set asks for parameters that were trained
/// a little; all rules are checked at those.
#[track_caller]
pub(crate) fn passes(core: impl BlackBox) {
    let learner = BlackBoxLearner::new(core);
    let meta = trained(&learner, Sinusoid::maml(5), 150).unwrap();
    let suite = Suite { exact_gradient: true, meta: Some(meta), ..Suite::default() };
    suite.check(&learner, &Sinusoid::maml(5)).unwrap();
}

/// The suite on images with a convolutional embedding. Its ReLU has kinks, so without finite differences.
#[track_caller]
pub(crate) fn passes_with_images(core: impl BlackBox) {
    let learner = BlackBoxLearner::with_embedding(core, body(5));
    let meta = trained(&learner, characters(3), 40).unwrap();
    Suite { meta: Some(meta), ..Suite::default() }.check(&learner, &characters(3)).unwrap();
}

/// Parameters after some iterations of 16 tasks.
pub(crate) fn trained(learner: &dyn MetaLearner, tasks: impl TaskSampler + 'static, iterations: u64) -> Result<Params> {
    let initial = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let config = TrainConfig { iterations, meta_batch: 16, ..TrainConfig::default() };
    let trainer = Trainer { learner, optimiser: &Adam::new(5e-3), config: &config };
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

/// Trains on sine waves for a short while; the mean squared error on 200 new ones.
pub(crate) fn error_on_waves(core: impl BlackBox, shots: usize, iterations: u64, rate: f64) -> Result<f64> {
    let learner = BlackBoxLearner::new(core);
    let initial = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let config = TrainConfig { iterations, meta_batch: 25, ..TrainConfig::default() };
    let trainer = Trainer { learner: &learner, optimiser: &Adam::new(rate), config: &config };
    let trained = trainer.run(&initial, Arc::new(Sinusoid::maml(shots)), None, &mut ())?;
    let config = EvalConfig { n_tasks: 200, ..EvalConfig::default() };
    Ok(evaluate(&learner, &trained.params, &Sinusoid::maml(shots), &config)?.mean)
}

fn recurrent(cell: Cell, targets: Targets, every_step: bool) -> Recurrent {
    let inputs = if targets == Targets::Values(1) { 1 } else { 5 };
    Recurrent::new(RecurrentConfig { cell, inputs, targets, units: 6, every_step }).unwrap()
}

const CELLS: [Cell; 2] = [Cell::Lstm, Cell::Gru];

#[test]
fn recurrent_learners_follow_the_rules() {
    for cell in CELLS {
        for every_step in [false, true] {
            passes(recurrent(cell, Targets::Values(1), every_step));
        }
        passes_with_images(recurrent(cell, Targets::Classes(3), false));
        outputs_are_answers_after_prefixes(recurrent(cell, Targets::Values(1), false));
    }
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
    let error = error_on_waves(Recurrent::new(config)?, 10, 1200, 5e-3)?;
    assert!(error < 1.8, "{error}");
    Ok(())
}

/// Misfits say what they are.
#[test]
fn tasks_of_another_kind_are_refused() -> Result<()> {
    let learner = BlackBoxLearner::with_embedding(recurrent(Cell::Gru, Targets::Values(1), false), body(5));
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(5), DType::F32, &Device::Cpu)?;
    let tasks = Shuffled(characters(3)).sample(&mut ChaCha8Rng::seed_from_u64(6), 2)?;
    let error = learner.adapt(&params, &tasks.support).unwrap_err().to_string();
    assert!(error.contains("Values(1)") && error.contains("own kind of targets"), "{error}");
    let nothing = Batch { x: tasks.support.x.narrow(1, 0, 0)?, y: tasks.support.y.narrow(1, 0, 0)? };
    assert!(learner.adapt(&params, &nothing).is_err());
    for bad in [RecurrentConfig::lstm(0, Targets::Values(1)), RecurrentConfig::gru(1, Targets::Classes(0))] {
        assert!(Recurrent::new(bad).unwrap_err().to_string().contains("at least 1"));
    }
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
