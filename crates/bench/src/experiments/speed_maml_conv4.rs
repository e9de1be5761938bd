//! The speed and memory of MAML where the arithmetic counts: a convolutional net on images.

use anyhow::Result;
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_meta::{Adjoint, Maml, MamlConfig, Runner};
use rekindle_nn::{Conv4, Conv4Config, Downsampling};
use rekindle_tasks::{Batch, TaskBatch};

use super::meta_iterations::MetaIterations;
use crate::{Context, Experiment, Measure, Table, Timing, Usage, Work};

pub(super) struct SpeedMamlConv4;

pub(super) const WAYS: usize = 5;
const SIDE: usize = 28;
const QUERIES: usize = 15;

/// Tasks in a meta-batch.
const TASKS: usize = 32;

/// Inner steps, few and many, whose memory is compared.
const FEW_STEPS: usize = 2;
const MANY_STEPS: usize = 50;

impl Experiment for SpeedMamlConv4 {
    fn id(&self) -> &'static str {
        "speed/maml-conv4"
    }

    fn title(&self) -> &'static str {
        "Speed and memory of MAML with Conv4"
    }

    fn about(&self) -> &'static str {
        "Meta-iterations of MAML on images of 28×28 random black and white pixels: 32 tasks, 5-way 1-shot with 15 queries a class; four \
         blocks of 64 channels with max pooling take one inner step with rate `0.4`; the meta-gradient of second order \
         goes into Adam.\n\n\
         - Rates are those of the best of several repeats. *Per processor second* counts all threads.\n\
         - *peak-memory* is the largest resident memory of the process while one thread trains.\n\
         - *checkpointed-memory-ratio* compares the peaks of one task with 50 and with 2 inner steps, when meta-gradients go back \
         through one step at a time.\n\n\
         Source of the workload: Finn, Abbeel & Levine 2017, section 5.2, with the net of Vinyals et al. 2016. Memory \
         includes what the process held before: run this experiment alone for these figures."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        ctx.section("Memory of many inner steps", memory_of_steps)?;
        ctx.section("Speed", speed)
    }
}

fn speed(ctx: &mut Context) -> Result<()> {
    let mut table = Table::new("Tasks a second", ["threads", "wall", "processor", "peak memory, MiB"]);
    // One thread first: what the allocator keeps of its memory would count for it otherwise.
    let mut counts = vec![1, ctx.threads()];
    counts.dedup();
    let all = ctx.threads();
    for threads in counts {
        let (timing, usage) = train(ctx, threads)?;
        let (wall, processor) = (timing.per_second() * TASKS as f64, timing.per_cpu_second().map(|r| r * TASKS as f64));
        for suffix in [(threads == all).then_some(""), (threads == 1).then_some("-1-thread")].into_iter().flatten() {
            ctx.metric(&format!("tasks-per-second{suffix}"), wall, "1/s")?;
            processor.map_or(Ok(()), |rate| ctx.metric(&format!("tasks-per-cpu-second{suffix}"), rate, "1/s"))?;
        }
        if let (1, Some(peak)) = (threads, usage.peak_memory_mib) {
            ctx.metric("peak-memory", peak, "MiB")?;
        }
        let number = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.1}"));
        table.row([threads.to_string(), number(Some(wall)), number(processor), number(usage.peak_memory_mib)]);
    }
    ctx.table(table)
}

fn train(ctx: &mut Context, threads: usize) -> Result<(Timing, Usage)> {
    let measure = Measure { warmup: 1, repeats: ctx.mode().pick(3, 5), seconds: ctx.mode().pick(1.0, 10.0) };
    ctx.metered(|ctx| measure.run(training(ctx, threads)?.call))
}

/// Whole meta-iterations, in units of tasks.
pub(super) fn training(ctx: &Context, threads: usize) -> Result<Work> {
    let learner = Maml::new(net()?, MamlConfig::omniglot())?;
    let mut training = MetaIterations::new(Box::new(learner), Runner::with_threads(threads), ctx.device())?;
    let batches = [noise(0, TASKS, SIDE, QUERIES)?, noise(1, TASKS, SIDE, QUERIES)?];
    Ok(Work::new(TASKS, move || training.step(&batches[training.done() as usize % 2])))
}

/// The peak of one meta-gradient of one task with few and with many inner steps.
fn memory_of_steps(ctx: &mut Context) -> Result<()> {
    let mut peaks = Vec::new();
    for n_steps in [FEW_STEPS, MANY_STEPS] {
        let config = MamlConfig { n_steps, adjoint: Adjoint::Checkpointed, ..MamlConfig::omniglot() };
        let ((), usage) = ctx.metered(|ctx| {
            let learner = Box::new(Maml::new(net()?, config)?);
            MetaIterations::new(learner, Runner::default(), ctx.device())?.step(&noise(0, 1, SIDE, QUERIES)?)
        })?;
        let Some(peak) = usage.peak_memory_mib else {
            ctx.note("This system does not tell the peak memory of a process.");
            return Ok(());
        };
        ctx.metric(&format!("checkpointed-memory-{n_steps}-steps"), peak, "MiB")?;
        peaks.push(peak);
    }
    ctx.metric("checkpointed-memory-ratio", peaks[1] / peaks[0], "ratio")
}

/// Four blocks with max pooling, and PyTorch's ε in their normalisation.
fn net() -> Result<Conv4> {
    let config = Conv4Config { downsampling: Downsampling::MaxPool, norm_eps: Some(1e-5), ..Conv4Config::omniglot() };
    Ok(Conv4::new(config, WAYS)?)
}

/// 5-way 1-shot tasks of noise on images of a given side: one pixel in ten is white.
pub(super) fn noise(seed: u64, n_tasks: usize, side: usize, queries: usize) -> Result<TaskBatch> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut batch = |shots: usize| -> Result<Batch> {
        let images = n_tasks * WAYS * shots;
        let pixels = (0..images * side * side).map(|_| f32::from(u8::from(rng.random_bool(0.1)))).collect();
        let labels = (0..images).map(|i| (i / shots % WAYS) as u32).collect();
        Ok(Batch {
            x: Tensor::from_vec(pixels, (n_tasks, WAYS * shots, side, side, 1), &Device::Cpu)?,
            y: Tensor::from_vec::<_, u32>(labels, (n_tasks, WAYS * shots), &Device::Cpu)?,
        })
    };
    Ok(TaskBatch { support: batch(1)?, query: batch(queries)? })
}
