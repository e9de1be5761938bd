//! Adaptation to one sine wave, drawn: the truth, the points that the learner was shown, its guesses before and after.

use anyhow::Result;
use candle_core::{Device, Tensor};
use rekindle_autodiff::Params;
use rekindle_meta::{Setting, Stepwise};
use rekindle_tasks::{Sinusoid, batch_rng};

use crate::Plot;

/// Points of a drawn curve.
const POINTS: usize = 121;

/// Inputs that are drawn: the range of every protocol.
const RANGE: (f64, f64) = (-5.0, 5.0);

/// Draws task number `index` of `tasks`, and how the learner fits it after each of `steps`, in rising order.
pub(super) fn adaptation(
    title: &str,
    learner: &dyn Stepwise,
    meta: &Params,
    (tasks, index): (&Sinusoid, u64),
    steps: &[usize],
    device: &Device,
) -> Result<Plot> {
    let (shown, latents) = tasks.sample_with_latents(&mut batch_rng(super::training::TEST_SEED, index), 1)?;
    let latents = latents.to_vec2::<f32>()?.remove(0);
    let (amplitude, phase) = (f64::from(latents[0]), f64::from(latents[1]));
    let xs: Vec<f64> = (0..POINTS).map(|i| RANGE.0 + (RANGE.1 - RANGE.0) * i as f64 / (POINTS - 1) as f64).collect();

    let support = shown.support.to_device(device)?;
    let grid = Tensor::new(xs.as_slice(), device)?.to_dtype(support.x.dtype())?.reshape((1, POINTS, 1))?;
    let thetas = learner.trajectory(meta, &support, steps.last().copied().unwrap_or(0))?;
    let mut plot = Plot::new(title, "x", "y").dashed("truth", xs.iter().map(|&x| (x, amplitude * (x - phase).sin())));
    for &step in steps {
        let guess = learner.predict(&thetas[step], &support, &grid, Setting::Transductive)?.to_vec_f64()?;
        plot = plot.line(name(step), xs.iter().copied().zip(guess));
    }
    let column = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.flatten_all()?.to_vec1()?) };
    let points = column(&support.x)?.into_iter().zip(column(&support.y)?);
    Ok(plot.scatter("support", points.map(|(x, y)| (f64::from(x), f64::from(y)))))
}

fn name(step: usize) -> String {
    match step {
        0 => "before".to_owned(),
        1 => "after 1 step".to_owned(),
        _ => format!("after {step} steps"),
    }
}
