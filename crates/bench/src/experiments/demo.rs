//! Gradient descent on a quadratic, whose error is known in closed form: a demonstration of everything that a report can show.

use anyhow::Result;
use candle_core::Tensor;

use crate::{Context, Estimate, Experiment, Image, ImageGrid, Mark, Plot, Published, Series, Table};

pub(super) struct Demo;

const RATE: f64 = 0.1;

impl Experiment for Demo {
    fn id(&self) -> &'static str {
        "demo/quadratic"
    }

    fn title(&self) -> &'static str {
        "Gradient descent on a quadratic"
    }

    fn about(&self) -> &'static str {
        "Minimises *L(θ) = ½θ²* by gradient descent with rate `0.1`; after *k* steps the parameter is *0.9ᵏ θ₀*.\n\n\
         - Each seed starts from θ₀ = 1 + seed.\n\
         - The closed form stands in the column of published figures.\n\n\
         Source: any textbook."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let steps = ctx.mode().pick(30, 300);
        let path = ctx.section("Descent", |ctx| descend(ctx, steps))?;
        ctx.published("error", Published::new(1.0, "closed form, relative to its own"));
        let exact = |k: usize| 0.9f64.powi(i32::try_from(k).unwrap_or(i32::MAX));
        let measured = path.iter().enumerate().map(|(k, theta)| (k as f64, *theta));
        let banded = path.iter().enumerate().map(|(k, theta)| (k as f64, *theta, 0.3 * theta));
        ctx.plot(
            Plot::new("Parameter", "step", "θ")
                .series(Series::with_ci("measured ± 30 %", banded))
                .scatter("closed form", (0..=steps).step_by(3).map(|k| (k as f64, exact(k)))),
        )?;
        ctx.plot(
            Plot::new("The same, logarithmic", "step", "θ")
                .log_y()
                .line("measured", measured)
                .dashed("closed form", (0..=steps).map(|k| (k as f64, exact(k))))
                .caption("A straight line: the error shrinks by a constant factor."),
        )?;
        ctx.images(gradients()?);
        let mut table = Table::new("Some steps", ["step", "θ measured", "θ in closed form"]);
        for k in [0, 1, 10] {
            table.row([k.to_string(), format!("{:.5}", path[k]), format!("{:.5}", exact(k))]);
        }
        ctx.table(table)?;
        ctx.note("This experiment only shows what a report can hold.");
        Ok(())
    }
}

/// The parameter of the last seed, scaled to begin at 1, after 0, 1, …, `steps` steps.
fn descend(ctx: &mut Context, steps: usize) -> Result<Vec<f64>> {
    let mut path = Vec::new();
    for seed in ctx.seeds() {
        let start = 1.0 + seed as f64;
        let mut theta = Tensor::new(start, &candle_core::Device::Cpu)?.to_device(ctx.device())?;
        path = vec![1.0];
        let progress = ctx.progress("descending", steps as u64);
        for _ in 0..steps {
            theta = (theta * (1.0 - RATE))?;
            path.push(theta.to_scalar::<f64>()? / start);
            progress.inc(1);
        }
        let exact = 0.9f64.powi(i32::try_from(steps)?);
        ctx.seed_metric(seed, "error", Estimate::new(path[steps] / exact, 1e-6), "ratio")?;
    }
    ctx.metric("steps", steps as f64, "1")?;
    Ok(path)
}

fn gradients() -> Result<ImageGrid> {
    let ramp = |grey: f32| -> Vec<f32> { (0..64).map(|i| ((i % 8) as f32 / 8.0 + grey) / 2.0).collect() };
    let image = |grey, caption: &str, mark| Image::new(&ramp(grey), [8, 8, 1], caption, mark);
    Ok(ImageGrid::new("Images")
        .row("support", vec![image(0.1, "a", Mark::Plain)?, image(0.9, "b", Mark::Plain)?])
        .row("query", vec![image(0.2, "a", Mark::Right)?, image(0.8, "a, not b", Mark::Wrong)?])
        .caption("Green: predicted right. Red: predicted wrong."))
}
