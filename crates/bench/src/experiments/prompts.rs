//! What the experiments on learning in context share: a transformer for functions, its training, and errors after every
//! number of examples, beside those of estimators.

use std::sync::Arc;

use anyhow::Result;
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::{Baseline, BlackBoxLearner, InContext, InContextConfig, TrainConfig};
use rekindle_nn::{Activation, Init, TransformerConfig};
use rekindle_optim::{Adam, Schedule};
use rekindle_tasks::{Batch, Curriculum, Ramp, TaskSampler, batch_rng};

use super::training::{Curves, TEST_SEED, Training};
use crate::Context;

/// Prompts of a test, as in Garg et al. 2022.
const PROMPTS: usize = 1280;

/// Prompts that are answered at once.
const AT_ONCE: usize = 128;

/// How a transformer is trained on a class of functions.
pub(super) struct Study {
    /// Name of the checkpoint.
    pub(super) name: String,
    /// Numbers of an input.
    pub(super) inputs: usize,
    /// Examples of the longest prompt.
    pub(super) shots: usize,
    /// The transformer but for its context.
    pub(super) transformer: TransformerConfig,
    /// Iterations of 64 prompts each.
    pub(super) iterations: u64,
    /// Adam's rate: at first, and at the end of a cosine.
    pub(super) rates: [f64; 2],
}

/// Prompts of an iteration, as in Garg et al. 2022.
const META_BATCH: usize = 64;

/// The "tiny" transformer of Garg et al. with what is quick on a processor: ReLU, and weights large enough for nets that are
/// not wide.
pub(super) fn tiny() -> TransformerConfig {
    TransformerConfig {
        activation: Activation::Relu,
        weight: Init::LeCunNormal,
        positions: Init::Normal { std: 0.1 },
        ..TransformerConfig::tiny()
    }
}

impl Study {
    pub(super) fn learner(&self) -> Result<BlackBoxLearner<InContext>> {
        let transformer = TransformerConfig { context: 2 * (self.shots + 1), ..self.transformer };
        let config = InContextConfig { transformer, ..InContextConfig::functions(self.inputs) };
        Ok(BlackBoxLearner::new(InContext::new(config)?))
    }

    /// Trained parameters, and the losses on the way.
    pub(super) fn train(
        &self,
        ctx: &Context,
        learner: &BlackBoxLearner<InContext>,
        tasks: Arc<dyn TaskSampler>,
        seed: u64,
    ) -> Result<(Params, Curves)> {
        let [start, end] = self.rates;
        let (trained, curves) = Training {
            name: format!("{}-{}-seed{seed}", self.name, self.iterations),
            learner,
            optimiser: &Adam::new(Schedule::Cosine { start, end, steps: self.iterations }),
            config: TrainConfig { iterations: self.iterations, meta_batch: META_BATCH, seed, ..TrainConfig::default() },
            tasks,
            validation: None,
        }
        .run(ctx)?;
        Ok((trained.last, curves))
    }

    /// The curriculum of Garg et al. in the same shares of a shorter training: both numbers grow in 15 steps within its
    /// first 6 %, or in fewer where they are small.
    ///
    /// It begins where the paper's does, at 5 inputs and `first_shots` examples, so that smaller tasks are whole from the
    /// start. Begun with one input of two, a transformer learns to look at that one alone, and stays there.
    pub(super) fn curriculum(&self, first_shots: usize) -> Curriculum {
        let ramp = |start: usize, end: usize| {
            let start = start.min(end);
            let step = (end - start).div_ceil(15).max(1);
            let rises = (end - start).div_ceil(step).max(1) as u64;
            Ramp { start, end, step, every: (self.iterations * 6 / 100 / rises).max(1) }
        };
        Curriculum { dims: ramp(5, self.inputs), shots: ramp(first_shots, self.shots) }
    }
}

/// Prompts of `shots` examples and a query of new functions: `x [M, shots + 1, D]`.
pub(super) fn prompts(tasks: &dyn TaskSampler) -> Result<Batch> {
    let tasks = tasks.sample(&mut batch_rng(TEST_SEED, 0), PROMPTS)?;
    let both = |a, b| candle_core::Tensor::cat(&[a, b], 1);
    Ok(Batch { x: both(&tasks.support.x, &tasks.query.x)?, y: both(&tasks.support.y, &tasks.query.y)? })
}

/// Squared errors after 0, 1, … examples, mean and 95 % interval, over `scale`, the squared error of answering zero.
pub(super) type Errors = Vec<(f64, f64)>;

/// Of a trained transformer.
pub(super) fn learned(
    ctx: &Context,
    learner: &BlackBoxLearner<InContext>,
    params: &Params,
    prompts: &Batch,
    scale: f64,
) -> Result<Errors> {
    let n = prompts.n_tasks()?;
    let mut parts = Vec::new();
    for start in (0..n).step_by(AT_ONCE) {
        let chunk = prompts.narrow(start, AT_ONCE.min(n - start))?.to_device(ctx.device())?;
        parts.push(learner.outputs(params, &chunk)?);
    }
    let outputs = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?;
    errors(&outputs, prompts, scale)
}

/// Of an estimator.
pub(super) fn estimated(baseline: Baseline, prompts: &Batch, scale: f64) -> Result<Errors> {
    errors(&baseline.outputs(prompts)?, prompts, scale)
}

fn errors(outputs: &Tensor, prompts: &Batch, scale: f64) -> Result<Errors> {
    let (m, t) = (prompts.n_tasks()?, prompts.n_examples()?);
    let answers = outputs.to_vec_f64()?;
    let targets: Vec<f32> = prompts.y.flatten_all()?.to_vec1()?;
    let error = |task: usize, k: usize| (answers[task * t + k] - f64::from(targets[task * t + k])).powi(2) / scale;
    let of = |k: usize| -> Result<(f64, f64)> {
        let summary = rekindle_meta::Evaluation::new((0..m).map(|task| error(task, k)).collect())?;
        Ok((summary.mean, summary.ci95))
    };
    (0..t).map(of).collect()
}

/// The points of a curve.
pub(super) fn points(errors: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + '_ {
    errors.iter().enumerate().map(|(k, (mean, _))| (k as f64, *mean))
}

/// The same with their intervals.
pub(super) fn points_with_ci(errors: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
    errors.iter().enumerate().map(|(k, (mean, ci))| (k as f64, *mean, *ci))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use rekindle_meta::{MetaLearner, Trainer};
    use rekindle_tasks::FunctionTasks;

    use super::*;

    fn study(inputs: usize, iterations: u64) -> Study {
        let transformer = TransformerConfig { width: 32, layers: 2, hidden: 64, ..tiny() };
        Study { name: String::new(), inputs, shots: 2 * inputs, transformer, iterations, rates: [3e-3, 1e-4] }
    }

    /// 500,000 iterations: from 5 to 20 inputs in 15 rises, over 30,000 iterations, as published. With no more inputs than
    /// the paper begins with there is nothing to grow.
    #[test]
    fn the_curriculum_is_the_published_one_in_shares() {
        assert_eq!(study(20, 500_000).curriculum(10), Curriculum::linear());
        let Curriculum { dims, shots } = study(10, 1000).curriculum(10);
        assert_eq!((dims.at(0), dims.at(60), shots.at(0), shots.at(60)), (5, 10, 10, 20));
        for inputs in [2, 5] {
            let Curriculum { dims, shots } = study(inputs, 1000).curriculum(10);
            assert_eq!((dims.at(0), shots.at(0)), (inputs, 2 * inputs));
        }
    }

    /// Both directions of the plane are learned, in a part of the quick run. Knowing one of the two is an error of 0.5,
    /// which is where a training ended that began with one input.
    #[test]
    fn a_study_gets_past_the_first_direction() -> Result<()> {
        let study = study(2, 1500);
        let tasks = FunctionTasks::linear(2, study.shots);
        let learner = study.learner()?;
        let optimiser = Adam::new(Schedule::Cosine { start: 3e-3, end: 1e-4, steps: study.iterations });
        let config = TrainConfig { iterations: study.iterations, meta_batch: META_BATCH, ..TrainConfig::default() };
        let initial = learner.init(&mut batch_rng(0, 0), DType::F32, &Device::Cpu)?;
        let training = FunctionTasks { curriculum: Some(study.curriculum(10)), ..tasks };
        let trainer = Trainer { learner: &learner, optimiser: &optimiser, config: &config };
        let params = trainer.run(&initial, Arc::new(training), None, &mut ())?.last;
        let prompts = prompts(&tasks)?;
        let errors = errors(&learner.outputs(&params, &prompts)?, &prompts, 2.0)?;
        assert!(errors[4].0 < 0.3, "{errors:?}");
        Ok(())
    }
}
