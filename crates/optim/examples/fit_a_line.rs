//! Fits a straight line with Adam on a cosine schedule.
//!
//! `cargo run -p rekindle-optim --example fit_a_line`

use rekindle_autodiff::{Order, Params, Tensor};
use rekindle_optim::{Adam, Chain, ClipNorm, Result, Schedule, Transform, apply_updates};

const STEPS: u64 = 300;

/// Mean squared error of `y = slope·x + offset` on points `x [1, B]`, `y [1, B]`.
fn loss(line: &Params, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let predicted = line.get("slope")?.mul(x)?.add(line.get("offset")?)?;
    Ok(predicted.sub(y)?.sqr()?.mean_all()?)
}

#[allow(clippy::print_stdout, reason = "an example shows its result")]
fn main() -> Result<()> {
    // Points on y = 3x − 1, each a little off it by a fixed pattern.
    let xs: Vec<f32> = (0..20).map(|i| i as f32 / 10.0 - 1.0).collect();
    let ys: Vec<f32> = xs.iter().enumerate().map(|(i, x)| 3.0 * x - 1.0 + 0.1 * ((i % 3) as f32 - 1.0)).collect();
    let (x, y) = (Tensor::from_vec(xs, (1, 20))?, Tensor::from_vec(ys, (1, 20))?);

    // The first axis of a parameter counts tasks: here there is one.
    let zero = || Tensor::from_vec(vec![0f32], (1, 1));
    let mut line = Params::new([("slope".to_owned(), zero()?), ("offset".to_owned(), zero()?)])?;

    let optimiser =
        Chain::new().then(ClipNorm::new(5.0)).then(Adam::new(Schedule::cosine(0.1, STEPS).after_warmup(10)));
    let mut state = optimiser.init(&line)?;

    for step in 0..=STEPS {
        let theta = line.leaf();
        let error = loss(&theta, &x, &y)?;
        if step % 50 == 0 {
            let (slope, offset) = (theta.get("slope")?.to_f64()?, theta.get("offset")?.to_f64()?);
            println!("step {step:3}   loss {:.5}   y = {slope:.3}x {offset:+.3}", error.to_f64()?);
        }
        let grads = theta.grad(&error, Order::First)?;
        // `line` is a constant and so are the gradients: nothing is recorded, and Adam takes a single pass.
        let (updates, next) = optimiser.update(&grads, &state, &line)?;
        (line, state) = (apply_updates(&line, &updates)?, next);
    }
    Ok(())
}
