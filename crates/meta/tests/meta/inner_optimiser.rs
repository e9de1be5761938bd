//! MAML whose inner loop runs through an optimiser with a memory.

use std::sync::Arc;

use candle_core::DType;
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::{Adjoint, Maml, MamlConfig, MetaLearner, Result, Stepwise};
use rekindle_optim::{Adam, Momentum, RmsProp, Schedule, Sgd, Transform};

use crate::{assert_close, assert_same, elements, parameters, sinusoids, smooth_mlp};

fn config(optimiser: Arc<dyn Transform>, adjoint: Adjoint) -> MamlConfig {
    MamlConfig { inner_optimiser: Some(optimiser), n_steps: 3, adjoint, ..MamlConfig::sinusoid() }
}

fn optimisers() -> Vec<Arc<dyn Transform>> {
    // A schedule shows that the state's count reaches each step; a large ε keeps Adam's first step smooth.
    let falling = Schedule::Linear { start: 0.1, end: 0.01, steps: 3 };
    vec![
        Arc::new(Momentum::new(falling.clone())),
        Arc::new(RmsProp { eps: 1e-1, ..RmsProp::new(0.05) }),
        Arc::new(Adam { eps: 1e-1, ..Adam::new(falling) }),
    ]
}

/// Central differences with h = 1e-5: their own error is about 1e-9 of the largest element.
#[test]
fn the_meta_gradient_flows_through_the_optimisers_state() -> Result<()> {
    let model = smooth_mlp();
    let meta = parameters(&model, DType::F64);
    let tasks = sinusoids(2, DType::F64)?;
    for optimiser in optimisers() {
        let learner = Maml::new(&model, config(Arc::clone(&optimiser), Adjoint::Unrolled))?;
        let loss = |meta: &Params| -> Result<f64> {
            Ok(learner.meta_grad(meta, &tasks, 0)?.losses.to_vec_f64()?.iter().sum::<f64>())
        };
        let mut differences = Vec::new();
        for leaf in 0..meta.len() {
            for element in 0..meta.leaves()[leaf].elem_count() {
                let at = |by: f64| -> Result<f64> {
                    let mut leaves = meta.leaves().to_vec();
                    let mut values = leaves[leaf].to_vec_f64()?;
                    values[element] += by;
                    leaves[leaf] = Tensor::from_vec(values, leaves[leaf].shape())?;
                    loss(&meta.with_leaves(leaves)?)
                };
                differences.push((at(1e-5)? - at(-1e-5)?) / 2e-5);
            }
        }
        let analytic = elements(&learner.meta_grad(&meta, &tasks, 0)?.grads.sum_tasks()?);
        assert_close(&analytic, &differences, 1e-7);
        let checkpointed = Maml::new(&model, config(optimiser, Adjoint::Checkpointed))?;
        let swept = elements(&checkpointed.meta_grad(&meta, &tasks, 0)?.grads.sum_tasks()?);
        assert_close(&swept, &analytic, 1e-12);
    }
    Ok(())
}

/// Plain gradient descent as a transformation is MAML's own inner step.
#[test]
fn sgd_as_a_transformation_is_the_plain_inner_step() -> Result<()> {
    let model = smooth_mlp();
    let meta = parameters(&model, DType::F64);
    let tasks = sinusoids(2, DType::F64)?;
    let plain = Maml::new(&model, MamlConfig { inner_lr: 0.1, n_steps: 3, ..MamlConfig::sinusoid() })?;
    let through = Maml::new(&model, config(Arc::new(Sgd::new(0.1)), Adjoint::Unrolled))?;
    let [a, b] = [&plain, &through].map(|learner| learner.meta_grad(&meta, &tasks, 0));
    assert_close(&elements(&a?.grads), &elements(&b?.grads), 1e-13);
    let adapted = [&plain, &through].map(|learner| learner.trajectory(&meta, &tasks.support, 2));
    let [a, b] = adapted.map(|trajectory| trajectory.map(|mut t| t.pop().expect("two steps were made")));
    assert_close(&elements(&a?), &elements(&b?), 1e-15);
    assert_same(&plain.trajectory(&meta, &tasks.support, 0)?[0], &through.trajectory(&meta, &tasks.support, 0)?[0]);
    Ok(())
}
