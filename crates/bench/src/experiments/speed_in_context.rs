//! The speed of learning in context: a transformer on prompts of linear functions.

use anyhow::Result;
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_meta::{MetaLearner, Runner, Setting};
use rekindle_tasks::{FunctionTasks, TaskSampler, batch_rng};

use super::meta_iterations::MetaIterations;
use super::prompts::{Study, tiny};
use crate::{Context, Experiment, Measure, Table, Timing};

pub(super) struct SpeedInContext;

/// Prompts of an iteration.
const PROMPTS: usize = 64;

/// Examples of a prompt.
const SHOTS: usize = 40;

/// Numbers of an input.
const INPUTS: usize = 20;

impl Experiment for SpeedInContext {
    fn id(&self) -> &'static str {
        "speed/in-context"
    }

    fn title(&self) -> &'static str {
        "Speed of learning in context"
    }

    fn about(&self) -> &'static str {
        "The \"tiny\" transformer of Garg et al. 2022 (64 wide, 3 layers, 2 heads; ReLU) on prompts of 40 examples of linear functions \
         of 20 inputs and a query: 81 tokens. On one thread.\n\n\
         - *train*: a gradient of the squared error after all prefixes of 64 prompts, and the update by Adam; the drawing of prompts \
           is included.\n\
         - *read*: 64 prompts of 80 tokens into the cache of keys and values.\n\
         - *answer*: a query after each of them, from the cache.\n\n\
         Rates are tokens a second, those of the best of several repeats."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Tokens a second", ["work", "tokens", "wall", "processor"]);
        let [read, answer] = inference(ctx)?;
        let per_prompt = 2 * SHOTS + 1;
        for (name, tokens, timing) in
            [("train", per_prompt, train(ctx)?), ("read", 2 * SHOTS, read), ("answer", 1, answer)]
        {
            let tokens = PROMPTS * tokens;
            let rate = tokens as f64 * timing.per_second();
            ctx.metric(&format!("{name}/tokens-per-second"), rate, "1/s")?;
            let processor = timing.per_cpu_second().map(|calls| tokens as f64 * calls);
            if let Some(rate) = processor {
                ctx.metric(&format!("{name}/tokens-per-cpu-second"), rate, "1/s")?;
            }
            let cell = processor.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
            table.row([name.to_owned(), tokens.to_string(), format!("{rate:.0}"), cell]);
        }
        ctx.table(table)
    }
}

fn study() -> Study {
    Study { name: String::new(), inputs: INPUTS, shots: SHOTS, transformer: tiny(), iterations: 1, rates: [1e-3, 1e-3] }
}

fn measure(ctx: &Context) -> Measure {
    Measure { seconds: ctx.mode().pick(0.5, 2.0), ..Measure::default() }
}

fn train(ctx: &Context) -> Result<Timing> {
    let mut training = MetaIterations::new(Box::new(study().learner()?), Runner::default(), ctx.device())?;
    let sampler = FunctionTasks::linear(INPUTS, SHOTS);
    measure(ctx).run(|| training.step(&sampler.sample(&mut batch_rng(0, training.done()), PROMPTS)?))
}

fn inference(ctx: &Context) -> Result<[Timing; 2]> {
    let learner = study().learner()?;
    let params = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, ctx.device())?;
    let tasks = FunctionTasks::linear(INPUTS, SHOTS).sample(&mut batch_rng(0, 0), PROMPTS)?.to_device(ctx.device())?;
    let read = measure(ctx).run(|| {
        learner.adapt(&params, &tasks.support)?;
        Ok(ctx.device().synchronize()?)
    })?;
    let cache = learner.adapt(&params, &tasks.support)?;
    let answer = measure(ctx).run(|| {
        learner.predict(&cache, &tasks.support, &tasks.query.x, Setting::Inductive)?;
        Ok(ctx.device().synchronize()?)
    })?;
    Ok([read, answer])
}
