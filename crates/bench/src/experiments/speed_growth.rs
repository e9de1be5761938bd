//! How time and memory grow with the sizes of a problem.

use anyhow::Result;
use rekindle_meta::{Maml, MamlConfig, MetaLearner, Runner};
use rekindle_nn::{Conv4, Conv4Config, Downsampling, Mlp, MlpConfig};
use rekindle_tasks::{Sinusoid, TaskBatch, TaskSampler, batch_rng};

use super::meta_iterations::MetaIterations;
use super::speed_maml_conv4::{WAYS, noise};
use crate::{Context, Experiment, Measure, Plot, Table};

pub(super) struct SpeedGrowth;

impl Experiment for SpeedGrowth {
    fn id(&self) -> &'static str {
        "speed/growth"
    }

    fn title(&self) -> &'static str {
        "Growth of time and memory"
    }

    fn about(&self) -> &'static str {
        "One meta-iteration of second-order MAML on one thread, with one size at a time made larger: tasks, inner steps and \
         width on sinusoids (25 tasks, one step, 40 units where nothing else is said), the side of the images with \
         Conv4 and max pooling (four tasks, 5-way 1-shot, five queries a class). Memory is the largest of the process, so \
         that small problems show what it held before."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let sinusoid = |tasks: usize, n_steps: usize, width: usize| -> Result<Problem> {
            let shape = MlpConfig { sizes: vec![1, width, width, 1], ..MlpConfig::default() };
            let learner = Maml::new(Mlp::new(&shape)?, MamlConfig { n_steps, ..MamlConfig::sinusoid() })?;
            Ok((Box::new(learner), Sinusoid::maml(10).sample(&mut batch_rng(0, 0), tasks)?))
        };
        grow(ctx, "tasks", &[1, 4, 16, 64, 256], &|n| sinusoid(n, 1, 40))?;
        grow(ctx, "inner-steps", &[1, 2, 5, 10, 20, 50], &|n| sinusoid(25, n, 40))?;
        grow(ctx, "width", &[40, 80, 160, 320, 640, 1024], &|n| sinusoid(25, 1, n))?;
        grow(ctx, "image-side", &[28, 42, 56, 84], &images)
    }
}

/// A learner and the tasks that it learns from.
type Problem = (Box<dyn MetaLearner>, TaskBatch);

fn grow(ctx: &mut Context, what: &str, sizes: &[usize], problem: &dyn Fn(usize) -> Result<Problem>) -> Result<()> {
    ctx.section(&what.replace('-', " "), |ctx| {
        let mut table = Table::new("One meta-iteration", ["size", "milliseconds", "peak memory, MiB"]);
        let (mut times, mut peaks) = (Vec::new(), Vec::new());
        for &size in sizes {
            let (learner, tasks) = problem(size)?;
            let measure = Measure { warmup: 1, repeats: 3, seconds: ctx.mode().pick(0.2, 1.0) };
            let (timing, usage) = ctx.metered(|ctx| {
                let mut training = MetaIterations::new(learner, Runner::default(), ctx.device())?;
                measure.run(|| training.step(&tasks))
            })?;
            let milliseconds = 1e3 * timing.cpu_best.unwrap_or(timing.wall_best);
            ctx.metric(&format!("{what}/{size}/milliseconds"), milliseconds, "ms")?;
            times.push((size as f64, milliseconds));
            if let Some(peak) = usage.peak_memory_mib {
                ctx.metric(&format!("{what}/{size}/peak-memory"), peak, "MiB")?;
                peaks.push((size as f64, peak));
            }
            let peak = usage.peak_memory_mib.map_or_else(|| "unknown".to_owned(), |peak| format!("{peak:.0}"));
            table.row([size.to_string(), format!("{milliseconds:.3}"), peak]);
        }
        let plot = Plot::new(format!("Growth with {}", what.replace('-', " ")), what, "milliseconds, MiB");
        ctx.plot(plot.log_x().log_y().line("time", times).dashed("memory", peaks))?;
        ctx.table(table)
    })
}

/// Four tasks of noise on images of a given side.
fn images(side: usize) -> Result<Problem> {
    let config = Conv4Config { image: (side, side), downsampling: Downsampling::MaxPool, ..Conv4Config::omniglot() };
    let learner = Maml::new(Conv4::new(config, WAYS)?, MamlConfig::omniglot())?;
    Ok((Box::new(learner), noise(0, 4, side, 5)?))
}
