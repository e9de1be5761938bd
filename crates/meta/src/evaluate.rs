//! How well a learner does on new tasks.

use std::sync::Mutex;

use rekindle_autodiff::Params;
use rekindle_tasks::{TaskBatch, TaskSampler, batch_rng};

use crate::learner::beside;
use crate::{Error, MetaLearner, Result, Runner, Setting, Stepwise};

/// Mean and 95 % confidence interval over tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean score over tasks: the mean squared error, or the accuracy in `[0, 1]`.
    pub mean: f64,
    /// Half of the 95 % interval of the mean, `1.96 s/√n`, as the papers state it.
    pub ci95: f64,
    /// The score of every task.
    pub scores: Vec<f64>,
}

impl Evaluation {
    /// From the scores of the tasks.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(scores: Vec<f64>) -> Result<Self> {
        if scores.is_empty() {
            return Err(Error::setting("n_tasks", &0, "at least 1 for an evaluation"));
        }
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let squares = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>();
        let ci95 = 1.96 * (squares / (n - 1.0).max(1.0)).sqrt() / n.sqrt();
        Ok(Self { mean, ci95, scores })
    }
}

/// Which tasks a learner is judged on, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvalConfig {
    /// Number of tasks. Default 600, as in Finn et al. 2017.
    pub n_tasks: usize,
    /// Seed of the tasks: all learners that are compared see the same ones.
    pub seed: u64,
    /// Transductive or inductive.
    pub setting: Setting,
    /// Chunks and threads.
    pub runner: Runner,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self { n_tasks: 600, seed: 1, setting: Setting::Transductive, runner: Runner::default() }
    }
}

/// Tasks are drawn in batches of this size, so that the tasks do not depend on how they run.
const BATCH: usize = 100;

/// Adapts to each of `n_tasks` new tasks and scores the predictions for its query set.
///
/// # Errors
/// Those of the sampler and the learner.
pub fn evaluate(
    learner: &dyn MetaLearner,
    meta: &Params,
    sampler: &dyn TaskSampler,
    config: &EvalConfig,
) -> Result<Evaluation> {
    let mut scores = over_tasks(meta, sampler, config, |tasks| {
        let adapted = learner.adapt(meta, &tasks.support)?;
        Ok(vec![score(learner, &adapted, tasks, config.setting)?])
    })?;
    Evaluation::new(scores.pop().unwrap_or_default())
}

/// As [`evaluate`], after 0, 1, …, `n_steps` steps of adaptation.
///
/// # Errors
/// Those of the sampler and the learner.
pub fn evaluate_steps(
    learner: &dyn Stepwise,
    meta: &Params,
    sampler: &dyn TaskSampler,
    n_steps: usize,
    config: &EvalConfig,
) -> Result<Vec<Evaluation>> {
    let scores = over_tasks(meta, sampler, config, |tasks| {
        let trajectory = learner.trajectory(meta, &tasks.support, n_steps)?;
        trajectory.iter().map(|adapted| score(learner, adapted, tasks, config.setting)).collect()
    })?;
    scores.into_iter().map(Evaluation::new).collect()
}

fn score<L: MetaLearner + ?Sized>(
    learner: &L,
    adapted: &Params,
    tasks: &TaskBatch,
    setting: Setting,
) -> Result<Vec<f64>> {
    let outputs = learner.predict(adapted, &tasks.support, &tasks.query.x, setting)?;
    learner.loss().scores(&outputs, &tasks.query.y)
}

/// For each column that `work` answers, the scores of all tasks in their order.
fn over_tasks(
    meta: &Params,
    sampler: &dyn TaskSampler,
    config: &EvalConfig,
    work: impl Fn(&TaskBatch) -> Result<Vec<Vec<f64>>> + Sync,
) -> Result<Vec<Vec<f64>>> {
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for (i, start) in (0..config.n_tasks).step_by(BATCH).enumerate() {
        let n = BATCH.min(config.n_tasks - start);
        let tasks = beside(meta, sampler.sample(&mut batch_rng(config.seed, i as u64), n)?)?;
        let parts: Mutex<Vec<(usize, Vec<Vec<f64>>)>> = Mutex::default();
        config.runner.for_chunks(&tasks, |index, chunk| {
            let part = work(chunk)?;
            parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, part));
            Ok(())
        })?;
        let mut parts = parts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        parts.sort_unstable_by_key(|(index, _)| *index);
        for (_, part) in parts {
            columns.resize(columns.len().max(part.len()), Vec::new());
            for (column, scores) in columns.iter_mut().zip(part) {
                column.extend(scores);
            }
        }
    }
    Ok(columns)
}
