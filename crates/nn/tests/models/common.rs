//! What the tests share: seeded inputs, per-task parameters, and the checks that hold for every model.

use candle_core::{DType, Device};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Check, NormStats, Params, Tensor, check_gradients};
use rekindle_nn::{Error, Model, Result};

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Uniform in `[−1, 1)`, f64.
pub(crate) fn random(rng: &mut ChaCha8Rng, dims: &[usize]) -> Tensor {
    let values = (0..dims.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    Tensor::from_vec(values, dims).expect("the sizes agree")
}

/// Parameters `[M, …]` near fresh ones, different in every task and in every element, γ and β included.
pub(crate) fn per_task(fresh: &Params, tasks: usize, rng: &mut ChaCha8Rng) -> Params {
    let noisy = |leaf: &Tensor| {
        let mut dims = leaf.dims().to_vec();
        dims[0] = tasks;
        leaf.add(&random(rng, &dims).scale(0.5)?)
    };
    fresh.map(noisy).expect("the shapes broadcast")
}

pub(crate) fn fresh(model: &dyn Model, seed: u64) -> Params {
    model.init(&mut rng(seed), DType::F64, &Device::Cpu).expect("the model is valid")
}

#[track_caller]
pub(crate) fn assert_close(a: &Tensor, b: &Tensor, tolerance: f64) {
    assert_eq!(a.dims(), b.dims());
    for (i, (x, y)) in a.to_vec_f64().unwrap().iter().zip(b.to_vec_f64().unwrap()).enumerate() {
        assert!((x - y).abs() <= tolerance * y.abs().max(1.0), "element {i}: {x} against {y}");
    }
}

/// A function of parameters and inputs, so that models and layers are checked alike.
pub(crate) type Apply<'a> = &'a dyn Fn(&Params, &Tensor) -> Result<Tensor>;

/// Oracle: the loop over tasks, and repetition of what is shared.
pub(crate) fn assert_tasks_are_independent(apply: Apply<'_>, fresh: &Params, x: &Tensor, seed: u64) -> Result<()> {
    let tasks = x.dim(0)?;
    let params = per_task(fresh, tasks, &mut rng(seed));
    let batched = apply(&params, x)?;
    let one = |m| apply(&params.narrow_tasks(m, 1)?, &x.narrow(0, m, 1)?);
    let looped = (0..tasks).map(one).collect::<Result<Vec<_>>>()?;
    assert_close(&batched, &Tensor::cat(&looped.iter().collect::<Vec<_>>(), 0)?, 1e-12);

    let shared = params.narrow_tasks(0, 1)?;
    assert_close(&apply(&shared, x)?, &apply(&shared.expand_tasks(tasks)?, x)?, 1e-12);

    let first = x.narrow(0, 0, 1)?;
    assert_close(&apply(&params, &first)?, &apply(&params, &first.broadcast_to(x.shape())?)?, 1e-12);

    // Every leaf shared but one: what freezing a part, or adapting only a head, comes to.
    for chosen in fresh.names() {
        let mix = |name: &str, leaf: &Tensor| if name == chosen { Ok(leaf.clone()) } else { leaf.narrow(0, 0, 1) };
        let mixed = params.map_named(mix)?;
        assert_close(&apply(&mixed, x)?, &apply(&mixed.expand_tasks(tasks)?, x)?, 1e-12);
    }
    Ok(())
}

/// Oracle: central finite differences in f64, with respect to every parameter and the inputs.
pub(crate) fn assert_gradients(apply: Apply<'_>, fresh: &Params, x: &Tensor, order: usize, seed: u64) -> Result<()> {
    let params = per_task(fresh, x.dim(0)?, &mut rng(seed));
    let inputs: Vec<Tensor> = params.leaves().iter().chain([x]).cloned().collect();
    let f = |inputs: &[Tensor]| {
        let (x, leaves) = inputs.split_last().expect("x is the last input");
        apply(&params.with_leaves(leaves.to_vec())?, x).map_err(of_the_tape)
    };
    Ok(check_gradients(f, &inputs, Check { order, ..Check::default() })?)
}

/// The same with respect to the parameters alone.
pub(crate) fn assert_parameter_gradients(
    apply: Apply<'_>,
    fresh: &Params,
    x: &Tensor,
    order: usize,
    seed: u64,
) -> Result<()> {
    let params = per_task(fresh, x.dim(0)?, &mut rng(seed));
    let f = |leaves: &[Tensor]| apply(&params.with_leaves(leaves.to_vec())?, x).map_err(of_the_tape);
    Ok(check_gradients(f, params.leaves(), Check { order, ..Check::default() })?)
}

/// What `check_gradients` wants to hear of a failed model.
fn of_the_tape(error: Error) -> rekindle_autodiff::Error {
    match error {
        Error::Autodiff(error) => error,
        other => panic!("{other}"),
    }
}

/// Both checks for a model, with the statistics of the whole batch.
pub(crate) fn assert_model(model: &dyn Model, x: &Tensor, order: usize) -> Result<()> {
    let apply = |params: &Params, x: &Tensor| model.forward(params, x, NormStats::Batch);
    let fresh = fresh(model, 1);
    assert_tasks_are_independent(&apply, &fresh, x, 2)?;
    assert_gradients(&apply, &fresh, x, order, 3)
}
