//! Training that is interrupted, killed, poisoned and moved about.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use candle_core::DType;
use rand::RngCore;
use rekindle_meta::{
    Error, EvalConfig, Iteration, JsonLines, Maml, MamlConfig, Observer, Result, Runner, Stop, TrainConfig, Trained,
    Trainer, Validation, evaluate,
};
use rekindle_nn::Mlp;
use rekindle_optim::{Adam, Sgd, Transform};
use rekindle_tasks::{Sinusoid, TaskBatch, TaskSampler};

use crate::{assert_same, parameters, smooth_mlp};

fn learner() -> Maml<Mlp> {
    Maml::new(smooth_mlp(), MamlConfig { inner_lr: 0.05, ..MamlConfig::sinusoid() }).unwrap()
}

fn config() -> TrainConfig {
    let validation = EvalConfig { n_tasks: 20, ..EvalConfig::default() };
    TrainConfig {
        iterations: 40,
        meta_batch: 4,
        validate_every: 10,
        validation,
        checkpoint_every: 7,
        ..TrainConfig::default()
    }
}

fn kept_in(folder: &Path, mut config: TrainConfig) -> TrainConfig {
    config.checkpoint = Some(folder.join("training.safetensors"));
    config
}

fn train(config: &TrainConfig, observer: &mut dyn Observer) -> Result<Trained> {
    train_on(Arc::new(Sinusoid::maml(5)), &Adam::new(0.01), config, observer)
}

fn train_on(
    sampler: Arc<dyn TaskSampler>,
    optimiser: &dyn Transform,
    config: &TrainConfig,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    let initial = parameters(&smooth_mlp(), DType::F32);
    Trainer { learner: &learner(), optimiser, config }.run(&initial, sampler, Some(&Sinusoid::maml(5)), observer)
}

#[track_caller]
fn assert_same_run(a: &Trained, b: &Trained) {
    assert_same(&a.params, &b.params);
    assert_same(&a.last, &b.last);
    assert_eq!((a.iterations, a.best, a.stop), (b.iterations, b.best, b.stop));
}

/// Asks for the end after an iteration.
struct StopAt(u64);

impl Observer for StopAt {
    fn iteration(&mut self, iteration: &Iteration) -> Result<bool> {
        Ok(iteration.iteration != self.0)
    }
}

/// Writes down what it sees.
#[derive(Default)]
struct Seen {
    losses: Vec<(u64, f64)>,
    validations: Vec<(u64, f64, bool)>,
}

impl Observer for Seen {
    fn iteration(&mut self, iteration: &Iteration) -> Result<bool> {
        self.losses.push((iteration.iteration, iteration.loss));
        Ok(true)
    }

    fn validation(&mut self, validation: &Validation<'_>) -> Result<()> {
        self.validations.push((validation.iteration, validation.evaluation.mean, validation.is_best));
        Ok(())
    }
}

#[test]
fn an_interrupted_run_ends_with_the_bits_of_one_left_alone() -> anyhow::Result<()> {
    let mut alone = Seen::default();
    let whole = train(&config(), &mut alone)?;
    assert_eq!((whole.stop, whole.iterations), (Stop::Finished, 40));
    for stop_at in [1, 13, 20, 39, 40] {
        let folder = tempfile::tempdir()?;
        let config = kept_in(folder.path(), config());
        let first = train(&config, &mut StopAt(stop_at))?;
        assert_eq!((first.stop, first.iterations), (Stop::Interrupted, stop_at));
        let mut after = Seen::default();
        assert_same_run(&train(&config, &mut after)?, &whole);
        assert_eq!(after.losses, alone.losses[usize::try_from(stop_at)?..]);
        // Started once more there is nothing left to do, and the result is still there.
        assert_same_run(&train(&config, &mut Seen::default())?, &whole);
    }
    Ok(())
}

#[test]
fn threads_and_chunks_may_change_between_starts_and_change_no_bit() -> anyhow::Result<()> {
    let whole = train(&config(), &mut ())?;
    let folder = tempfile::tempdir()?;
    for (stop_at, chunk, threads) in [(12, 1, 2), (25, 3, 1), (0, 2, 2)] {
        let runner = Runner { chunk: Some(chunk), threads };
        let config = kept_in(folder.path(), TrainConfig { runner, ..config() });
        let result = train(&config, &mut StopAt(stop_at))?;
        if result.stop == Stop::Finished {
            assert_same_run(&result, &whole);
            return Ok(());
        }
    }
    panic!("the last start should have come to the end");
}

const CHILD: &str = "REKINDLE_TEST_TRAINING_FOLDER";

/// Not a test of its own: what [`a_run_killed_again_and_again_ends_with_the_bits_of_one_left_alone`] runs and kills.
#[test]
#[ignore = "the process that another test kills"]
fn killed_process() -> Result<()> {
    let Some(folder) = std::env::var_os(CHILD) else { return Ok(()) };
    killable_run(Path::new(&folder)).map(|_| ())
}

/// Long enough to be killed; a checkpoint after every other iteration, so that some kills fall into one.
fn killable_run(folder: &Path) -> Result<Trained> {
    let config = kept_in(folder, TrainConfig { iterations: 300, checkpoint_every: 2, validate_every: 50, ..config() });
    train(&config, &mut JsonLines::open(folder.join("log.jsonl"))?)
}

#[cfg(unix)]
#[test]
fn a_run_killed_again_and_again_ends_with_the_bits_of_one_left_alone() -> anyhow::Result<()> {
    let (alone, killed) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let whole = killable_run(alone.path())?;
    let log = |folder: &Path| std::fs::read_to_string(folder.join("log.jsonl")).unwrap_or_default();
    let mut kills = 0;
    for goal in [20, 90, 91, 200] {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", "trainer::killed_process", "--ignored"])
            .env(CHILD, killed.path())
            .stdout(Stdio::null())
            .spawn()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while log(killed.path()).lines().count() < goal && child.try_wait()?.is_none() {
            assert!(Instant::now() < deadline, "the child made no progress");
            std::thread::sleep(Duration::from_millis(1));
        }
        // On Unix this is SIGKILL: the process gets no chance to tidy up.
        child.kill()?;
        kills += u32::from(!child.wait()?.success());
    }
    assert!(kills >= 2, "only {kills} of 4 children were still running when they were killed");
    assert_same_run(&killable_run(killed.path())?, &whole);
    // But for the seconds, the log is that of a run left alone.
    let lines = |folder: &Path| -> Vec<serde_json::Value> {
        let timeless = |line: &str| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("seconds");
            line
        };
        log(folder).lines().map(timeless).collect()
    };
    assert_eq!(lines(alone.path()).len(), 306);
    assert_eq!(lines(killed.path()), lines(alone.path()));
    Ok(())
}

#[test]
fn the_result_is_that_of_the_best_validation() -> anyhow::Result<()> {
    // A rate that overshoots, so that the best validation is not the last one.
    let folder = tempfile::tempdir()?;
    let config = kept_in(folder.path(), TrainConfig { validate_every: 2, iterations: 60, ..config() });
    let mut seen = Seen::default();
    let run = |observer: &mut dyn Observer| train_on(Arc::new(Sinusoid::maml(5)), &Adam::new(0.2), &config, observer);
    let trained = run(&mut seen)?;
    let least = seen.validations.iter().map(|v| v.1).fold(f64::INFINITY, f64::min);
    let (iteration, score, is_best) = *seen.validations.iter().find(|v| v.1 == least).expect("one is the least");
    assert!(is_best && iteration < 60, "{:?}", seen.validations);
    assert_eq!(trained.best, Some((iteration, score)));
    let score_of = |params| evaluate(&learner(), params, &Sinusoid::maml(5), &config.validation).map(|e| e.mean);
    assert_eq!(score_of(&trained.params)?, score);
    assert_eq!(score_of(&trained.last)?, seen.validations.last().expect("there were some").1);
    // The best parameters are in the checkpoint, too.
    assert_same_run(&run(&mut ())?, &trained);
    Ok(())
}

#[test]
fn training_stops_when_validation_no_longer_improves() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = TrainConfig { validate_every: 5, patience: Some(3), iterations: 1000, ..config() };
    let config = kept_in(folder.path(), config);
    // A rate too small to move a single-precision number: all scores are equal, and none is better than the first.
    let run = || train_on(Arc::new(Sinusoid::maml(5)), &Sgd::new(1e-30), &config, &mut ());
    let trained = run()?;
    assert_eq!((trained.stop, trained.iterations, trained.best.map(|b| b.0)), (Stop::Early, 20, Some(5)));
    // Started again it does not go on.
    assert_same_run(&run()?, &trained);
    Ok(())
}

/// Sinusoids whose targets are NaN from a batch on.
struct Poisoned {
    batch: AtomicU64,
    first_bad: u64,
}

impl Poisoned {
    fn from_batch(first_bad: u64) -> Self {
        Self { batch: AtomicU64::new(0), first_bad }
    }
}

impl TaskSampler for Poisoned {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> rekindle_tasks::Result<TaskBatch> {
        let mut tasks = Sinusoid::maml(5).sample(rng, n_tasks)?;
        if self.batch.fetch_add(1, Ordering::Relaxed) >= self.first_bad {
            tasks.query.y = (tasks.query.y * f64::NAN)?;
        }
        Ok(tasks)
    }
}

#[test]
fn a_loss_that_is_no_number_stops_training_and_keeps_the_last_good_state() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = kept_in(folder.path(), config());
    let error = train_on(Arc::new(Poisoned::from_batch(17)), &Adam::new(0.01), &config, &mut ()).unwrap_err();
    assert!(matches!(error, Error::NotFinite { what: "loss", iteration: 17, .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.starts_with("the loss became NaN at iteration 17; training stopped, and the last good state is in ")
    );
    assert!(message.contains("training.safetensors"), "{message}");
    // That state, of iteration 14, leads to the same end as a run that saw no bad batch.
    let mut after = Seen::default();
    assert_same_run(
        &train(&config, &mut after)?,
        &train(&TrainConfig { checkpoint: None, ..config.clone() }, &mut ())?,
    );
    assert_eq!(after.losses[0].0, 15);

    let without = TrainConfig { checkpoint: None, ..config };
    let error = train_on(Arc::new(Poisoned::from_batch(0)), &Adam::new(0.01), &without, &mut ()).unwrap_err();
    assert!(error.to_string().contains("at iteration 0; training stopped, and no checkpoint was asked for"), "{error}");
    Ok(())
}

#[test]
fn infinite_parameters_and_validations_that_are_no_numbers_stop_training() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = kept_in(folder.path(), TrainConfig { checkpoint_every: 1, ..config() });
    let error = train_on(Arc::new(Sinusoid::maml(5)), &Sgd::new(1e300), &config, &mut ()).unwrap_err();
    assert!(matches!(error, Error::NotFinite { what: "parameters", .. }), "{error}");

    let initial = parameters(&smooth_mlp(), DType::F32);
    let config = TrainConfig { checkpoint: None, ..config };
    let error = Trainer { learner: &learner(), optimiser: &Adam::new(0.01), config: &config }
        .run(&initial, Arc::new(Sinusoid::maml(5)), Some(&Poisoned::from_batch(0)), &mut ())
        .unwrap_err();
    assert!(matches!(error, Error::NotFinite { what: "validation score", .. }), "{error}");
    Ok(())
}

#[test]
fn checkpoints_of_other_runs_are_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = kept_in(folder.path(), config());
    train(&config, &mut StopAt(5))?;
    let refused = |config: &TrainConfig, optimiser: &dyn Transform| {
        let error = train_on(Arc::new(Sinusoid::maml(5)), optimiser, config, &mut ()).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
        error.to_string()
    };
    let message = refused(&TrainConfig { seed: 3, ..config.clone() }, &Adam::new(0.01));
    assert!(message.contains("seed 0") && message.contains("seed 3") && message.contains("remove it"), "{message}");
    refused(&TrainConfig { meta_batch: 5, ..config.clone() }, &Adam::new(0.01));
    refused(&config, &Adam::new(0.02));
    refused(&config, &Sgd::new(0.01));

    let initial = parameters(&smooth_mlp(), DType::F64);
    let trainer = Trainer { learner: &learner(), optimiser: &Adam::new(0.01), config: &config };
    let message = trainer.run(&initial, Arc::new(Sinusoid::maml(5)), None, &mut ()).unwrap_err().to_string();
    assert!(message.contains("F32") && message.contains("F64"), "{message}");

    // Parameters alone are no state of training.
    parameters(&smooth_mlp(), DType::F32).save(config.checkpoint.as_ref().expect("it was set"))?;
    let message = refused(&config, &Adam::new(0.01));
    assert!(message.contains("it holds no state of training"), "{message}");
    Ok(())
}

#[test]
fn a_checkpoint_cut_short_is_an_error_with_its_path() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = kept_in(folder.path(), config());
    train(&config, &mut StopAt(5))?;
    let path = config.checkpoint.clone().expect("it was set");
    let bytes = std::fs::read(&path)?;
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length])?;
        let message = train(&config, &mut ()).unwrap_err().to_string();
        assert!(message.contains("training.safetensors"), "{length} bytes: {message}");
    }
    Ok(())
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_an_error_before_time_is_lost() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = kept_in(&folder.path().join("missing"), TrainConfig { checkpoint_every: 1000, ..config() });
    let mut seen = Seen::default();
    let message = train(&config, &mut seen).unwrap_err().to_string();
    assert!(message.starts_with("cannot write ") && message.contains("missing/training.safetensors"), "{message}");
    assert!(seen.losses.is_empty());
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_the_last_checkpoint_stays() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = kept_in(folder.path(), config());
    train(&config, &mut StopAt(5))?;
    let path = config.checkpoint.clone().expect("it was set");
    let before = std::fs::read(&path)?;
    std::os::unix::fs::symlink("/dev/full", folder.path().join("training.safetensors.partial"))?;
    let message = train(&config, &mut ()).unwrap_err().to_string();
    assert!(message.starts_with("cannot write ") && message.contains("No space left on device"), "{message}");
    assert_eq!(std::fs::read(&path)?, before);
    Ok(())
}

#[test]
fn no_tasks_are_refused() {
    let error = train(&TrainConfig { meta_batch: 0, ..config() }, &mut ()).unwrap_err();
    assert_eq!(error.to_string(), "meta_batch = 0, but must be at least 1");
}
