//! Tests of the optimisers, in one binary.

// Values: literal numbers from PyTorch, and scalar loops written from the papers.
mod pytorch;
mod scalar;
mod schedules;
// The rules of the trait, on every transformation; and that the suite notices rules that are broken.
mod rules;
// Derivatives in closed form, and at zero.
mod derivatives;
// What each of the smaller parts promises.
mod clip;
mod groups;
mod settings;
mod state;

use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::{Result, State, Transform, apply_updates};

/// One leaf `theta [1, n]` in double precision.
fn theta(values: &[f64]) -> Result<Params> {
    named(&[("theta", values)])
}

/// Leaves `[1, n]`.
fn named(leaves: &[(&str, &[f64])]) -> Result<Params> {
    let leaf =
        |&(name, values): &(&str, &[f64])| Ok((name.to_owned(), Tensor::from_vec(values.to_vec(), (1, values.len()))?));
    Ok(Params::new(leaves.iter().map(leaf).collect::<Result<Vec<_>>>()?)?)
}

fn values(params: &Params) -> Result<Vec<f64>> {
    Ok(params.leaves().iter().map(Tensor::to_vec_f64).collect::<rekindle_autodiff::Result<Vec<_>>>()?.concat())
}

/// Parameters and state after `steps` updates, with the gradient given elementwise: `f(element, value)`.
fn descend(
    transform: &dyn Transform,
    start: &Params,
    steps: usize,
    f: impl Fn(usize, f64) -> f64,
) -> Result<(Params, State)> {
    let (mut theta, mut state) = (start.clone(), transform.init(start)?);
    for _ in 0..steps {
        let mut element = 0;
        let grads = theta.map(|leaf| {
            let slopes = leaf.to_vec_f64()?.into_iter().map(|value| {
                element += 1;
                f(element - 1, value)
            });
            Tensor::from_vec(slopes.collect(), leaf.shape())
        })?;
        let (updates, next) = transform.update(&grads, &state, &theta)?;
        (theta, state) = (apply_updates(&theta, &updates)?, next);
    }
    Ok((theta, state))
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "element {i}: {a:e}, expected {b:e}");
    }
}
