//! A transformer that learns linear functions from the examples in its prompt.

use std::sync::Arc;

use anyhow::Result;
use rekindle_meta::Baseline;
use rekindle_nn::TransformerConfig;
use rekindle_tasks::FunctionTasks;

use super::prompts::{Study, estimated, learned, points, points_with_ci, prompts, tiny};
use crate::{Context, Estimate, Experiment, Plot, Published, Series};

pub(super) struct InContextLinear;

impl Experiment for InContextLinear {
    fn id(&self) -> &'static str {
        "in-context/linear"
    }

    fn title(&self) -> &'static str {
        "Linear functions in context"
    }

    fn about(&self) -> &'static str {
        "A transformer reads *x₁, y₁, x₂, y₂, …, x* and answers with *y*; its weights do not change. Functions are *y = wᵀx* with *w* \
         and *x* from *N(0, I)* in d dimensions, new ones in every prompt; it is trained on the squared error of its answers after \
         all prefixes, 64 prompts an iteration. Inputs of more than 5 dimensions begin with 5, as in the paper's curriculum. The error is that on 1,280 prompts, over the error \
         of answering zero.\n\n\
         - Quick: d = 2, a very small transformer (32 wide, 2 layers, 2 heads) with ReLU, Adam from `3e-3` along a cosine.\n\
         - Standard: d = 5, the paper's \"tiny\" transformer (64 wide, 2 heads) with ReLU and 8 layers in place of 3, Adam from `1e-3` along a cosine.\n\
         - Full: d = 20, the paper's \"small\" transformer (128 wide, 6 layers, 4 heads) with GELU, Adam with `1e-4`, 500,000 \
           iterations; for a GPU.\n\n\
         *Least squares* takes the weights of least norm; its error is (d − k)/d after k < d examples, then none. *Averaging* has \
         (d + 1)/k. `error-k` and `least-squares-k` are at k = d/2, d, 3d/2 and 2d.\n\n\
         Source: Garg, Tsipras, Liang & Valiant 2022, sections 2 and 3, with their main model of 12 layers, for d = 20."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            run(ctx, seed)?;
        }
        if study(ctx).inputs == 20 {
            for (examples, error) in [(20, 0.02), (40, 0.0006)] {
                let source = "Garg et al. 2022, section 3, with 12 layers";
                ctx.published(&format!("error-{examples}"), Published::new(error, source));
            }
        }
        Ok(())
    }
}

fn study(ctx: &Context) -> Study {
    let sizes = |inputs, transformer, iterations, rates| Study {
        name: format!("linear-{inputs}"),
        inputs,
        shots: 2 * inputs,
        transformer,
        iterations,
        rates,
    };
    let quick = TransformerConfig { width: 32, layers: 2, hidden: 64, ..tiny() };
    ctx.mode().of([
        sizes(2, quick, 6_000, [3e-3, 1e-4]),
        sizes(5, TransformerConfig { layers: 8, ..tiny() }, 40_000, [1e-3, 1e-5]),
        sizes(20, TransformerConfig::small(), 500_000, [1e-4, 1e-4]),
    ])
}

fn run(ctx: &mut Context, seed: u64) -> Result<()> {
    let study = study(ctx);
    let (d, shots) = (study.inputs, study.shots);
    let tasks = FunctionTasks::linear(d, shots);
    let curriculum = study.curriculum(10);
    let learner = study.learner()?;
    let training = Arc::new(FunctionTasks { curriculum: Some(curriculum), ..tasks });
    let (params, curves) = study.train(ctx, &learner, training, seed)?;

    let prompts = prompts(&tasks)?;
    let scale = d as f64;
    let transformer = learned(ctx, &learner, &params, &prompts, scale)?;
    let squares = estimated(Baseline::LeastSquares, &prompts, scale)?;
    for k in [d / 2, d, 3 * d / 2, 2 * d] {
        record(ctx, seed, &format!("error-{k}"), &transformer, k)?;
        record(ctx, seed, &format!("least-squares-{k}"), &squares, k)?;
    }
    if seed > 0 {
        return Ok(());
    }
    let mut plot = Plot::new(format!("d = {d}"), "examples in the prompt", "squared error over that of zero")
        .series(Series::with_ci("transformer", points_with_ci(&transformer)))
        .line("least squares", points(&squares));
    for (name, baseline) in [("averaging", Baseline::Averaging), ("3 nearest neighbours", Baseline::Neighbours(3))] {
        let errors = estimated(baseline, &prompts, scale)?;
        // Averaging of a few examples is far above all else.
        plot = plot.dashed(name, points(&errors).filter(|(_, error)| *error < 2.0));
    }
    ctx.plot(plot.caption("1,280 prompts, with the 95 % interval of the transformer."))?;
    ctx.plot(Plot::new("Training", "iteration", "squared error").log_y().series(curves.loss_series("all prefixes")))
}

fn record(ctx: &mut Context, seed: u64, name: &str, errors: &[(f64, f64)], examples: usize) -> Result<()> {
    let (mean, ci) = errors[examples];
    ctx.seed_metric(seed, name, Estimate::new(mean, ci), "relative-error")
}
