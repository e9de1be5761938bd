//! Eight sine waves, eight nets, one program: each net learns a wave of its own by gradient descent with momentum, and
//! not a line of the training loop knows how many there are.
//!
//! ```text
//! v ← 0.9 v + ∇L(θ)        θ ← θ − α v
//! ```
//!
//! Run with `cargo run --release -p rekindle-nn --example many_nets`.

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use candle_core::{DType, Device};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NormStats, Order, Params, Tensor};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Model, Norm, Result};

const TASKS: usize = 8;
const EXAMPLES: usize = 64;
const STEPS: usize = 2_000;
const RATE: f64 = 0.01;

fn main() -> Result<()> {
    let net = Mlp::new(&MlpConfig {
        sizes: vec![1, 32, 32, 1],
        activation: Activation::Tanh,
        norm: Norm::None,
        weight: Init::LeCunNormal,
        bias: Init::Uniform { bound: 1.0 },
    })?;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (waves, x, y) = sine_waves(&mut rng)?;

    let mut theta = net.init(&mut rng, DType::F32, &Device::Cpu)?.expand_tasks(TASKS)?; // all begin alike
    let mut velocity = theta.zeros_like()?;
    let before = losses(&net, &theta, &x, &y)?;
    for _ in 0..STEPS {
        theta = theta.leaf();
        // Leaf m only sees loss m, so the sum has the gradients of all tasks at once.
        let loss = losses(&net, &theta, &x, &y)?.sum_all()?;
        velocity = velocity.scale(0.9)?.add(&theta.grad(&loss, Order::First)?)?;
        theta = theta.detach().add_scaled(&velocity, -RATE)?;
    }
    let after = losses(&net, &theta, &x, &y)?;

    println!("{} parameters in {TASKS} nets, {STEPS} steps", theta.count());
    println!("amplitude  phase  error before  after");
    for ((wave, before), after) in waves.iter().zip(before.to_vec_f64()?).zip(after.to_vec_f64()?) {
        println!("{:9.2}  {:5.2}  {before:12.4}  {after:.4}", wave.amplitude, wave.phase);
    }
    Ok(())
}

/// Mean squared error of each task, `[M]`.
fn losses(net: &Mlp, theta: &Params, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    Ok(net.forward(theta, x, NormStats::Batch)?.mse(y)?)
}

/// y = A sin(x − φ).
struct Wave {
    amplitude: f32,
    phase: f32,
}

/// Waves to learn, with inputs and targets `[M, B, 1]`.
fn sine_waves(rng: &mut ChaCha8Rng) -> Result<(Vec<Wave>, Tensor, Tensor)> {
    let wave = |rng: &mut ChaCha8Rng| Wave {
        amplitude: rng.random_range(0.1..2.0),
        phase: rng.random_range(0.0..std::f32::consts::PI),
    };
    let waves: Vec<Wave> = (0..TASKS).map(|_| wave(rng)).collect();
    let xs: Vec<f32> = (0..TASKS * EXAMPLES).map(|_| rng.random_range(-3.0..3.0)).collect();
    let at = |(i, x): (usize, &f32)| waves[i / EXAMPLES].amplitude * (x - waves[i / EXAMPLES].phase).sin();
    let ys: Vec<f32> = xs.iter().enumerate().map(at).collect();
    let shape = (TASKS, EXAMPLES, 1);
    Ok((waves, Tensor::from_vec(xs, shape)?, Tensor::from_vec(ys, shape)?))
}
