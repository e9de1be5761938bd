//! The speed of MAML where every tensor is small: what an operation costs beside its arithmetic.

use anyhow::Result;
use rekindle_meta::{Adjoint, Maml, MamlConfig, Runner};
use rekindle_nn::{Init, Mlp, MlpConfig};
use rekindle_tasks::{Sinusoid, TaskSampler, batch_rng};

use super::meta_iterations::MetaIterations;
use crate::{Context, Experiment, Measure, Table, Timing, Work};

pub(super) struct SpeedMamlSinusoid;

/// Tasks in a meta-batch.
pub(super) const TASKS: usize = 25;

/// Tasks of the comparison with single tasks.
const MANY: usize = 32;

impl Experiment for SpeedMamlSinusoid {
    fn id(&self) -> &'static str {
        "speed/maml-sinusoid"
    }

    fn title(&self) -> &'static str {
        "Speed of MAML on sinusoids"
    }

    fn about(&self) -> &'static str {
        "Meta-iterations of MAML: 25 tasks are drawn, with 10 support and 10 query points each; a net 1-40-40-1 takes one inner \
         step with rate `0.01`; the meta-gradient of second order goes into Adam. All on one thread.\n\n\
         - Rates are those of the best of several repeats. *Per processor second* counts all threads, and hardly depends on \
         what else the machine does.\n\
         - *Task by task* computes the same, with the tasks one after another.\n\
         - *batch-cost-ratio*: the time of a meta-batch of 32 in times of 32 meta-batches of one task.\n\n\
         Source of the workload: Finn, Abbeel & Levine 2017, section 5.1."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let one_step = MamlConfig::sinusoid();
        let first_order = |config: &MamlConfig| MamlConfig { adjoint: Adjoint::FirstOrder, ..config.clone() };
        let together = Runner::default();
        let singly = Runner { chunk: Some(1), ..together };
        let mut table = Table::new("Meta-iterations a second", ["workload", "wall", "processor", "first one, ms"]);
        for (name, prefix, config, runner) in [
            ("1 step", "", &one_step, together),
            ("1 step, first order", "first-order/", &first_order(&one_step), together),
            ("1 step, task by task", "task-by-task/", &one_step, singly),
        ] {
            let timing = measure(ctx, config, TASKS, runner)?;
            record(ctx, prefix, &timing)?;
            let processor = timing.per_cpu_second().map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
            let first = format!("{:.1}", 1e3 * timing.first_call);
            table.row([name.to_owned(), format!("{:.0}", timing.per_second()), processor, first]);
        }
        ctx.table(table)?;
        let (many, one) = (measure(ctx, &one_step, MANY, together)?, measure(ctx, &one_step, 1, together)?);
        ctx.metric("batch-cost-ratio", cost(&many) / (MANY as f64 * cost(&one)), "ratio")
    }
}

/// As [`SpeedMamlSinusoid`], with five inner steps.
pub(super) struct SpeedMamlSinusoid5;

impl Experiment for SpeedMamlSinusoid5 {
    fn id(&self) -> &'static str {
        "speed/maml-sinusoid-5"
    }

    fn title(&self) -> &'static str {
        "Speed of MAML on sinusoids, five steps"
    }

    fn about(&self) -> &'static str {
        "As `speed/maml-sinusoid`, with five inner steps that are all differentiated through."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let exact = MamlConfig { n_steps: 5, ..MamlConfig::sinusoid() };
        let first_order = MamlConfig { adjoint: Adjoint::FirstOrder, ..exact.clone() };
        for (prefix, config) in [("", &exact), ("first-order/", &first_order)] {
            let timing = measure(ctx, config, TASKS, Runner::default())?;
            record(ctx, prefix, &timing)?;
        }
        Ok(())
    }
}

/// The rates of a workload.
fn record(ctx: &mut Context, prefix: &str, timing: &Timing) -> Result<()> {
    ctx.metric(&format!("{prefix}meta-iterations-per-second"), timing.per_second(), "1/s")?;
    if let Some(rate) = timing.per_cpu_second() {
        ctx.metric(&format!("{prefix}meta-iterations-per-cpu-second"), rate, "1/s")?;
    }
    Ok(())
}

fn measure(ctx: &Context, config: &MamlConfig, n_tasks: usize, runner: Runner) -> Result<Timing> {
    let work = training(ctx, config, n_tasks, runner)?;
    Measure { seconds: ctx.mode().pick(0.7, 2.0), ..Measure::default() }.run(work.call)
}

/// Meta-iterations, the drawing of tasks included.
pub(super) fn training(ctx: &Context, config: &MamlConfig, n_tasks: usize, runner: Runner) -> Result<Work> {
    // The distribution that the nets of other libraries start from.
    let shape = MlpConfig { weight: Init::FanInUniform, bias: Init::FanInUniform, ..MlpConfig::default() };
    let learner = Maml::new(Mlp::new(&shape)?, config.clone())?;
    let mut training = MetaIterations::new(Box::new(learner), runner, ctx.device())?;
    let sampler = Sinusoid::maml(10);
    let step = move || training.step(&sampler.sample(&mut batch_rng(0, training.done()), n_tasks)?);
    Ok(Work::new(1, step))
}

/// Seconds of a call, of the processor where they are known.
fn cost(timing: &Timing) -> f64 {
    timing.cpu_best.unwrap_or(timing.wall_best)
}
