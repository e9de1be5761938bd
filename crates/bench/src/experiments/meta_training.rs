//! A training of a meta-learner of policies as experiments run it: with a progress bar, a checkpoint to resume from, and
//! the curve for the report.

use std::fs;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use rekindle_meta_rl::{Learner, TrainConfig, Trained, train};

use crate::Context;

/// Iterations between two checkpoints.
const EVERY: u64 = 10;

/// Trains on the context's device. A run that was killed goes on where its checkpoint stands. Answers the curve, too:
/// iteration and mean return.
pub(super) fn run(
    ctx: &Context,
    name: &str,
    learner: &dyn Learner,
    (iterations, seed): (u64, u64),
) -> Result<(Trained, Vec<(f64, f64)>)> {
    let name = format!("{name}-{iterations}-seed{seed}");
    let path = ctx.work_dir().join(format!("{name}.curve"));
    let mut file = fs::File::options().create(true).append(true).open(&path).context("opening the curve's file")?;
    let config = TrainConfig {
        iterations,
        seed,
        checkpoint: Some(ctx.work_dir().join(format!("{name}.safetensors"))),
        checkpoint_every: EVERY,
        device: ctx.device().clone(),
    };
    let bar = ctx.progress(&name, iterations);
    let trained = train(learner, &config, &mut |at| {
        bar.set(at.iteration);
        bar.message(format!("mean return {:.2}", at.score));
        // A point that cannot be written is missing in the plot; the training goes on.
        let _ = writeln!(file, "{} {}", at.iteration, at.score);
        Ok(true)
    })?;
    Ok((trained, curve(&fs::read_to_string(&path).context("reading the curve's file")?)))
}

/// The last word on each iteration: a run that was killed repeats those after its checkpoint.
fn curve(text: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for line in text.lines() {
        let Some((iteration, score)) = line.split_once(' ') else { continue };
        let (Ok(iteration), Ok(score)) = (iteration.parse::<f64>(), score.parse()) else { continue };
        points.retain(|point| point.0 < iteration);
        points.push((iteration, score));
    }
    points
}
