//! Learns to fit a sine wave from ten of its points (Finn, Abbeel & Levine 2017, section 5.1).
//!
//! `cargo run --release -p rekindle-meta --example maml_sinusoid`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::io::{Write, stdout};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_meta::{
    EveryN, Iteration, Maml, MamlConfig, MetaLearner, Observer, Result, Setting, Stepwise, TrainConfig, Trainer,
};
use rekindle_nn::Mlp;
use rekindle_optim::Adam;
use rekindle_tasks::{Batch, Sinusoid};

/// Where the curves are drawn and errors are measured: 70 inputs from −5 to 5.
const COLUMNS: usize = 70;
/// Gradient steps on the ten points.
const STEPS: usize = 10;

fn main() -> Result<()> {
    // Every task is one wave y = A sin(x − φ) with an amplitude and a phase of its own.
    let waves = Sinusoid::maml(10);
    let learner = Maml::new(Mlp::sinusoid(), MamlConfig::sinusoid())?;
    let untrained = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;

    // The paper trains for 70,000 iterations with a rate of 0.001; the picture is plain long before.
    let config = TrainConfig { iterations: 2000, meta_batch: 25, ..TrainConfig::default() };
    let trainer = Trainer { learner: &learner, optimiser: &Adam::new(2e-3), config: &config };
    let mut progress = EveryN::new(100, ProgressLine { mean_loss: 0.0 })?;
    let trained = trainer.run(&untrained, Arc::new(waves.clone()), None, &mut progress)?.params;

    // A new wave, of which the learner sees ten points.
    let (task, latent) = waves.sample_with_latents(&mut ChaCha8Rng::seed_from_u64(1), 1)?;
    let [amplitude, phase] = latent.to_vec2::<f32>()?[0][..] else { unreachable!("a wave has two latents") };
    let truth: Vec<f32> = inputs().into_iter().map(|x| amplitude * (x - phase).sin()).collect();
    println!("\n\nA new wave, {amplitude:.2} sin(x − {phase:.2}), from ten of its points:\n");

    let error = |curve: &[f32]| curve.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / COLUMNS as f32;
    println!("mean squared error      before   1 step  {STEPS} steps");
    for (name, meta) in [("without meta-training", &untrained), ("with meta-training", &trained)] {
        let path = learner.trajectory(meta, &task.support, STEPS)?;
        let curves = path.iter().map(|params| curve(&learner, params, &task.support)).collect::<Result<Vec<_>>>()?;
        println!("{name:22}{:8.3} {:8.3} {:9.3}", error(&curves[0]), error(&curves[1]), error(&curves[STEPS]));
        if std::ptr::eq(meta, &trained) {
            println!();
            plot(&[('·', &truth), ('-', &curves[0]), ('#', &curves[STEPS])], &task.support)?;
            println!("\n· the wave    X its ten points    - the network before    # after {STEPS} steps");
        }
    }
    Ok(())
}

fn inputs() -> Vec<f32> {
    (0..COLUMNS).map(|i| 10.0 * i as f32 / (COLUMNS - 1) as f32 - 5.0).collect()
}

/// What the adapted network says at every input.
fn curve(learner: &Maml<Mlp>, adapted: &Params, support: &Batch) -> Result<Vec<f32>> {
    let x = Tensor::from_vec(inputs(), (1, COLUMNS, 1), &Device::Cpu)?;
    let y = learner.predict(adapted, support, &x, Setting::Inductive)?;
    Ok(y.value().flatten_all()?.to_vec1()?)
}

/// Draws curves with one value a column, later ones over earlier ones, and the points over all.
fn plot(curves: &[(char, &[f32])], points: &Batch) -> Result<()> {
    const ROWS: usize = 17;
    let (x, y) = (points.x.flatten_all()?.to_vec1::<f32>()?, points.y.flatten_all()?.to_vec1::<f32>()?);
    let top = curves.iter().flat_map(|(_, curve)| curve.iter()).chain(&y).fold(0.0f32, |top, y| top.max(y.abs()));
    let row = |y: f32| ((1.0 - y / top) / 2.0 * (ROWS - 1) as f32).round() as usize;
    let column = |x: f32| ((x + 5.0) / 10.0 * (COLUMNS - 1) as f32).round() as usize;

    let mut picture = vec![[' '; COLUMNS]; ROWS];
    for (mark, curve) in curves {
        curve.iter().enumerate().for_each(|(i, &y)| picture[row(y)][i] = *mark);
    }
    x.iter().zip(&y).for_each(|(&x, &y)| picture[row(y)][column(x)] = 'X');
    for (i, line) in picture.iter().enumerate() {
        let y = top * (1.0 - 2.0 * i as f32 / (ROWS - 1) as f32);
        println!("{y:6.2} │{}", line.iter().collect::<String>().trim_end());
    }
    println!("       └{}", "─".repeat(COLUMNS));
    Ok(())
}

/// One line that is written over and over.
struct ProgressLine {
    /// A running mean, since single batches of 25 waves differ a lot.
    mean_loss: f64,
}

impl Observer for ProgressLine {
    fn iteration(&mut self, now: &Iteration) -> Result<bool> {
        let weight = if self.mean_loss == 0.0 { 1.0 } else { 0.2 };
        self.mean_loss += weight * (now.loss - self.mean_loss);
        print!("\riteration {:5} of {}, loss after one step {:.3} ", now.iteration, now.total, self.mean_loss);
        // A progress line that cannot be shown is no reason to stop.
        let _ = stdout().flush();
        Ok(true)
    }
}
