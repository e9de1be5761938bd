//! Trajectories against plain scalar loops, written from the papers' formulas and not from the library.

use rekindle_optim::{
    Adadelta, Adagrad, Adam, AdamW, DecoupledDecay, Momentum, Result, RmsProp, Scale, Schedule, Sgd, Transform,
    WeightDecay,
};

use crate::{assert_close, descend, theta, values};

const START: [f64; 4] = [1.0, -2.0, 0.5, 3.0];
const STEPS: usize = 7;

/// The slope of `¼(x − c)⁴ + ½x²`: curved, different for each element.
fn slope(i: usize, x: f64) -> f64 {
    (x - 0.3 * i as f64).powi(3) + x
}

/// `step(t, x, g, memory) → x` with t from 1; the memory begins at zero.
fn check(transform: &dyn Transform, mut step: impl FnMut(i32, f64, f64, &mut [f64; 2]) -> f64) -> Result<()> {
    let (end, state) = descend(transform, &theta(&START)?, STEPS, slope)?;
    let expected: Vec<f64> = START
        .iter()
        .enumerate()
        .map(|(i, &start)| {
            let (mut x, mut memory) = (start, [0.0; 2]);
            for t in 1..=STEPS as i32 {
                x = step(t, x, slope(i, x), &mut memory);
            }
            x
        })
        .collect();
    assert_close(&values(&end)?, &expected, 1e-12);
    assert_eq!(state.step(), STEPS as u64);
    Ok(())
}

#[test]
fn sgd_on_a_schedule() -> Result<()> {
    let lr = Schedule::linear(0.1, 0.02, 4);
    check(&Sgd::new(lr), |t, x, g, _| x - [0.1, 0.08, 0.06, 0.04, 0.02, 0.02, 0.02][t as usize - 1] * g)
}

#[test]
fn momentum() -> Result<()> {
    check(&Momentum { momentum: 0.8, ..Momentum::new(0.02) }, |_, x, g, [b, _]| {
        *b = 0.8 * *b + g;
        x - 0.02 * *b
    })
}

/// Nesterov's method in its first form: the gradient at the look-ahead point `y = x + μv`, and `v ← μv − ηg`. Ours
/// tracks y; with a constant rate the two are the same.
#[test]
fn nesterov_is_the_gradient_at_the_look_ahead_point() -> Result<()> {
    let (mu, lr) = (0.8, 0.02);
    let (end, _) = descend(&Momentum { momentum: mu, ..Momentum::nesterov(lr) }, &theta(&START)?, STEPS, slope)?;
    let expected: Vec<f64> = START
        .iter()
        .enumerate()
        .map(|(i, &start)| {
            let (mut x, mut v) = (start, 0.0);
            for _ in 0..STEPS {
                v = mu * v - lr * slope(i, x + mu * v);
                x += v;
            }
            x + mu * v
        })
        .collect();
    assert_close(&values(&end)?, &expected, 1e-12);
    Ok(())
}

#[test]
fn adagrad() -> Result<()> {
    check(&Adagrad::new(0.3), |_, x, g, [s, _]| {
        *s += g * g;
        x - 0.3 * g / (s.sqrt() + 1e-10)
    })
}

#[test]
fn adadelta() -> Result<()> {
    check(&Adadelta::default(), |_, x, g, [v, d]| {
        *v = 0.95 * *v + 0.05 * g * g;
        let delta = (*d + 1e-6).sqrt() / (*v + 1e-6).sqrt() * g;
        *d = 0.95 * *d + 0.05 * delta * delta;
        x - delta
    })
}

#[test]
fn rmsprop() -> Result<()> {
    check(&RmsProp::new(0.05), |_, x, g, [v, _]| {
        *v = 0.9 * *v + 0.1 * g * g;
        x - 0.05 * g / (v.sqrt() + 1e-8)
    })
}

#[test]
fn rmsprop_centered() -> Result<()> {
    check(&RmsProp::centered(0.05), |_, x, g, [v, a]| {
        *v = 0.9 * *v + 0.1 * g * g;
        *a = 0.9 * *a + 0.1 * g;
        x - 0.05 * g / ((*v - *a * *a).sqrt() + 1e-8)
    })
}

fn adam_direction(t: i32, g: f64, [m, v]: &mut [f64; 2]) -> f64 {
    *m = 0.9 * *m + 0.1 * g;
    *v = 0.999 * *v + 0.001 * g * g;
    (*m / (1.0 - 0.9f64.powi(t))) / ((*v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8)
}

#[test]
fn adam() -> Result<()> {
    check(&Adam::new(0.2), |t, x, g, memory| x - 0.2 * adam_direction(t, g, memory))
}

#[test]
fn adamw() -> Result<()> {
    check(&AdamW::new(0.2, 0.1), |t, x, g, memory| x - 0.2 * 0.1 * x - 0.2 * adam_direction(t, g, memory))
}

/// The paper's AdamW: the decay does not have the learning rate.
#[test]
fn decay_beside_adam() -> Result<()> {
    let transform = rekindle_optim::chain(vec![Box::new(Adam::new(0.2)), Box::new(DecoupledDecay::new(0.01))]);
    check(&transform, |t, x, g, memory| x - 0.01 * x - 0.2 * adam_direction(t, g, memory))
}

#[test]
fn decay_in_the_gradient() -> Result<()> {
    let transform = rekindle_optim::chain(vec![Box::new(WeightDecay::new(0.3)), Box::new(Sgd::new(0.05))]);
    check(&transform, |_, x, g, _| x - 0.05 * (g + 0.3 * x))
}

#[test]
fn scale_by_a_schedule() -> Result<()> {
    check(&Scale::new(Schedule::custom(|step| -0.1 / (1.0 + step as f64))), |t, x, g, _| x - 0.1 / f64::from(t) * g)
}
