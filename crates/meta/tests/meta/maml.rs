//! MAML's meta-gradient on a small network, against finite differences, loops and other adjoints.

use candle_core::DType;
use rekindle_autodiff::{CgConfig, NormStats, Order, Params, Tensor};
use rekindle_meta::{Adjoint, Loss, Maml, MamlConfig, MetaLearner, Result, Stepwise};
use rekindle_nn::Model;
use rekindle_tasks::TaskBatch;

use crate::{assert_close, assert_same, elements, normalised_mlp, parameters, sinusoids, smooth_mlp};

fn config(n_steps: usize, adjoint: Adjoint) -> MamlConfig {
    MamlConfig { inner_lr: 0.1, n_steps, adjoint, ..MamlConfig::sinusoid() }
}

/// Gradients of all tasks, leaf after leaf.
fn gradient(config: MamlConfig, tasks: &TaskBatch) -> Result<Vec<f64>> {
    let model = smooth_mlp();
    let meta = parameters(&model, DType::F64);
    Ok(elements(&Maml::new(model, config)?.meta_grad(&meta, tasks, 0)?.grads))
}

/// Differences of fourth order, `(8(L(h) − L(−h)) − (L(2h) − L(−2h))) / 12h`: their error is about 10⁻¹² here.
#[test]
fn gradients_agree_with_finite_differences() -> Result<()> {
    let model = smooth_mlp();
    let meta = parameters(&model, DType::F64);
    let tasks = sinusoids(3, DType::F64)?;
    for n_steps in [1, 5] {
        let learner = Maml::new(&model, config(n_steps, Adjoint::Unrolled))?;
        let loss = |meta: &Params| -> Result<f64> {
            Ok(learner.meta_grad(meta, &tasks, 0)?.losses.to_vec_f64()?.iter().sum::<f64>())
        };
        let mut differences = Vec::new();
        for (leaf, element) in
            meta.leaves().iter().enumerate().flat_map(|(i, t)| (0..t.elem_count()).map(move |e| (i, e)))
        {
            let h = 1e-4;
            let at = |steps: f64| loss(&moved(&meta, leaf, element, steps * h)?);
            differences.push((8.0 * (at(1.0)? - at(-1.0)?) - (at(2.0)? - at(-2.0)?)) / (12.0 * h));
        }
        let analytic = learner.meta_grad(&meta, &tasks, 0)?.grads.sum_tasks()?;
        assert_close(&elements(&analytic), &differences, 1e-9);
    }
    Ok(())
}

/// One element of one leaf moved.
fn moved(params: &Params, leaf: usize, element: usize, by: f64) -> Result<Params> {
    let mut leaves = params.leaves().to_vec();
    let mut values = leaves[leaf].to_vec_f64()?;
    values[element] += by;
    leaves[leaf] = Tensor::from_vec(values, leaves[leaf].shape())?;
    Ok(params.with_leaves(leaves)?)
}

#[test]
fn tasks_together_are_tasks_one_by_one() -> Result<()> {
    let model = smooth_mlp();
    let meta = parameters(&model, DType::F64);
    let learner = Maml::new(model, config(3, Adjoint::Unrolled))?;
    let tasks = sinusoids(4, DType::F64)?;
    let together = learner.meta_grad(&meta, &tasks, 0)?;
    for task in 0..4 {
        let alone = learner.meta_grad(&meta, &tasks.narrow(task, 1)?, 0)?;
        let theirs = together.grads.narrow_tasks(task, 1)?;
        assert_close(&elements(&alone.grads), &elements(&theirs), 1e-14);
        assert_close(&alone.losses.to_vec_f64()?, &together.losses.narrow(0, task, 1)?.to_vec_f64()?, 1e-14);
    }
    Ok(())
}

#[test]
fn checkpointed_and_fully_truncated_are_the_unrolled_gradient() -> Result<()> {
    let tasks = sinusoids(2, DType::F64)?;
    for n_steps in [1, 2, 3, 4, 7, 10] {
        let unrolled = gradient(config(n_steps, Adjoint::Unrolled), &tasks)?;
        assert_close(&gradient(config(n_steps, Adjoint::Checkpointed), &tasks)?, &unrolled, 1e-13);
        for last in [n_steps, n_steps + 1] {
            assert_eq!(gradient(config(n_steps, Adjoint::Truncated { last }), &tasks)?, unrolled);
        }
    }
    Ok(())
}

#[test]
fn truncation_tends_from_first_order_to_exact() -> Result<()> {
    let tasks = sinusoids(2, DType::F64)?;
    let exact = gradient(config(6, Adjoint::Unrolled), &tasks)?;
    let distance = |adjoint| -> Result<f64> {
        let other = gradient(config(6, adjoint), &tasks)?;
        Ok(other.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt())
    };
    let first_order = distance(Adjoint::FirstOrder)?;
    let distances = (1..6).map(|last| distance(Adjoint::Truncated { last })).collect::<Result<Vec<_>>>()?;
    assert!(first_order > distances[0], "{first_order} and {distances:?}");
    assert!(distances.is_sorted_by(|a, b| a > b), "{distances:?}");
    Ok(())
}

#[test]
fn truncating_everything_is_refused() {
    let message = Maml::new(smooth_mlp(), config(3, Adjoint::Truncated { last: 0 })).unwrap_err().to_string();
    assert_eq!(message, "Truncated::last = 0, but must be at least 1");
}

/// Algorithm 1 of Finn et al. 2017 with the second derivatives left out: the query gradient at θ_K.
#[test]
fn first_order_is_fomaml_by_hand() -> Result<()> {
    let model = smooth_mlp();
    let meta = parameters(&model, DType::F64);
    let tasks = sinusoids(3, DType::F64)?;
    let learner = Maml::first_order(&model, config(4, Adjoint::Unrolled))?;
    let grads = learner.meta_grad(&meta, &tasks, 0)?.grads;
    for task in 0..3 {
        let one = tasks.narrow(task, 1)?;
        let slope = |theta: &Params, batch: &rekindle_tasks::Batch| -> Result<Params> {
            let theta = theta.leaf();
            let outputs = model.forward(&theta, &Tensor::new(batch.x.clone()), NormStats::Batch)?;
            let error = outputs.sub(&Tensor::new(batch.y.clone()))?;
            Ok(theta.grad(&error.sqr()?.mean_all()?, Order::First)?)
        };
        let mut theta = meta.clone();
        for _ in 0..4 {
            theta = theta.detach().add_scaled(&slope(&theta, &one.support)?, -0.1)?;
        }
        assert_close(&elements(&grads.narrow_tasks(task, 1)?), &elements(&slope(&theta, &one.query)?), 1e-13);
    }
    Ok(())
}

/// With a proximal term strong enough for a convex inner objective, adaptation converges, and differentiating through
/// ever more steps tends to what the implicit function theorem says.
#[test]
fn implicit_gradients_are_the_limit_of_unrolled_ones() -> Result<()> {
    let tasks = sinusoids(2, DType::F64)?;
    let with = |n_steps, adjoint| {
        let proximal = 20.0;
        gradient(MamlConfig { inner_lr: 0.02, proximal, ..config(n_steps, adjoint) }, &tasks)
    };
    let implicit = with(300, Adjoint::Implicit(CgConfig { iterations: 60, tolerance: 1e-12 }))?;
    assert_close(&implicit, &with(300, Adjoint::Unrolled)?, 1e-9);
    Ok(())
}

#[test]
fn cross_entropy_gradients_agree_with_the_loop_too() -> Result<()> {
    // Labels for the same inputs: which side of zero the wave is on.
    let mut tasks = sinusoids(3, DType::F64)?;
    for batch in [&mut tasks.support, &mut tasks.query] {
        batch.y = batch.y.ge(0.0)?.to_dtype(DType::U32)?.squeeze(2)?;
    }
    let sizes = vec![1, 6, 2];
    let model = rekindle_nn::Mlp::new(&rekindle_nn::MlpConfig {
        sizes,
        activation: rekindle_nn::Activation::Tanh,
        weight: rekindle_nn::Init::TruncatedNormal { std: 0.7 },
        ..rekindle_nn::MlpConfig::default()
    })?;
    let meta = parameters(&model, DType::F64);
    let learner = Maml::new(model, MamlConfig { loss: Loss::CrossEntropy, ..config(2, Adjoint::Unrolled) })?;
    let together = learner.meta_grad(&meta, &tasks, 0)?;
    for task in 0..3 {
        let alone = learner.meta_grad(&meta, &tasks.narrow(task, 1)?, 0)?;
        assert_close(&elements(&alone.grads), &elements(&together.grads.narrow_tasks(task, 1)?), 1e-14);
    }
    Ok(())
}

#[test]
fn adaptation_is_the_end_of_its_trajectory_and_begins_at_the_meta_parameters() -> Result<()> {
    let model = normalised_mlp();
    let meta = parameters(&model, DType::F32);
    let learner = Maml::new(model, MamlConfig { eval_steps: 4, ..config(1, Adjoint::Unrolled) })?;
    let support = sinusoids(3, DType::F32)?.support;
    let trajectory = learner.trajectory(&meta, &support, 4)?;
    assert_eq!(trajectory.len(), 5);
    assert_same(&trajectory[0], &meta.expand_tasks(3)?);
    assert_same(&trajectory[4], &learner.adapt(&meta, &support)?);
    Ok(())
}
